"""Rows into fronts: which settings no other setting beats in (accuracy, compressed bytes).

A cell is a setting; its rows are repetitions over seeds. A cell is on the front of its group (same pictures, same
labels) when no cell of the group has at least its mean accuracy in at most its mean bytes, and is better in one of the
two. Students are a group of their own: what they were fitted to had been learned already, and the network that did is
not in their bytes. Test accuracy is reported beside, and decides nothing.

The accuracy that ranks is the column `ranked_by`: `validation` where all labels are true, `train` wherever some are
random, because the question there is how many of its labels a network of that size can memorize. Validation labels are
true; with only random labels to learn from, accuracy on them is chance, and with half of them random it measures how
little was memorized.

Where nothing is removed, the method of pruning is a name only: `obd` and `magnitude` at ratio 0 with one penalty are
one training. Of such cells with equal results one counts (`none` before the others, then the least cell id);
`same_training_as` of the others names it, and they are on no front.

The hypervolume of a group is the area that its front dominates in the plane (accuracy, log10 bytes), from a reference
point of accuracy 0. It grows with every improvement of the front; 0.97 · 2 means 97 % accurate in a hundredth of the
reference's bytes. `hypervolume` has the reference 4 · num_weights, the bytes that the largest network of the group has
as float32, which differs from table to table. `hypervolume_fixed_reference` has `REFERENCE_BYTES` for every table, so
that two searches of one task compare; a network of more bytes adds nothing to it.
Reference: Zitzler & Thiele 1998 (PPSN V), who call it the size of the dominated space.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mdlray.results.conversion import to_frame
from mdlray.results.schema import FRONT

GROUP = ("dataset", "split", "label_randomization_fraction", "pixel_randomization")
"""Columns whose values a front shares: networks that saw the same task (see `groups` for students)."""

_MEASURED = ("train_accuracy", "validation_accuracy", "test_accuracy", "compressed_bytes", "num_nonzero")
_BYTES_PER_FLOAT32 = 4

REFERENCE_BYTES = 4_000_000
"""A million float32 weights: more than any network has that the sweeps of this package ask for (784-512-512-10 has
669,706), so that no point of theirs lies beyond it."""

_PRUNING = (
    "method",
    "scope",
    "num_pruning_steps",
    "pruning_exponent",
    "first_pruning_epoch",
    "last_pruning_epoch",
)
"""Fields of `CompressionSpec` that mean nothing where nothing is removed."""


def pareto_mask(accuracy_N: npt.ArrayLike, bytes_N: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Which of N points are on the front: accuracy is maximized, bytes are minimized.

    Equal points are on it together; a point with a NaN is neither on it nor beats another. O(N log N).
    """
    # From here on smaller is better in both.
    first_N, second_N = np.asarray(bytes_N, dtype=np.float64), -np.asarray(accuracy_N, dtype=np.float64)
    mask_N = np.zeros(first_N.shape, dtype=np.bool_)
    known = np.flatnonzero(~(np.isnan(first_N) | np.isnan(second_N)))
    order = known[np.lexsort((second_N[known], first_N[known]))]
    first, second = first_N[order], second_N[order]
    # Of points with equal bytes the first is best; it must beat all points with fewer bytes, strictly.
    start = np.searchsorted(first, first, side="left")
    best_so_far = np.minimum.accumulate(second)
    beats_smaller = (start == 0) | (second < best_so_far[np.maximum(start - 1, 0)])
    mask_N[order] = beats_smaller & (second == second[start])
    return mask_N


def hypervolume(accuracy: npt.ArrayLike, log10_bytes: npt.ArrayLike, reference: tuple[float, float]) -> float:
    """Area that the points dominate, up to `reference` = (least accuracy, most log10 bytes), exactly.

    Points that do not beat the reference in both, NaN included, add nothing.
    """
    heights, sizes = np.asarray(accuracy, dtype=np.float64), np.asarray(log10_bytes, dtype=np.float64)
    inside = (heights > reference[0]) & (sizes < reference[1])
    order = np.lexsort((-heights[inside], sizes[inside]))
    best = np.maximum.accumulate(heights[inside][order])
    edges = np.append(sizes[inside][order], reference[1])
    # Strips between neighboring sizes, each as high as the best accuracy so far; empty ones must not meet infinities.
    widths = edges[1:] - edges[:-1]
    filled = edges[1:] > edges[:-1]
    return float(np.sum((best[filled] - reference[0]) * widths[filled]))


def front_table(trials: pd.DataFrame) -> pd.DataFrame:
    """One row per cell with an ok trial (columns: `mdlray.results.schema.FRONT`), sorted by group and bytes.

    A cell in which a repetition lacks a measurement has none in the mean either, and is not on the front.
    """
    is_ok = trials["status"] == "ok"
    # A million rows are a gigabyte, nearly all of it specs: copied only where some must go.
    ok = trials if is_ok.all() else trials[is_ok]
    if ok.empty:
        return to_frame(FRONT.empty_table())
    code_N, _ = pd.factorize(ok["cell_id"])
    # Codes count up in order of appearance, so a cell's first row is where the largest code so far grows.
    first = np.flatnonzero(np.diff(np.maximum.accumulate(code_N), prepend=-1))
    cells = ok[[column for column in FRONT.names if column in ok.columns]].iloc[first]
    cells = cells.reset_index(drop=True).assign(num_trials=np.bincount(code_N))
    cells["setting"] = [_without_seeds(spec) for spec in ok["spec"].iloc[first]]
    for column in _MEASURED:
        mean, std = _mean_and_std(ok[column].to_numpy(dtype=np.float64, na_value=np.nan), code_N)
        cells[f"{column}_mean"], cells[f"{column}_std"] = mean, std
    cells["ranked_by"] = np.where(cells["label_randomization_fraction"] > 0, "train", "validation")
    cells["same_training_as"] = None
    cells["on_front"], cells["hypervolume"], cells["hypervolume_fixed_reference"] = False, np.nan, np.nan
    for group in groups(cells):
        accuracy, size = ranking_accuracy(group), group["compressed_bytes_mean"].to_numpy()
        largest = group["num_weights"].to_numpy(dtype=np.float64, na_value=np.nan).max()
        stand_in = _same_training_as(group)
        cells.loc[group.index, "same_training_as"] = stand_in
        cells.loc[group.index, "on_front"] = pareto_mask(accuracy, size) & stand_in.isna().to_numpy()
        cells.loc[group.index, "hypervolume"] = _volume(accuracy, size, _BYTES_PER_FLOAT32 * largest)
        cells.loc[group.index, "hypervolume_fixed_reference"] = _volume(accuracy, size, REFERENCE_BYTES)
    cells = cells.sort_values([*GROUP, "compressed_bytes_mean", "cell_id"], ignore_index=True)
    return cells.reindex(columns=FRONT.names)


def groups(cells: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The cells that compete for one front, group by group: those of one task, students apart from the others."""
    # A null is older than students are.
    is_student = (cells["student_round"].fillna(0) > 0).rename("is_student")
    for _, group in cells.groupby([*GROUP, is_student], sort=False):
        yield group


def _without_seeds(spec: str) -> str:
    # Cut out of canonical JSON (no spaces, and seeds hold no braces): parsing fifty thousand specs takes seconds.
    return re.sub(r'"seeds":\{[^{}]*\},|,"seeds":\{[^{}]*\}', "", spec, count=1)


def ranking_accuracy(cells: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Per cell the mean accuracy that its front is ranked by: training where labels are random, else validation."""
    is_by_train = (cells["label_randomization_fraction"] > 0).to_numpy()
    train, validation = (cells[f"{split}_accuracy_mean"].to_numpy() for split in ("train", "validation"))
    accuracy: npt.NDArray[np.float64] = np.where(is_by_train, train, validation)
    return accuracy


def _same_training_as(cells: pd.DataFrame) -> "pd.Series[Any]":
    """Per cell the id of the one that stands for it; null for a cell that stands for itself."""
    unpruned = cells[cells["pruning_ratio"] == 0]
    keys = [
        unpruned["setting"].map(_without_pruning),
        unpruned["num_trials"],
        *(unpruned[f"{name}_mean"] for name in _MEASURED),
    ]
    order = [
        (method != "none", cell_id) for method, cell_id in zip(unpruned["method"], unpruned["cell_id"], strict=True)
    ]
    ranked = unpruned["cell_id"].iloc[sorted(range(len(order)), key=order.__getitem__)]
    # A cell without a measurement equals none.
    first = ranked.groupby(keys).transform("first").reindex(cells.index)
    return first.where(first != cells["cell_id"]).astype("object")


def _without_pruning(setting: str) -> str:
    fields = json.loads(setting)
    fields["compression"] = {name: value for name, value in fields["compression"].items() if name not in _PRUNING}
    return json.dumps(fields, sort_keys=True)


def _volume(accuracy: npt.NDArray[np.float64], num_bytes: npt.NDArray[np.float64], most_bytes: float) -> float:
    return hypervolume(accuracy, np.log10(num_bytes), (0.0, float(np.log10(most_bytes))))


def _mean_and_std(values_N: npt.NDArray[np.float64], code_N: npt.NDArray[np.intp]) -> Sequence[npt.NDArray[np.float64]]:
    """Per cell; the standard deviation has ddof 1 and is NaN for one repetition."""
    count = np.bincount(code_N)
    mean = np.bincount(code_N, weights=values_N) / count
    squares = np.bincount(code_N, weights=(values_N - mean[code_N]) ** 2)
    std = np.sqrt(squares / np.where(count > 1, count - 1, np.nan))
    return mean, std
