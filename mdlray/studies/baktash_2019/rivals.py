"""Pruned networks against other ways to few bytes: the cells of claim H4, in three readings.

    H4    as the mean of all repetitions, against hashed, convolutional and unpruned dense networks without a penalty
    H4b   against unpruned dense networks, whose best repetition by validation stands for a size
    H4c   against dense networks that nothing was removed from, with a penalty or without, cell against cell

Readings differ in what a rival is. In H4 a rival is what no method of pruning was asked of (`method` none); a dense one
has fewer units and no penalty, and a network that a method has removed nothing from is on neither side, because
quantization makes the small weights that L1 leaves nearly free, which is pruning by another name. **That rule was made
after the cells had been seen**: as rivals, such networks had beaten pruned ones. So H4c counts them. And a mean over
repetitions counts networks whose units died at the start (of ten runs of one and of two units, three stay at 11.1 %,
the share of the most frequent digit): that is a failed training, not a size. So H4b takes the best.

In H4 and H4b accuracy is interpolated over log(bytes), on fronts by validation. H4c interpolates nothing, because
between the few penalized cells lie gaps of a factor of five: each rival on the front by validation of its kind meets
the pruned cell of the best validation accuracy whose mean bytes differ from its own by at most 10 %. A rival without
such a neighbor is not tested. The readings are claims of their own, so that Holm's p of H4 is that of H4 alone.
"""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from mdlray.studies.baktash_2019.claim_cells import (
    ANYWHERE,
    Cell,
    blank,
    measured,
    measured_against_value,
    on_grid,
    printed,
    unmeasured,
)
from mdlray.studies.baktash_2019.equal_bytes import REPETITION, curves, front_cells
from mdlray.studies.baktash_2019.protocol import DATASETS
from mdlray.studies.baktash_2019.published import has_enough_runs

PRUNED = "pruned dense"
_RIVALS = {"HashedNet": "hashed", "convnet": "convnet", "dense, unpruned": "dense"}
_NEAR = 1.1
"""Two mean sizes within this factor count as equal."""


def against_families(rows: pd.DataFrame) -> Iterator[Cell]:
    """The cells of H4, H4b and H4c, from rows whose sizes compare."""
    for rival, family in _RIVALS.items():
        for dataset in DATASETS:
            yield from _as_means(
                rows[rows["dataset"] == dataset], blank("H4", PRUNED, rival, "", dataset, ANYWHERE), family
            )
    for dataset in DATASETS:
        here = rows[rows["dataset"] == dataset]
        yield from _against_best(here, blank("H4b", PRUNED, "dense, unpruned, best repetition", "", dataset, ANYWHERE))
    for dataset in DATASETS:
        here = rows[rows["dataset"] == dataset]
        yield from _cell_by_cell(here, blank("H4c", PRUNED, "dense, nothing removed", "", dataset, ANYWHERE))


def _as_means(rows: pd.DataFrame, cell: Cell, family: str) -> Iterator[Cell]:
    sides = (_pruned(rows), rows[(rows["method"] == "none") & _is_family(rows, family)])
    first, second = (curves(side, front_cells(side)) for side in sides)
    yield from on_grid(cell, first, second)


def _against_best(rows: pd.DataFrame, cell: Cell) -> Iterator[Cell]:
    pruned, best = _pruned(rows), best_repetitions(rows[(rows["method"] == "none") & _is_family(rows, "dense")])
    first, second = curves(pruned, front_cells(pruned)), curves(best, front_cells(best))
    yield from on_grid(cell, first, second, test=lambda left, right: measured_against_value(left, float(right[0])))


def best_repetitions(rows: pd.DataFrame) -> pd.DataFrame:
    """Per cell the row with the best validation accuracy (of equals, the one of the lowest seed), as one repetition.

    Cells with fewer repetitions than five (or than the most there are) are left out: the best of few is a worse best.
    """
    num_trials = rows.groupby("cell_id")["trial_id"].transform("size")
    whole = rows[has_enough_runs(num_trials, num_trials.groupby(lambda _: 0))]
    best_first = whole.sort_values(["validation_accuracy", "seed", "trial_id"], ascending=[False, True, True])
    return best_first.drop_duplicates("cell_id").assign(**dict.fromkeys(REPETITION, 0))


def _cell_by_cell(rows: pd.DataFrame, cell: Cell) -> Iterator[Cell]:
    unpruned = rows[(rows["pruning_ratio"] == 0) & _is_family(rows, "dense")]
    rivals, pruned = _means(unpruned), _means(_pruned(rows))
    # One training may have two names (`obd` and `magnitude` at ratio 0): it is one rival.
    rivals = rivals[rivals.index.isin(front_cells(unpruned))].drop_duplicates(
        ["validation_accuracy", "compressed_bytes"]
    )
    for rival_id, rival in rivals.sort_values("compressed_bytes").iterrows():
        size = rival["compressed_bytes"]
        near = pruned[pruned["compressed_bytes"].between(size / _NEAR, size * _NEAR)]
        sized = cell | {"pruning_ratio": math.nan, "num_bytes": size, "second_bytes": size}
        if near.empty:
            yield sized | unmeasured() | printed()
            continue
        best = near.sort_values(["validation_accuracy", "compressed_bytes"], ascending=[False, True]).iloc[0]
        samples = (_test_percent(rows, name) for name in (str(best.name), str(rival_id)))
        yield sized | {"first_bytes": best["compressed_bytes"]} | measured(*samples) | printed()
    if rivals.empty:
        yield cell | {"pruning_ratio": math.nan, "num_bytes": math.nan} | unmeasured() | printed()


def _pruned(rows: pd.DataFrame) -> pd.DataFrame:
    side: pd.DataFrame = rows[(rows["pruning_ratio"] > 0) & _is_family(rows, "dense")]
    return side


def _is_family(rows: pd.DataFrame, family: str) -> "pd.Series[bool]":
    return rows["architecture"].str.partition("-")[0] == family if len(rows) else rows["architecture"] == family


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    """Per cell its mean validation accuracy and bytes, of cells with enough repetitions."""
    grouped = rows.groupby("cell_id")
    num_trials = grouped.size()
    means: pd.DataFrame = grouped[["validation_accuracy", "compressed_bytes"]].mean().astype("float64")
    return means[has_enough_runs(num_trials, num_trials.groupby(lambda _: 0))]


def _test_percent(rows: pd.DataFrame, cell_id: str) -> npt.NDArray[np.float64]:
    return 100 * rows.loc[rows["cell_id"] == cell_id, "test_accuracy"].to_numpy(dtype=np.float64)
