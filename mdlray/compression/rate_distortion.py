"""Rate-distortion quantization: a weight moves to another level, or to zero, if the bits saved are worth the loss.

    minimize  sum_w ½ h_w (w - c_w)²  +  λ · (bits of the symbols)

½ h (w - c)² is the expected increase of the loss if w becomes c, in nats per example, as in Optimal Brain Damage: h is
the Gauss-Newton diagonal at the trained weights (`mdlray.compression.saliency`). So λ is in nats per example and bit.
The mean curvature of the layer is added to h (damping), because the quadratic approximation only holds for small moves
of single weights, and here thousands of weights move far.

The bits are an estimate: those of an adaptive code that resembles the file's. A symbol costs its negative log frequency
among all *other* weights (leave-one-out):

    zero or not    p(not zero) = row density · column density / overall density     priors: 2 ones a row, 1 a column
    which level    (n_k + ½) / (N + K/2) over the non-zero weights of the layer; a level has a sign

Prices depend on symbols, and symbols depend on prices. So both are repeated, and after each round codebook entries move
to the h-weighted means of their weights (on a uniform grid: the step moves to its weighted least squares), as in
entropy-constrained quantization (Chou, Lookabaugh, Gray 1989; for networks: Choi, El-Khamy and Lee 2017; Wiedemann et
al. 2020). Zeros stay zeros: the number of weights that pruning removed is a lower bound of the number of zeros.

Axes: V non-zero weights of a layer, K codebook entries, R rows (units), C columns, A alternatives of a weight.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mdlray.compression.quantization import Quantized, settle

MOST_ROUNDS = 20
DAMPING = 1.0
"""How many times the mean curvature of a layer is added to the curvature of each weight."""
ROW_PRIOR, COLUMN_PRIOR = 2.0, 1.0
"""How many non-zero weights of the overall density a row or a column begins with."""
LEAST_P = 2.0**-16

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class _Layer:
    """The weights that are not zero after training, their damped curvature, and their rows and columns."""

    weight_V: Floats
    curvature_V: Floats
    row_V: Ints
    column_V: Ints
    shape: tuple[int, int]


def reassign(weights: NDArray[np.float32], curvature: NDArray[np.float32], start: Quantized, price: float) -> Quantized:
    """Symbols and codebook that trade loss against bits at `price` (λ, in nats per example and bit), from `start`.

    `curvature` is h, per weight, in nats per example and squared weight. Each round changes all weights at once.
    """
    num_rows = weights.shape[0]
    kept_V = np.flatnonzero(weights)
    if not start.codebook.size or not kept_V.size:
        return start
    row_V, column_V = np.divmod(kept_V, weights.size // num_rows)
    weight_V, curvature_V = (array.reshape(-1)[kept_V].astype(np.float64) for array in (weights, curvature))
    curvature_V += DAMPING * curvature_V.mean()
    layer = _Layer(weight_V, curvature_V, row_V, column_V, (num_rows, weights.size // num_rows))
    symbol_V, step, multiple_K = start.symbols.reshape(-1)[kept_V], start.step, start.multiples
    value_K = start.codebook.astype(np.float64)
    for _ in range(MOST_ROUNDS):
        before_V = symbol_V
        alternative_AV, cost_AV = _alternatives(layer, symbol_V, value_K, price)
        symbol_V = np.take_along_axis(alternative_AV, cost_AV.argmin(axis=0)[None], axis=0)[0]
        used = np.bincount(symbol_V, minlength=value_K.size + 1)[1:] > 0
        if np.array_equal(symbol_V, before_V) or not used.any():
            break
        symbol_V = np.concatenate([[0], np.cumsum(used)])[symbol_V]
        value_K, multiple_K = value_K[used], multiple_K[used]
        if step is None:
            value_K, symbol_V = _means(layer, symbol_V, value_K)
        else:
            step = _step(layer, symbol_V, multiple_K, step)
            value_K = multiple_K.astype(np.float64) * step
    symbols = np.zeros(weights.size, np.int64)
    symbols[kept_V] = symbol_V
    return settle(symbols.reshape(weights.shape), value_K.astype(np.float16), step)


def _alternatives(layer: _Layer, symbol_V: Ints, value_K: Floats, price: float) -> tuple[Ints, Floats]:
    """Zero, the nearest level and its two neighbors, and what each costs in nats per example."""
    zero_bits_V, other_bits_V = mask_bits(layer.row_V, layer.column_V, symbol_V > 0, layer.shape)
    nearest_V = np.searchsorted((value_K[1:] + value_K[:-1]) / 2, layer.weight_V) + 1
    levels_AV = np.clip(np.stack([nearest_V - 1, nearest_V, nearest_V + 1]), 1, value_K.size)
    bits_AV = other_bits_V + level_bits(symbol_V, levels_AV, value_K.size)
    alternative_AV = np.concatenate([np.zeros_like(nearest_V)[None], levels_AV])
    loss_AV = 0.5 * layer.curvature_V * (layer.weight_V - np.concatenate([[0.0], value_K])[alternative_AV]) ** 2
    return alternative_AV, loss_AV + price * np.concatenate([zero_bits_V[None], bits_AV])


def mask_bits(row_V: Ints, column_V: Ints, one_V: NDArray[np.bool_], shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Bits of being zero and of not being zero for some entries of a matrix whose other entries are zero."""
    num_rows, num_columns = shape
    rest_V = one_V.astype(np.int64)
    density_V = (one_V.sum() - rest_V + 1.0) / (num_rows * num_columns)
    row_ones_V = np.bincount(row_V, one_V, num_rows)[row_V] - rest_V
    column_ones_V = np.bincount(column_V, one_V, num_columns)[column_V] - rest_V
    row_density_V = (row_ones_V + ROW_PRIOR) / (num_columns + ROW_PRIOR / density_V)
    column_density_V = (column_ones_V + COLUMN_PRIOR) / (num_rows + COLUMN_PRIOR / density_V)
    p_V = np.clip(row_density_V * column_density_V / density_V, LEAST_P, 1 - LEAST_P)
    return -np.log2(1 - p_V), -np.log2(p_V)


def level_bits(symbol_V: Ints, levels_AV: Ints, num_levels: int) -> Floats:
    """Bits of each of these levels (1 … K) for each weight, given the levels of all others that are not zero."""
    count_K = np.bincount(symbol_V, minlength=num_levels + 1).astype(np.float64)
    others_V = count_K[1:].sum() - (symbol_V > 0)
    others_AV = count_K[levels_AV] - (levels_AV == symbol_V)
    bits_AV: Floats = -np.log2((others_AV + 0.5) / (others_V + 0.5 * num_levels))
    return bits_AV


def _means(layer: _Layer, symbol_V: Ints, value_K: Floats) -> tuple[Floats, Ints]:
    """The h-weighted means in rising order, and the symbols for that order; an entry without curvature stays."""
    total_K = np.bincount(symbol_V, layer.curvature_V, value_K.size + 1)[1:]
    sum_K = np.bincount(symbol_V, layer.curvature_V * layer.weight_V, value_K.size + 1)[1:]
    mean_K = np.where(total_K > 0, sum_K / np.where(total_K > 0, total_K, 1), value_K)
    order_K = np.argsort(mean_K, kind="stable")
    return mean_K[order_K], np.concatenate([[0], np.argsort(order_K) + 1])[symbol_V]


def _step(layer: _Layer, symbol_V: Ints, multiple_K: Ints, step: float) -> float:
    multiple_V = np.concatenate([[0], multiple_K])[symbol_V]
    total = float((layer.curvature_V * multiple_V**2).sum())
    return float((layer.curvature_V * multiple_V * layer.weight_V).sum()) / total if total > 0 else step
