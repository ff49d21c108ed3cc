"""Few values per layer: the weights of one member -> symbols and a float16 codebook on one of the `GRIDS`.

    kmeans:   minimize  sum_w min_k (w - c_k)²   over the kept weights of a layer  (Lloyd 1982; Han et al. 2016, §3)
    uniform:  the same sum, with c_k multiples of one step, zero among them         (`mdlray.compression.uniform`)

Symbol 0 is the exact zero of removed weights, symbol k is codebook entry k - 1. In one dimension clusters are
intervals, so that the optimum is a shortest path (Wang & Song 2011). It is found exactly over at most 512 groups of
weights that are neighbors in rank; then Lloyd's iteration moves the borders within groups. Both use prefix sums.
Entries that round to the same float16 are merged, and entries that round to zero are dropped, so that every codebook
entry is used.

Axes: W weights of a layer, K codebook entries, G groups of neighboring weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mdlray.compression.uniform import uniform_step
from mdlray.registry import find

Values: TypeAlias = tuple[NDArray[np.float64], float | None]
"""The values that weights may take, in rising order, and on a uniform grid the step (None on other grids)."""

MAX_ITERATIONS = 200
NUM_GROUPS = 512


@dataclass(frozen=True)
class Quantized:
    """A weight tensor as symbols (0 for zero, else 1 + index) and its codebook, sorted, without zero."""

    symbols: NDArray[np.int64]
    codebook: NDArray[np.float16]
    step: float | None = None
    """On a uniform grid, the step whose multiples (rounded to float16) the entries are."""

    @property
    def multiples(self) -> NDArray[np.int64]:
        """The entries divided by the step of their uniform grid; zeros on other grids."""
        if self.step is None:
            return np.zeros(self.codebook.size, np.int64)
        return np.rint(self.codebook.astype(np.float64) / self.step).astype(np.int64)


def quantize(weights: NDArray[np.float32], levels: int, grid: str = "kmeans") -> Quantized:
    """Give each weight the nearest of at most `levels` non-zero values; exact zeros stay zero.

    ValueError if a weight is not finite in float16, and for an unknown grid.
    """
    make_grid = find(GRIDS, "quantization_grid", grid)
    flat_W = weights.reshape(-1)
    kept_W = np.flatnonzero(flat_W)
    symbols_W = np.zeros(flat_W.size, dtype=np.int64)
    if kept_W.size == 0:
        return Quantized(symbols_W.reshape(weights.shape), np.zeros(0, np.float16))
    order_W = np.argsort(flat_W[kept_W], kind="stable")
    sorted_W = flat_W[kept_W][order_W].astype(np.float64)
    limit = float(np.finfo(np.float16).max)
    if not np.isfinite(sorted_W).all() or np.abs(sorted_W).max() > limit:
        raise ValueError(f"weights must be finite and at most {limit} in size to be quantized.")
    centers_K, step = make_grid(sorted_W, levels)
    assigned_W = np.searchsorted((centers_K[1:] + centers_K[:-1]) / 2, sorted_W)
    symbols_W[kept_W[order_W]] = assigned_W + 1
    return settle(symbols_W.reshape(weights.shape), centers_K.astype(np.float16), step)


def settle(symbols: NDArray[np.int64], codebook_K: NDArray[np.float16], step: float | None = None) -> Quantized:
    """The same values with a sorted codebook that has no zeros, no duplicates and no unused entries."""
    values = np.concatenate([np.zeros(1, np.float16), codebook_K])[symbols]
    used_K = np.unique(values)
    used_K = used_K[used_K != 0]
    settled = np.where(values == 0, 0, np.searchsorted(used_K, values) + 1)
    return Quantized(settled.astype(np.int64), used_K, step)


def dequantize(quantized: Quantized) -> NDArray[np.float32]:
    """The weights that the symbols stand for, as float32."""
    entries_K = np.concatenate([np.zeros(1, np.float16), quantized.codebook]).astype(np.float32)
    return entries_K[quantized.symbols]


def kmeans_sorted(sorted_W: NDArray[np.float64], levels: int) -> NDArray[np.float64]:
    """At most `levels` increasing centers of small squared error: the optimum over groups, improved by Lloyd."""
    distinct = np.unique(sorted_W)
    if distinct.size <= levels:
        return distinct
    num_groups = min(sorted_W.size, max(NUM_GROUPS, levels))
    borders_G = np.arange(num_groups + 1) * sorted_W.size // num_groups
    sums_W = np.concatenate([[0.0], np.cumsum(sorted_W)])
    borders_K = borders_G[_best_cuts(sums_W[borders_G], borders_G, levels)]
    return _lloyd(sorted_W, np.diff(sums_W[borders_K]) / np.diff(borders_K))


def _best_cuts(sums_G: NDArray[np.float64], counts_G: NDArray[np.int64], levels: int) -> NDArray[np.int64]:
    """Where to cut the groups into `levels` intervals of least squared error; first and last border included."""
    # The error is the sum of squares, which no cut changes, minus sum² / count of each interval: maximize the latter.
    sums_GG = sums_G[None, :] - sums_G[:, None]
    counts_GG = np.maximum(counts_G[None, :] - counts_G[:, None], 1)
    gain_GG = np.where(np.tri(sums_G.size, dtype=bool), -np.inf, sums_GG**2 / counts_GG)
    best_G = gain_GG[0]
    cuts = []
    for _ in range(levels - 1):
        total_GG = best_G[:, None] + gain_GG
        cuts.append(total_GG.argmax(axis=0))
        best_G = total_GG.max(axis=0)
    borders = [sums_G.size - 1]
    for cut_G in reversed(cuts):
        borders.append(int(cut_G[borders[-1]]))
    return np.array([0, *reversed(borders)])


def _lloyd(sorted_W: NDArray[np.float64], centers_K: NDArray[np.float64]) -> NDArray[np.float64]:
    sums_W = np.concatenate([[0.0], np.cumsum(sorted_W)])
    bounds_K = np.empty(0)
    for _ in range(MAX_ITERATIONS):
        inner_K = np.searchsorted(sorted_W, (centers_K[1:] + centers_K[:-1]) / 2)
        new_bounds_K = np.unique(np.concatenate([[0], inner_K, [sorted_W.size]]))
        if np.array_equal(new_bounds_K, bounds_K):
            break
        bounds_K = new_bounds_K
        centers_K = np.diff(sums_W[bounds_K]) / np.diff(bounds_K)
    return centers_K


def _kmeans(sorted_W: NDArray[np.float64], levels: int) -> Values:
    return kmeans_sorted(sorted_W, levels), None


def _uniform(sorted_W: NDArray[np.float64], levels: int) -> Values:
    step, multiples_K = uniform_step(sorted_W, levels)
    return multiples_K.astype(np.float64) * step, step


GRIDS: dict[str, Callable[[NDArray[np.float64], int], Values]] = {"kmeans": _kmeans, "uniform": _uniform}
