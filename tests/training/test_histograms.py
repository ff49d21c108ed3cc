"""Counts are those of NumPy, of the weights as they were then, caught beside the program that counts them."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mdlray.compression import Pruner
from mdlray.models import Parameters
from mdlray.planning import Halving, Pack
from mdlray.results.conversion import to_table
from mdlray.results.schema import WEIGHTS
from mdlray.spec import TrialSpec, replace_fields
from mdlray.training.histograms import NUM_BINS, count_weights
from mdlray.worker.run_pack import WorkerConfig, run_pack

WEIGHT_TENSORS = {"hidden_1.weight": 0, "output.weight": 2}
MOMENTS = ["before_last_pruning", "after_last_pruning", "trained"]
Caught = dict[tuple[int, str], np.ndarray[Any, Any]]


def member(**changes: object) -> TrialSpec:
    base = {
        "data.dataset": "mnist5k",
        "model.hidden_units": (30,),
        "training.num_epochs": 12,
        "training.batch_size": 32,
        "training.learning_rate": 0.05,
        "compression.method": "magnitude",
        "compression.pruning_ratio": 0.9,
        "compression.num_pruning_steps": 4,
        "compression.first_pruning_epoch": 2,
        "compression.last_pruning_epoch": 8,
        "compression.pruning_exponent": 3.0,
        "compression.centroid_epochs": 1,
    }
    return replace_fields(TrialSpec(), base | {name.replace("__", "."): value for name, value in changes.items()})


SPECS = (
    member(training__regularizer="l1", training__regularizer_strength=1e-4),
    member(training__regularizer="l2", training__regularizer_strength=1e-3),
    member(compression__method="obd", compression__last_pruning_epoch=6, compression__scope="per_layer"),
    member(compression__method="none", compression__pruning_ratio=0.0),
)


def check(row: dict[str, Any], weights: np.ndarray[Any, Any]) -> None:
    """The row is the histogram of these weights."""
    nonzero = weights[weights != 0]
    high = float(np.abs(weights).max(initial=0))
    assert (row["low"], row["high"], row["num_zero"]) == (-high, high, weights.size - nonzero.size)
    if high:
        assert row["counts"] == np.histogram(nonzero.astype(np.float64), NUM_BINS, (-high, high))[0].tolist()
    assert len(row["counts"]) == NUM_BINS and sum(row["counts"]) == nonzero.size


# Multiples of 1/32 lie on edges, where one number too many or too few would be seen.
on_edges = st.integers(-32, 32).map(lambda number: number / 32)
values = st.one_of(on_edges, st.floats(-3, 3, width=32, allow_subnormal=False))


@given(arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 9)), elements=values))
def test_counts_are_those_of_numpy_also_on_edges(weights: np.ndarray[Any, Any]) -> None:
    epochs = [1.5 * number for number in range(len(weights))]
    counted = count_weights([torch.tensor(weights), torch.tensor(-weights)], "trained", epochs)
    for place, (one, other) in enumerate(counted):
        check(vars(one), weights[place].ravel())
        check(vars(other), -weights[place].ravel())
        assert one.epoch == epochs[place] and one.moment == "trained"


def test_a_layer_without_weights_has_an_empty_histogram_and_a_diverged_member_spoils_only_its_own() -> None:
    weights = torch.tensor([[[0.0, -0.0]], [[float("nan"), 1.0]], [[float("inf"), 1.0]], [[0.5, -1.0]]])
    empty, _, _, sound = count_weights([weights], "trained", [1.0] * 4)
    assert (empty[0].low, empty[0].high, empty[0].num_zero, sum(empty[0].counts)) == (0.0, 0.0, 2, 0)
    assert sound[0].counts[0] == sound[0].counts[48] == 1 and sum(sound[0].counts) == 2


@pytest.fixture(scope="module")
def run() -> tuple[list[dict[str, Any]], Caught]:
    """Rows of a pack, and weights around the pruning steps as a wrapper around the hook saw them."""
    caught: Caught = {}
    ordinary = Pruner.__call__

    def watched(self: Pruner, steps: int, stack: list[int], parameters: Parameters, *more: Any) -> Any:
        masks = more[0]
        before = {index: parameters[index].clone() for index in WEIGHT_TENSORS.values()}
        if masks is not None:
            before = {index: tensor * mask for (index, tensor), mask in zip(before.items(), masks, strict=True)}
        result = ordinary(self, steps, stack, parameters, *more)
        for member, _ in self.due.get(steps, []):
            for name, index in WEIGHT_TENSORS.items():
                # A later step overwrites what an earlier one left: the last one stays.
                caught[member, f"before_last_pruning {name}"] = before[index][member].flatten().numpy()
                caught[member, f"after_last_pruning {name}"] = parameters[index][member].clone().flatten().numpy()
        for member in range(len(stack)):
            for name, index in WEIGHT_TENSORS.items():
                caught[member, f"trained {name}"] = parameters[index][member].clone().flatten().numpy()
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pruner, "__call__", watched)
        result = run_pack(Pack("toy", SPECS), WorkerConfig())
    assert {row["status"] for row in result.rows} == {"ok"}, [row["error"] for row in result.rows]
    assert to_table(result.tables["weights"], WEIGHTS).num_rows == 3 * 6 + 2
    return result.tables["weights"], caught


def rows_of(rows: list[dict[str, Any]], spec: TrialSpec, moment: str) -> dict[str, dict[str, Any]]:
    found = [row for row in rows if row["trial_id"] == spec.trial_id and row["moment"] == moment]
    assert len({row["layer"] for row in found}) == len(found)
    return {row["layer"]: row for row in found}


def test_rows_are_the_weights_at_their_moments(run: tuple[list[dict[str, Any]], Caught]) -> None:
    rows, caught = run
    for number, spec in enumerate(SPECS):
        for moment in MOMENTS if spec.compression.pruning_ratio else MOMENTS[2:]:
            mine = rows_of(rows, spec, moment)
            assert list(mine) == list(WEIGHT_TENSORS)
            for name, row in mine.items():
                check(row, caught[number, f"{moment} {name}"])
                last = float(spec.compression.last_pruning_epoch)
                assert row["epoch"] == pytest.approx(12.0 if moment == "trained" else last)
    assert not rows_of(rows, SPECS[3], MOMENTS[0]) and not rows_of(rows, SPECS[3], MOMENTS[1])


def test_before_minus_after_is_what_the_last_step_removed(run: tuple[list[dict[str, Any]], Caught]) -> None:
    rows, caught = run
    for number, spec in enumerate(SPECS[:2]):
        before, after = (rows_of(rows, spec, moment) for moment in MOMENTS[:2])
        removed = 0
        for name in WEIGHT_TENSORS:
            old, new = (caught[number, f"{moment} {name}"] for moment in MOMENTS[:2])
            gone = old[(old != 0) & (new == 0)].astype(np.float64)
            high = before[name]["high"]
            assert after[name]["high"] == high, "by magnitude the largest weight stays"
            lost = np.subtract(before[name]["counts"], after[name]["counts"])
            assert lost.tolist() == np.histogram(gone, NUM_BINS, (-high, high))[0].tolist()
            assert after[name]["num_zero"] - before[name]["num_zero"] == len(gone)
            removed += len(gone)
        # 784 · 30 + 30 · 10 weights; the third step of four left round(0.9 · (3/4)^(1/3) · n).
        assert removed == round(0.9 * 23820) - round(0.9 * 0.75 ** (1 / 3) * 23820)
        assert sum(row["num_zero"] for row in after.values()) == round(0.9 * 23820)


def test_l1_concentrates_weights_around_zero_more_than_l2() -> None:
    """As Baktash et al. say of Figure 6, with the strengths of the sweep and one pruning step, before it: all weights.

    After many pruning steps it need not hold: what is nearest to zero is gone by then, from both.
    """
    strengths = {"l1": 1e-4, "l2": 1e-3}
    specs = [
        member(training__regularizer=name, training__regularizer_strength=strength, compression__num_pruning_steps=1)
        for name, strength in strengths.items()
    ]
    rows = run_pack(Pack("toy", tuple(specs)), WorkerConfig()).tables["weights"]
    near, sizes = [], []
    for spec in specs:
        row = rows_of(rows, spec, "before_last_pruning")["hidden_1.weight"]
        edges = np.linspace(row["low"], row["high"], NUM_BINS + 1)
        middles = np.abs(edges[1:] + edges[:-1]) / 2
        near.append(float(np.sum(row["counts"], where=middles < 0.02) / 23520))
        sizes.append(float(np.average(middles, weights=row["counts"])))
    print(f"L1, L2: {near[0]:.3f}, {near[1]:.3f} of the weights within 0.02; mean |w| {sizes[0]:.4f}, {sizes[1]:.4f}")
    assert near[0] > 1.4 * near[1] and sizes[0] < sizes[1]


def test_who_is_stopped_early_is_counted_after_it_was_pruned_at_once() -> None:
    specs = [member(seeds__initialization=seed) for seed in range(4)]
    result = run_pack(Pack("toy", tuple(specs)), WorkerConfig(halving=Halving(rungs=(0.5,))))
    stopped = [row["trial_id"] for row in result.rows if row["status"] == "stopped"]
    assert len(stopped) == 2
    for trial_id in stopped:
        mine = [row for row in result.tables["weights"] if row["trial_id"] == trial_id]
        assert [(row["moment"], row["epoch"]) for row in mine] == [("trained", 6.0)] * 2
        assert sum(row["num_zero"] for row in mine) == round(0.9 * 23820)
