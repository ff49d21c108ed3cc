"""Cells of one way to small networks into accuracy at given bytes (or weights), one value per repetition.

A curve is one repetition's (size, test accuracy) at each of its cells; between them accuracy is linear in log(size),
beyond them it is unknown, and so it is between cells that lie more than `MOST_GAP` apart. All repetitions must know a
size, or else those that are left would be a choice: `at` gives all or none.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mdlray.results.derived.front import pareto_mask
from mdlray.studies.baktash_2019.published import has_enough_runs

GRID_BYTES = tuple(round(2 ** (half / 2)) for half in range(8, 45))
"""Sizes at which curves are compared, whatever the rows are: two per octave, from 16 bytes (or weights) to 4 Mi."""

MOST_GAP = 4.0
"""Two neighbors on a curve whose sizes differ by more than this factor say nothing about what is between them."""

REPETITION = ["seed", "data_order_seed", "randomization_seed"]


@dataclass(frozen=True)
class Curves:
    """Per repetition, sizes in rising order and the test accuracy (percent) there."""

    points: tuple[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]], ...]
    repetitions: tuple[tuple[int, ...], ...] = ()
    """Seed, data order seed and randomization seed of each."""

    def at(self, num_bytes: float) -> npt.NDArray[np.float64] | None:
        """Test accuracy (percent) of every repetition; None where one of them does not know it."""
        if not self.points or not all(_knows(size, num_bytes) for size, _ in self.points):
            return None
        place = np.log(num_bytes)
        return np.array([np.interp(place, np.log(size), accuracy) for size, accuracy in self.points])


def _knows(sizes: npt.NDArray[np.float64], num_bytes: float) -> bool:
    """Whether this size is one of these, or lies between two of them that are close enough."""
    after = int(np.searchsorted(sizes, num_bytes))
    if after == len(sizes):
        return False
    return bool(sizes[after] == num_bytes or (after > 0 and sizes[after] <= MOST_GAP * sizes[after - 1]))


def curves(rows: pd.DataFrame, cell_ids: Collection[str], size_column: str = "compressed_bytes") -> Curves:
    """The curves through these cells, of the repetitions that all of them have; empty below two cells.

    `size_column` says what is counted: `compressed_bytes`, or `num_nonzero` for weights that are not zero.

    Cells with fewer repetitions than five (or than the most there are) are left out, so that one failed trial does not
    take its repetition out of all others.
    """
    rows = rows[rows["cell_id"].isin(cell_ids)]
    num_trials = rows.groupby("cell_id").size()
    enough = num_trials[has_enough_runs(num_trials, num_trials.groupby(lambda _: 0))].index
    if len(enough) < 2:
        return Curves(())
    rows = rows[rows["cell_id"].isin(enough)]
    points, repetitions = [], []
    for _, repetition in rows.groupby(REPETITION):
        if repetition["cell_id"].nunique() == len(enough):
            size = repetition[size_column].to_numpy(dtype=np.float64)
            accuracy = 100 * pd.Series(repetition["test_accuracy"].to_numpy(dtype=np.float64)).groupby(size).mean()
            points.append((accuracy.index.to_numpy(dtype=np.float64), accuracy.to_numpy()))
            repetitions.append(tuple(int(repetition[name].iloc[0]) for name in REPETITION))
    return Curves(tuple(points), tuple(repetitions))


def front_cells(rows: pd.DataFrame, size_column: str = "compressed_bytes") -> list[str]:
    """The cells of these rows that no other one beats in mean validation accuracy and mean size."""
    grouped = rows.groupby("cell_id")
    num_trials = grouped.size()
    cells = grouped[["validation_accuracy", size_column]].mean().astype("float64")
    cells = cells[has_enough_runs(num_trials, num_trials.groupby(lambda _: 0))]
    return list(cells.index[pareto_mask(cells["validation_accuracy"], cells[size_column])])
