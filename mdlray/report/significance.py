"""Samples of a few repetitions into p-values: is the difference of two means more than the noise between seeds?

    welch_p          two-sided t-test without equal variances, from means, standard deviations and counts
    permutation_p    the same question without normality, by going through all ways to deal the values out
    one_sample_p     two-sided t-test against zero, of differences of paired repetitions or from a known value
    holm             p-values of a family of tests, adjusted so that any false alarm in it is as rare as alpha says

Printed results have means and standard deviations only, so Welch's test is the one that ours and theirs share. With 5
against 5 repetitions the exact permutation test cannot fall below 2/252: it stands beside, and decides nothing.
References: Student 1908 (Biometrika 6), Welch 1947 (Biometrika 34), Holm 1979 (Scandinavian Journal of Statistics 6).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

_MOST_DEALS = 20_000


@dataclass(frozen=True)
class Sample:
    """Repetitions as a mean, a standard deviation (ddof 1, NaN for one repetition) and their number."""

    mean: float
    std: float
    num: int

    @classmethod
    def of(cls, values_N: npt.NDArray[np.float64]) -> "Sample":
        """Of these repetitions; NaN where there are none."""
        mean = float(np.mean(values_N)) if len(values_N) else math.nan
        std = float(np.std(values_N, ddof=1)) if len(values_N) > 1 else math.nan
        return cls(mean, std, len(values_N))


NO_SAMPLE = Sample(math.nan, math.nan, 0)


def welch_p(first: Sample, second: Sample) -> float:
    """Two-sided p-value of Welch's t-test; NaN where a side has fewer than two repetitions."""
    if min(first.num, second.num) < 2:
        return math.nan
    if first.std == second.std == 0:
        # The limit of ever smaller deviations; the formula divides zero by zero.
        return 1.0 if first.mean == second.mean else 0.0
    sides = (first.mean, first.std, first.num, second.mean, second.std, second.num)
    return float(stats.ttest_ind_from_stats(*sides, equal_var=False).pvalue)


def one_sample_p(differences_N: npt.NDArray[np.float64]) -> float:
    """Two-sided p-value of the t-test that the mean of these is zero; NaN below two of them."""
    sample = Sample.of(differences_N)
    if sample.num < 2:
        return math.nan
    if sample.std == 0:
        return 1.0 if sample.mean == 0 else 0.0
    return float(2 * stats.t.sf(abs(sample.mean) / (sample.std / math.sqrt(sample.num)), sample.num - 1))


def permutation_p(first_N: npt.NDArray[np.float64], second_M: npt.NDArray[np.float64]) -> float:
    """Exact two-sided p-value of the difference of means; NaN below two repetitions, or where deals are too many."""
    if min(len(first_N), len(second_M)) < 2:
        return math.nan
    if math.comb(len(first_N) + len(second_M), len(first_N)) > _MOST_DEALS:
        return math.nan

    def difference(first: Any, second: Any, axis: int) -> Any:
        # Deals of equal difference would be told apart by their last bits: accuracies in percent are far coarser.
        return np.round(np.mean(first, axis=axis) - np.mean(second, axis=axis), 9)

    found = stats.permutation_test((first_N, second_M), difference, n_resamples=np.inf, vectorized=True)
    return float(found.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given; NaN (not tested) stays NaN and does not count."""
    tested = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    adjusted, largest = [math.nan] * len(p_values), 0.0
    for rank, (p, place) in enumerate(tested):
        largest = max(largest, min(1.0, p * (len(tested) - rank)))
        adjusted[place] = largest
    return adjusted
