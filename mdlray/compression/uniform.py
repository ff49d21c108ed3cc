"""A uniform grid: the weights of one member become whole multiples of one step; zero is one of the multiples.

    minimize  sum_w (w - k_w Δ)²     over Δ and -n <= k_w <= p  with  n + p = L non-zero multiples

For a given step Δ, the best split of the L multiples into n negative and p positive ones is found exactly: with sums
over the sorted weights, the error of every split is known. A symmetric distribution of weights gets a symmetric grid,
and a skewed one gets a skewed grid. Δ is searched along a geometric sequence, then more finely around the best. In the
end Δ is the least-squares step for the multiples that were found, Δ = sum k w / sum k². A weight that is nearer to zero
than to ±Δ becomes zero, so that the number of removed weights is a lower bound of the number of zeros.

Axes: W weights, in rising order; S splits, n = 0 … L.
"""

import numpy as np
from numpy.typing import NDArray

NUM_STEPS = 48
"""The number of candidates in each search of the step."""
REFINEMENTS = 8


def uniform_step(sorted_W: NDArray[np.float64], levels: int) -> tuple[float, NDArray[np.int64]]:
    """The step and its multiples -n … p with n + p = `levels`, for non-zero finite weights in rising order."""
    largest = float(np.abs(sorted_W).max())
    # From a grid that ends at the mean to one whose first level is beyond the largest weight.
    steps = np.geomspace(np.abs(sorted_W).mean() / levels, 1.5 * largest, NUM_STEPS)
    for _ in range(2):
        errors = [_best_split(sorted_W, step, levels)[0] for step in steps]
        best = int(np.argmin(errors))
        steps = np.geomspace(steps[max(best - 1, 0)], steps[min(best + 1, NUM_STEPS - 1)], NUM_STEPS)
    step = float(steps[np.argmin([_best_split(sorted_W, step, levels)[0] for step in steps])])
    negative = _best_split(sorted_W, step, levels)[1]
    for _ in range(REFINEMENTS):
        multiple_W = np.clip(np.rint(sorted_W / step), -negative, levels - negative)
        if not multiple_W.any():
            break
        step = float((multiple_W * sorted_W).sum() / (multiple_W**2).sum())
        negative = _best_split(sorted_W, step, levels)[1]
    return step, np.arange(-negative, levels - negative + 1)


def _best_split(sorted_W: NDArray[np.float64], step: float, levels: int) -> tuple[float, int]:
    """Least squared error for this step, and how many of the levels are negative then."""
    negative_S = np.arange(levels + 1)
    sums = [np.concatenate([[0.0], np.cumsum(power_W)]) for power_W in (sorted_W, sorted_W**2)]
    free_W = np.concatenate([[0.0], np.cumsum((sorted_W - step * np.rint(sorted_W / step)) ** 2)])
    below_S = np.searchsorted(sorted_W, -(negative_S + 0.5) * step)
    above_S = np.searchsorted(sorted_W, (levels - negative_S + 0.5) * step)
    # A weight beyond an end e of the grid becomes e: sum (w - e)² = sum w² - 2 e sum w + e² count.
    low_S, high_S = -negative_S * step, (levels - negative_S) * step
    cut_low_S = sums[1][below_S] - 2 * low_S * sums[0][below_S] + low_S**2 * below_S
    tail_S = sorted_W.size - above_S
    cut_high_S = (sums[1][-1] - sums[1][above_S]) - 2 * high_S * (sums[0][-1] - sums[0][above_S]) + high_S**2 * tail_S
    error_S = cut_low_S + cut_high_S + free_W[above_S] - free_W[below_S]
    best = int(error_S.argmin())
    return float(error_S[best]), best
