"""Members leave the stack, their curves end there, and everybody keeps their own numbers."""

import math
from collections.abc import Sequence

import torch
from hypothesis import given
from hypothesis import strategies as st

from mdlray.results.conversion import to_table
from mdlray.results.schema import CURVES
from mdlray.training.curves import Curves
from mdlray.training.evaluation import Score


def tensor(values: Sequence[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def add_epoch(curves: Curves, members: Sequence[int], of: int, epoch: int) -> None:
    """Numbers from which member, epoch and column can be told."""
    train = Score(tensor([1000 * m + epoch for m in members]), tensor([m / 64 for m in members]))
    validation = Score(tensor([3000 * m + epoch for m in members]), tensor([epoch / 64 for _ in members]))
    curves.add(members, of, train, validation, tensor([(m + epoch) / 64 for m in members]))


def row(member: int, epoch: int) -> dict[str, float]:
    """The same numbers as means over 10 and 30 examples."""
    return {
        "epoch": epoch,
        "train_nats_per_example": (1000 * member + epoch) / 10,
        "validation_nats_per_example": (3000 * member + epoch) / 30,
        "train_accuracy": member / 64,
        "validation_accuracy": epoch / 64,
        "sparsity": (member + epoch) / 64,
    }


@given(st.lists(st.integers(0, 6), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_every_member_has_its_own_rows_for_as_long_as_it_stays(last_epochs: list[int], random: object) -> None:
    """Who has left is NaN from then on; in which order the others stand in the stack does not matter."""
    curves, of = Curves(), len(last_epochs)
    for epoch in range(1, 7):
        members = [member for member, last in enumerate(last_epochs) if epoch <= last]
        random.shuffle(members)
        add_epoch(curves, members, of, epoch)
    for member, last in enumerate(last_epochs):
        rows = curves.rows(member, last, num_train=10, num_validation=30)
        assert rows == [row(member, epoch) for epoch in range(1, last + 1)]
        gone = curves.rows(member, 6, num_train=10, num_validation=30)[last:]
        assert all(math.isnan(value) for late in gone for key, value in late.items() if key != "epoch")


def test_rows_are_those_of_the_table_without_the_trial() -> None:
    curves = Curves()
    add_epoch(curves, [1, 0], 2, 1)
    (only,) = curves.rows(1, 1, num_train=10, num_validation=30)
    assert list(to_table([{"trial_id": "t"} | only], CURVES).to_pylist()[0]) == CURVES.names
    assert set(only) == set(CURVES.names) - {"trial_id"}


def test_two_packs_share_no_curves() -> None:
    first, second = Curves(), Curves()
    add_epoch(first, [0], 1, 1)
    assert second == Curves() and len(first.train) == len(first.validation) == len(first.sparsity) == 1
