"""Rows -> fronts: the settings that no other setting beats in accuracy and compressed bytes.

The rows of a setting (a `cell_id`) are its repetitions. Settings compete in groups: those of one task, students apart
from other networks. A setting is on the front of its group unless another setting of the group has at least its mean
accuracy in at most its mean bytes, and is better in one of the two. Students are a group of their own because they are
fitted to a network that has learned the task already, and the bytes of that network are not counted in theirs. Test
accuracy is reported and decides nothing.

The column `ranked_by` says which accuracy ranks. It is `validation` if all labels are true. It is `train` if some
labels are random, because then the question is how many of its labels a network of that size can memorize. Validation
labels are always true: if all training labels are random, validation accuracy is chance; if half of them are, it shows
how little was memorized.

If no weights are removed, the pruning method has no effect: `obd` and `magnitude` at ratio 0 with equal penalties are
the same training. Of such settings with equal results, only one counts: the one with method `none`, or else the one
with the smallest cell id. The others are on no front, and their column `same_training_as` has its cell id.

The hypervolume of a group is the area that its front dominates in the plane (accuracy, log10 bytes), seen from a
reference point with accuracy 0. It grows with every improvement of the front. Example: one network with 97 % accuracy
and a hundredth of the reference's bytes has 0.97 · 2 = 1.94. In the column `hypervolume`, the reference has
4 · num_weights bytes, the size of the group's largest network as float32, which may differ between tables. In the
column `hypervolume_fixed_reference`, it has `REFERENCE_BYTES` in every table, so that two searches of one task can be
compared; a network with more bytes adds nothing to it.
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
"""Columns whose values are equal on a front, because they describe the task (`groups` also separates students)."""

_MEASURED = ("train_accuracy", "validation_accuracy", "test_accuracy", "compressed_bytes", "num_nonzero")
_BYTES_PER_FLOAT32 = 4

REFERENCE_BYTES = 4_000_000
"""Bytes of a million float32 weights. No file of the package's sweeps is longer: the largest network, 784-1024-1024-10
with 1.9 million weights, has about 1.9 MB at 8 bits per weight."""

_PRUNING = (
    "method",
    "scope",
    "num_pruning_steps",
    "pruning_exponent",
    "first_pruning_epoch",
    "last_pruning_epoch",
)
"""Fields of `CompressionSpec` that have no effect if no weights are removed."""


def pareto_mask(accuracy_N: npt.ArrayLike, bytes_N: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """A mask (N) of the points on the front: accuracy is maximized, bytes are minimized.

    Equal points are on the front together. A point with a NaN is not on the front, and beats no other. O(N log N).
    """
    # The accuracy is negated, so that smaller is better in both arrays.
    first_N, second_N = np.asarray(bytes_N, dtype=np.float64), -np.asarray(accuracy_N, dtype=np.float64)
    mask_N = np.zeros(first_N.shape, dtype=np.bool_)
    indices = np.flatnonzero(~(np.isnan(first_N) | np.isnan(second_N)))
    order = indices[np.lexsort((second_N[indices], first_N[indices]))]
    first, second = first_N[order], second_N[order]
    # Of the points with equal bytes, the first has the best accuracy. It must be better than all with fewer bytes.
    start = np.searchsorted(first, first, side="left")
    best_so_far = np.minimum.accumulate(second)
    beats_smaller = (start == 0) | (second < best_so_far[np.maximum(start - 1, 0)])
    mask_N[order] = beats_smaller & (second == second[start])
    return mask_N


def hypervolume(accuracy: npt.ArrayLike, log10_bytes: npt.ArrayLike, reference: tuple[float, float]) -> float:
    """The exact area that the points dominate, up to `reference` = (smallest accuracy, largest log10 bytes).

    A point adds nothing unless it beats the reference in both coordinates; so a point with a NaN adds nothing.
    """
    heights, sizes = np.asarray(accuracy, dtype=np.float64), np.asarray(log10_bytes, dtype=np.float64)
    inside = (heights > reference[0]) & (sizes < reference[1])
    order = np.lexsort((-heights[inside], sizes[inside]))
    best = np.maximum.accumulate(heights[inside][order])
    edges = np.append(sizes[inside][order], reference[1])
    # The area is a sum of strips between neighboring sizes, each as high as the best accuracy so far. Empty strips are
    # left out, because a width of infinity - infinity is NaN.
    widths = edges[1:] - edges[:-1]
    filled = edges[1:] > edges[:-1]
    return float(np.sum((best[filled] - reference[0]) * widths[filled]))


def front_table(trials: pd.DataFrame) -> pd.DataFrame:
    """One row per setting with a trial of status `ok`, sorted by group and bytes (columns: `schema.FRONT`).

    If a repetition lacks a measurement, its mean is null, and the setting is not on the front.
    """
    is_ok = trials["status"] == "ok"
    # A million rows are a gigabyte, nearly all of it specs, so they are copied only if some rows must be left out.
    ok = trials if is_ok.all() else trials[is_ok]
    if ok.empty:
        return to_frame(FRONT.empty_table())
    code_N, _ = pd.factorize(ok["cell_id"])
    # Codes are numbered in order of appearance, so the first row of a cell is where the largest code so far grows.
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
    """The cells of each group, which compete for one front: those of one task, students apart from other networks."""
    # A null is in a row that was written before there were students.
    is_student = (cells["student_round"].fillna(0) > 0).rename("is_student")
    for _, group in cells.groupby([*GROUP, is_student], sort=False):
        yield group


def _without_seeds(spec: str) -> str:
    # To parse fifty thousand specs takes seconds, so the seeds are cut out of the text. This works because canonical
    # JSON has no spaces, and the seeds have no braces inside.
    return re.sub(r'"seeds":\{[^{}]*\},|,"seeds":\{[^{}]*\}', "", spec, count=1)


def ranking_accuracy(cells: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The mean accuracy per cell that ranks its front: training accuracy if labels are random, else validation."""
    is_by_train = (cells["label_randomization_fraction"] > 0).to_numpy()
    train, validation = (cells[f"{split}_accuracy_mean"].to_numpy() for split in ("train", "validation"))
    accuracy: npt.NDArray[np.float64] = np.where(is_by_train, train, validation)
    return accuracy


def _same_training_as(cells: pd.DataFrame) -> "pd.Series[Any]":
    """For each cell, the id of the cell that counts instead of it; null if the cell itself counts."""
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
    # A cell that lacks a measurement has a null key, so it equals no other cell.
    first = ranked.groupby(keys).transform("first").reindex(cells.index)
    return first.where(first != cells["cell_id"]).astype("object")


def _without_pruning(setting: str) -> str:
    fields = json.loads(setting)
    fields["compression"] = {name: value for name, value in fields["compression"].items() if name not in _PRUNING}
    return json.dumps(fields, sort_keys=True)


def _volume(accuracy: npt.NDArray[np.float64], num_bytes: npt.NDArray[np.float64], most_bytes: float) -> float:
    return hypervolume(accuracy, np.log10(num_bytes), (0.0, float(np.log10(most_bytes))))


def _mean_and_std(values_N: npt.NDArray[np.float64], code_N: npt.NDArray[np.intp]) -> Sequence[npt.NDArray[np.float64]]:
    """Mean and standard deviation per cell; the latter has ddof 1, and is NaN for one repetition."""
    count = np.bincount(code_N)
    mean = np.bincount(code_N, weights=values_N) / count
    squares = np.bincount(code_N, weights=(values_N - mean[code_N]) ** 2)
    std = np.sqrt(squares / np.where(count > 1, count - 1, np.nan))
    return mean, std
