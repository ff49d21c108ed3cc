"""Exact counts, ties included; once gone, gone; every member at its own times."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mdlray.compression import Pruner, sparsity_after
from mdlray.compression.pruning import pruning_times, remove
from mdlray.models import get_family
from mdlray.models.family import initialize
from mdlray.spec import CompressionSpec, TrialSpec, replace_fields
from mdlray.training import Examples

FAMILY = get_family("dense")
SIZES = (30, 20, 10)


def compression(ratio: float, **changes: object) -> CompressionSpec:
    return CompressionSpec(method="magnitude", pruning_ratio=ratio, **changes)  # type: ignore[arg-type]


def test_the_studys_schedule() -> None:
    spec = compression(0.9, num_pruning_steps=8, pruning_exponent=3.0)
    assert [sparsity_after(i, spec) for i in (1, 8)] == pytest.approx([0.45, 0.9])
    times = pruning_times(compression(0.9, num_pruning_steps=3, first_pruning_epoch=2, last_pruning_epoch=6), 10)
    assert list(times) == [20, 40, 60] and times[60] == pytest.approx(0.9)


def test_one_step_happens_at_the_last_epoch_and_ratio_zero_never() -> None:
    assert pruning_times(compression(0.5, num_pruning_steps=1, last_pruning_epoch=7), 10) == {70: 0.5}
    assert pruning_times(compression(0.0), 10) == {}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=4), st.sampled_from(["global", "per_layer"]), st.booleans())
def test_exact_counts_with_ties(sparsities: list[float], scope: str, ties: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(len(sparsities), 7, 9), (len(sparsities), 3, 7)]
    saliency = [torch.rand(shape, generator=generator) for shape in shapes]
    if ties:
        saliency = [(s * 4).round() for s in saliency]
    masks = remove(saliency, [torch.ones(shape) for shape in shapes], sparsities, scope)
    for member, sparsity in enumerate(sparsities):
        gone = [int((mask[member] == 0).sum()) for mask in masks]
        if scope == "global":
            assert sum(gone) == round(sparsity * 84)
            kept = torch.cat([s[member][m[member] == 1] for s, m in zip(saliency, masks, strict=True)])
            lost = torch.cat([s[member][m[member] == 0] for s, m in zip(saliency, masks, strict=True)])
            assert not len(kept) or not len(lost) or kept.min() >= lost.max()
        else:
            assert gone == [round(sparsity * 63), round(sparsity * 21)]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=5))
def test_removed_weights_stay_removed(sparsities: list[float]) -> None:
    masks = [torch.ones(1, 6, 8)]
    generator = torch.Generator().manual_seed(1)
    most = 0
    for sparsity in sparsities:
        new = remove([torch.randn(1, 6, 8, generator=generator)], masks, [sparsity], "global")
        assert bool(((masks[0] == 0) <= (new[0] == 0)).all())
        most = max(most, round(sparsity * 48))
        assert int((new[0] == 0).sum()) == most
        masks = new


def test_saliencies_of_any_sign_rank_and_nan_goes_first() -> None:
    saliency = torch.tensor([[[3.0, -2.0, torch.nan, -torch.inf, 0.0, torch.inf]]])
    orders = {1: [2], 3: [1, 2, 3], 4: [1, 2, 3, 4], 5: [0, 1, 2, 3, 4]}
    for count, gone in orders.items():
        mask = remove([saliency], [torch.ones_like(saliency)], [count / 6], "global")[0]
        assert (mask == 0).flatten().nonzero().flatten().tolist() == gone
    mask = torch.tensor([[[0.0, 1.0, 1.0, 1.0, 1.0, 1.0]]])
    assert remove([saliency], [mask], [2 / 6], "global")[0].flatten().tolist() == [0, 1, 0, 1, 1, 1]


def test_the_hook_prunes_each_member_at_its_own_times_and_keeps_zeros() -> None:
    specs = [
        TrialSpec(),
        replace_fields(
            TrialSpec(),
            {
                "compression.method": "magnitude",
                "compression.pruning_ratio": 0.9,
                "compression.num_pruning_steps": 2,
                "compression.first_pruning_epoch": 1,
                "compression.last_pruning_epoch": 2,
            },
        ),
        replace_fields(
            TrialSpec(),
            {
                "compression.method": "obd",
                "compression.pruning_ratio": 0.5,
                "compression.num_pruning_steps": 1,
                "compression.last_pruning_epoch": 3,
                "compression.first_pruning_epoch": 1,
            },
        ),
    ]
    pixels = torch.randint(0, 256, (50, 30), generator=torch.Generator().manual_seed(3)).to(torch.uint8)
    examples = Examples(pixels, torch.zeros(3, 50, dtype=torch.int64), 0.5, 0.3)
    parameters = initialize(FAMILY.shapes(SIZES), [torch.Generator().manual_seed(s) for s in range(3)])
    pruner = Pruner(FAMILY, specs, examples, steps_per_epoch=4)
    zeros, masks, histograms = [], None, [[], [], []]
    for done in range(1, 13):
        for parameter in parameters:
            parameter += 0.01
        masks = pruner(done, range(3), parameters, masks, histograms, {})
        zeros.append([int(sum((parameters[i][m] == 0).sum() for i in (0, 2))) for m in range(3)])
    first = round(0.9 * 0.5 ** (1 / 12) * 800)
    assert zeros[2] == [0, 0, 0] and zeros[3] == zeros[6] == [0, first, 0]
    assert zeros[7] == [0, 720, 0] and zeros[11] == [0, 720, 400]


def test_unknown_method_lists_the_known() -> None:
    spec = replace_fields(TrialSpec(), {"compression.method": "magic"})
    with pytest.raises(ValueError, match="method is 'magic'; known are: magnitude, none, obd"):
        Pruner(FAMILY, [spec], Examples(torch.zeros(1, 1), torch.zeros(1, 1), 0.0, 1.0), 1)
