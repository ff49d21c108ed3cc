"""One comparison of two samples as a row of a table: what the cells of all claims are made with.

A cell holds two samples of test accuracies (percent), their difference (percentage points), and a test of it. Welch's
t-test is for two samples of repetitions; where the second side is one value, the one-sample t-test is in its place
(`test` says which it was). Sizes of different versions of the file format do not compare: `newest` leaves the rows of
the newest version only.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from mdlray.report.significance import NO_SAMPLE, Sample, one_sample_p, permutation_p, welch_p
from mdlray.studies.baktash_2019.equal_bytes import GRID_BYTES, Curves
from mdlray.studies.baktash_2019.published import chosen_cells, published_accuracy

Cell = dict[str, Any]
Key = tuple[str, str, str, float]
"""Network, data set, printed method, ratio."""


class Region(NamedTuple):
    """A range of ratios, with what is expected there."""

    words: str
    least: float
    largest: float
    expected: str


ANYWHERE = Region("", 0.0, 1.0, "higher")


def blank(claim: str, first: str, second: str, architecture: str, dataset: str, region: Region) -> Cell:
    """What a cell asks, before any number."""
    names = {"claim": claim, "first": first, "second": second, "architecture": architecture}
    return names | {"dataset": dataset, "expected": region.expected, "region": region.words}


def measured(first_N: npt.NDArray[np.float64], second_M: npt.NDArray[np.float64]) -> Cell:
    """Both samples of repetitions (percent), their difference, and Welch's test of it."""
    first, second = Sample.of(first_N), Sample.of(second_M)
    tests = {"welch_p": welch_p(first, second), "permutation_p": permutation_p(first_N, second_M), "test": "Welch"}
    return _samples(first, second) | tests


def measured_against_value(first_N: npt.NDArray[np.float64], value: float) -> Cell:
    """A sample of repetitions beside one value that is taken as known: the one-sample t-test."""
    second = Sample(value, math.nan, 1)
    tests = {"welch_p": one_sample_p(first_N - value), "permutation_p": math.nan, "test": "one-sample t"}
    return _samples(Sample.of(first_N), second) | tests


def unmeasured() -> Cell:
    """A cell for which rows lack."""
    return measured(np.array([]), np.array([])) | {"test": ""}


def printed(first: Sample = NO_SAMPLE, second: Sample = NO_SAMPLE) -> Cell:
    """The same of printed means; without samples, of something that is not printed."""
    difference = first.mean - second.mean
    return {"published_difference_percent": difference, "published_welch_p": welch_p(first, second)}


def on_grid(
    cell: Cell,
    first: Curves,
    second: Curves,
    inside: Callable[[float], bool] = lambda _: True,
    test: Callable[[Any, Any], Cell] = measured,
) -> Iterator[Cell]:
    """The cell at every size of the grid that both know; one that is not tested where there is none."""
    samples = [(num_bytes, first.at(num_bytes), second.at(num_bytes)) for num_bytes in GRID_BYTES if inside(num_bytes)]
    both = [(size, left, right) for size, left, right in samples if left is not None and right is not None]
    for size, left, right in both:
        yield cell | {"pruning_ratio": math.nan, "num_bytes": float(size)} | test(left, right) | printed()
    if not both:
        yield cell | {"pruning_ratio": math.nan, "num_bytes": math.nan} | unmeasured() | printed()


def newest(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows whose sizes compare: those of the newest version of the files' format."""
    versions = rows["mdl_version"].fillna(0)
    of_newest: pd.DataFrame = rows[(versions == versions.max()) & rows["compressed_bytes"].notna()]
    return of_newest


def our_samples(rows: pd.DataFrame) -> dict[Key, npt.NDArray[np.float64]]:
    """Test accuracies in percent of the cells that answer printed ones (`published.chosen_cells`)."""
    chosen = chosen_cells(rows)
    values = {
        cell_id: 100 * group.to_numpy(dtype=np.float64) for cell_id, group in rows.groupby("cell_id")["test_accuracy"]
    }
    keys = zip(
        chosen["architecture"], chosen["dataset"], chosen["published_method"], chosen["pruning_ratio"], strict=True
    )
    return {key: values[cell_id] for key, cell_id in zip(keys, chosen["cell_id"], strict=True)}


def printed_samples() -> dict[Key, Sample]:
    """The printed means, deviations and numbers of runs, in percent."""
    samples = {}
    for row in published_accuracy().to_dict("records"):
        key = (row["architecture"], row["dataset"], row["published_method"], row["pruning_ratio"])
        mean, std = row["published_accuracy_percent_mean"], row["published_accuracy_percent_std"]
        samples[key] = Sample(mean, std, row["published_num_runs"])
    return samples


def _samples(first: Sample, second: Sample) -> Cell:
    cell: Cell = {}
    for name, sample in (("first", first), ("second", second)):
        cell[f"{name}_percent_mean"], cell[f"{name}_percent_std"] = sample.mean, sample.std
        cell[f"{name}_num_runs"] = sample.num
    return cell | {"difference_percent": first.mean - second.mean}
