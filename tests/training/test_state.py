"""Members leave for real, and those that stay go their way as if nobody had left."""

from collections.abc import Sequence

import pytest
import torch

from mdlray.compression import Pruner
from mdlray.models import get_family
from mdlray.planning import Halving
from mdlray.spec import TrialSpec, replace_fields
from mdlray.training import Examples, Fitted, State, fit
from mdlray.training.state import drop_members, from_plain, start, to_plain

SIZES, CPU = (20, 16, 5), torch.device("cpu")
FAMILY = get_family("dense")
OBD = {
    "compression.method": "obd",
    "compression.pruning_ratio": 0.8,
    "compression.num_pruning_steps": 4,
    "compression.first_pruning_epoch": 1,
    "compression.last_pruning_epoch": 6,
}


def examples(members: int, seed: int) -> Examples:
    """Five noisy prototypes."""
    generator = torch.Generator().manual_seed(seed)
    prototypes = torch.randint(0, 256, (5, 20), generator=torch.Generator().manual_seed(7))
    labels = torch.randint(0, 5, (300,), generator=generator)
    pixels = prototypes[labels] + torch.randint(-120, 120, (300, 20), generator=generator)
    return Examples(pixels.clamp(0, 255).to(torch.uint8), labels.expand(members, -1), 0.5, 0.3)


def members(optimizer: str = "sgd") -> list[TrialSpec]:
    """Eight of one size that differ in everything else; those with tiny rates learn nothing."""
    base = {"training.num_epochs": 8, "training.batch_size": 32, "training.optimizer": optimizer} | OBD
    rates = [1e-7, 0.01, 0.02, 1e-7, 0.005, 1e-7, 0.015, 1e-7]
    kinds = [{"training.dropout": 0.2}, {"seeds.data_order": 3}, {"compression.method": "magnitude"}, {}]
    kinds += [{"training.regularizer": "l1", "training.regularizer_strength": 1e-4}, {"training.dropout": 0.5}]
    return [
        replace_fields(
            TrialSpec(),
            base | kinds[i % len(kinds)] | {"training.learning_rate": rate, "seeds.initialization": i},
        )
        for i, rate in enumerate(rates)
    ]


def train(specs: Sequence[TrialSpec], halving: Halving | None, **more: object) -> tuple[Fitted, Pruner]:
    data = examples(len(specs), 0)
    pruner = Pruner(FAMILY, specs, data, 9)
    return fit(FAMILY, SIZES, specs, data, examples(len(specs), 1), pruner, halving=halving, **more), pruner


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_members_that_stay_do_not_notice(optimizer: str) -> None:
    specs = members(optimizer)
    stacks: list[list[int]] = []
    fitted, pruner = train(specs, Halving(), after_epoch=lambda state: stacks.append(list(state.members)))
    undisturbed, _ = train(specs, None)
    assert [len(stack) for stack in stacks] == [8, 4, 4, 2, 2, 2, 2, 2]
    assert [fitted.trained_epochs[m] for m in range(8)] == [
        8 if m in stacks[-1] else 4 if m in stacks[1] else 2 for m in range(8)
    ]
    for mine, theirs in zip(fitted.parameters, undisturbed.parameters, strict=True):
        torch.testing.assert_close(mine[stacks[-1]], theirs[stacks[-1]], rtol=1e-3, atol=1e-5)
    for name in ("train", "validation"):
        for epoch in range(8):
            mine, theirs = (getattr(one.curves, name)[epoch].nats_M for one in (fitted, undisturbed))
            torch.testing.assert_close(mine[stacks[epoch]], theirs[stacks[epoch]], rtol=1e-3, atol=1e-3)
    stopped = [m for m in range(8) if m not in stacks[-1]]
    rows = fitted.curves.rows(stopped[0], fitted.trained_epochs[stopped[0]], 288, 300)
    assert len(rows) == fitted.trained_epochs[stopped[0]] and all(row["train_accuracy"] >= 0 for row in rows)
    assert bool(fitted.curves.validation[-1].nats_M[stopped].isnan().all())


def test_who_stops_is_who_is_worse_and_is_pruned_to_its_ratio_at_once() -> None:
    specs = members()
    fitted, pruner = train(specs, Halving(rungs=(0.5,)))
    stopped = [m for m in range(8) if fitted.trained_epochs[m] == 4]
    assert stopped == [0, 3, 5, 7]
    others = [parameter[1].clone() for parameter in fitted.parameters]
    pruner.finish(stopped, fitted.parameters, {})
    for m in range(8):
        zeros = sum(int((fitted.parameters[index][m] == 0).sum()) for index in (0, 2))
        assert zeros == round(0.8 * 400)
    assert all(torch.equal(a, p[1]) for a, p in zip(others, fitted.parameters, strict=True))


def test_everything_of_the_state_shrinks() -> None:
    specs = members("adam")
    seen: list[State] = []
    train(specs, None, after_epoch=seen.append)
    state = seen[-1]
    drop_members(state, specs, [1, 4, 5])
    tensors = [*state.parameters, *(state.masks or []), *(m for moments in state.step.moments for m in moments)]
    assert {tensor.shape[0] for tensor in tensors} == {3} and len(tensors) == 4 + 2 + 8
    assert state.dropout is not None and state.dropout.rates == [0.0, 0.0, 0.5]
    assert state.members == [1, 4, 5] and [m for m, _ in state.left] == [[0, 2, 3, 6, 7]]
    drop_members(state, specs, [4])
    assert state.dropout is None and state.trained_epochs == [8] * 8


def test_a_diverged_member_is_the_worst() -> None:
    specs = members()
    specs[2] = replace_fields(specs[2], {"training.learning_rate": 1e30})
    fitted, _ = train(specs, Halving(rungs=(0.25,), keep=0.8))
    assert [fitted.trained_epochs[m] for m in range(8)].count(2) == 1
    assert fitted.trained_epochs[2] == 2 and fitted.diverged_epoch[2] == 1


def same(first: object, second: object) -> bool:
    if isinstance(first, torch.Tensor):
        assert isinstance(second, torch.Tensor)
        torch.testing.assert_close(first, second, rtol=0, atol=0, equal_nan=True)
        return True
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


def test_back_from_plain_values_it_is_the_same_state() -> None:
    specs = members("adam")
    plain: list[dict] = []
    train(specs, Halving(), after_epoch=lambda state: plain.append(to_plain(state)))
    for before in plain:
        after = to_plain(from_plain(before, specs, CPU))
        assert before.keys() == after.keys()
        for name, value in before.items():
            assert same(value, after[name]), name
    fresh = to_plain(start(FAMILY, SIZES, specs, CPU))
    assert to_plain(from_plain(fresh, specs, CPU))["masks"] is None
