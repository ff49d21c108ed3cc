"""Two ways to small networks compared at many places at once: one test for the whole curve, not one per cell.

A place is a ratio, a number of weights or a number of bytes; at each, a side has one accuracy per repetition. For every
repetition that both sides have at all places, the difference first - second is averaged over the places; these means,
one per repetition, are tested against zero (two-sided one-sample t-test, n = number of repetitions). Neighboring places
share runs, so that their number must not enter n; a difference that is small and always the same way is seen all the
same, which tests of single cells after Holm would not.

Repetitions are paired by their seeds. Networks of one architecture and one seed begin with equal weights and see the
digits in one order, so that the pairing takes noise away; between families it does neither harm nor good.

    supported      the mean goes the asked way, p after Holm below 5 %
    contradicted   it goes the other way
    mixed          single places differ significantly both ways (paired t-test, Holm over the places): curves cross
    not decided    noise
    not tested     fewer than two repetitions at any place

Example: five repetitions with mean differences -0.28, -0.04, -0.18, -0.24, -0.23 points over nine ratios have the mean
-0.19 and p = 0.0097.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mdlray.report.significance import holm, one_sample_p
from mdlray.studies.baktash_2019.published import PRINTED_RUNS

ALPHA = 0.05

Repetition = tuple[int, ...]
Side = Mapping[float, Mapping[Repetition, float]]
"""Place -> repetition -> accuracy in percent."""


@dataclass(frozen=True)
class Pooled:
    """Two sides at P places that both know, with N repetitions."""

    places_P: tuple[float, ...]
    first_PN: npt.NDArray[np.float64]
    second_PN: npt.NDArray[np.float64]

    @property
    def difference_PN(self) -> npt.NDArray[np.float64]:
        """First minus second, in percentage points."""
        return self.first_PN - self.second_PN

    @property
    def means_N(self) -> npt.NDArray[np.float64]:
        """Per repetition, the mean difference over all places."""
        return self.difference_PN.mean(axis=0) if self.places_P else np.array([])

    @property
    def p(self) -> float:
        """Of the mean difference; NaN below two repetitions."""
        return one_sample_p(self.means_N)

    @property
    def cell_p_P(self) -> list[float]:
        """Of the difference at every single place, after Holm over the places."""
        return holm([one_sample_p(difference_N) for difference_N in self.difference_PN])

    @property
    def is_mixed(self) -> bool:
        """Whether places differ significantly both ways."""
        signs = np.sign(self.difference_PN.mean(axis=1))[np.array(self.cell_p_P) < ALPHA] if self.places_P else []
        return len(set(signs)) > 1


def pool(first: Side, second: Side) -> Pooled:
    """The places with enough common repetitions (five, or the most there are), and the repetitions that all have."""
    common = {place: set(first[place]) & set(second[place]) for place in sorted(set(first) & set(second))}
    enough = min(PRINTED_RUNS, max(map(len, common.values()), default=0))
    places = tuple(place for place, repetitions in common.items() if repetitions and len(repetitions) >= enough)
    repetitions = sorted(set.intersection(*(common[place] for place in places))) if places else []
    if not repetitions:
        return Pooled((), np.empty((0, 0)), np.empty((0, 0)))
    sides = (np.array([[side[place][one] for one in repetitions] for place in places]) for side in (first, second))
    return Pooled(places, *sides)


def verdict(pooled: Pooled, holm_p: float) -> str:
    """Of the question whether first is higher; `holm_p` is its p among those of the other comparisons."""
    if math.isnan(holm_p):
        return "not tested"
    if pooled.is_mixed:
        return "mixed"
    if holm_p >= ALPHA:
        return "not decided"
    return "supported" if pooled.means_N.mean() > 0 else "contradicted"
