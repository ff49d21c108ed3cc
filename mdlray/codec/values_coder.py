"""Which level each non-zero weight has <-> bits: its sign from its neighbors' signs, then the level given the sign.

    sign    P(+) = (2 n+ + 1) / (2 n + 2), counted per sum of the signs of the same neighbors the mask looks at, cut
            to -2 … 2. Weights of one unit at neighboring pixels agree: 0.6 bits instead of 1 at 90 % zeros on MNIST.
    level   adaptive frequencies of the codebook entries of that sign, in the order of the mask.

Tried and dropped: the neighbors' magnitudes as context of the level (-2 % at 90 % zeros, +1 to +3 % beyond 97 %).

F: flat positions, step by step; V: non-zero weights in that order; K: codebook entries; X: contexts.
"""

import numpy as np
from numpy.typing import NDArray

from mdlray.codec.counts import code_adaptively
from mdlray.codec.mask_coder import MAX_LANES, Steps
from mdlray.codec.network import Float16s
from mdlray.codec.range_coder import PRECISION_BITS, TOTAL, Coder, Ints

_MOST_SIGNS = 2


def code_values(
    coder: Coder,
    steps: Steps,
    stride: int,
    mask_F: NDArray[np.uint8],
    codebook_K: Float16s,
    known_V: Ints | None,
) -> Ints:
    """The symbols 1 … K of the non-zero weights, in flat order."""
    positive_K = codebook_K.view(np.uint16) < 0x8000
    entries = [np.flatnonzero(~positive_K), np.flatnonzero(positive_K)]
    positions_V = np.flatnonzero(mask_F)
    known_sign_V = None if known_V is None else positive_K[known_V - 1].astype(np.int64)
    if len(entries[0]) and len(entries[1]):
        sign_V = _code_signs(coder, steps, stride, positions_V, known_sign_V)
    else:
        sign_V = np.full(len(positions_V), int(len(entries[1]) > 0))
    symbols_V = np.zeros(len(positions_V), np.int64)
    for sign, entries_E in enumerate(entries):
        here_V = np.flatnonzero(sign_V == sign)
        known_E = None if known_V is None else np.searchsorted(entries_E, known_V[here_V] - 1)
        prior_E = np.ones(len(entries_E), np.int64)
        rank_V = code_adaptively(coder, prior_E, 2, len(here_V), known_E)
        symbols_V[here_V] = entries_E[rank_V] + 1
    return symbols_V


def _code_signs(coder: Coder, steps: Steps, stride: int, positions_V: Ints, known_V: Ints | None) -> Ints:
    """1 for positive, 0 for negative."""
    width = steps.width
    neighbors = steps.neighbors(stride)
    margin = max(neighbors) * width
    padded_F = np.zeros(margin + steps.size, np.int8)
    distances = np.array(neighbors)[:, None] * width
    weight_2X = np.ones((2, 2 * _MOST_SIGNS + 1), np.int64)
    sign_V = np.zeros(len(positions_V), np.int64)
    for start, stop in _calls(steps, positions_V):
        position_L = positions_V[start:stop] + margin
        sum_L = padded_F[position_L - distances].sum(axis=0)
        context_L = np.minimum(np.maximum(sum_L, -_MOST_SIGNS), _MOST_SIGNS) + _MOST_SIGNS
        freq_X = (weight_2X[1] << PRECISION_BITS) // weight_2X.sum(axis=0)
        freq_L = np.minimum(np.maximum(freq_X, 1), TOTAL - 1)[context_L]
        sign_L = coder.bits(freq_L, None if known_V is None else known_V[start:stop])
        sign_V[start:stop] = sign_L
        padded_F[position_L] = 2 * sign_L - 1
        np.add.at(weight_2X, (sign_L, context_L), 2)
    return sign_V


def _calls(steps: Steps, positions_V: Ints) -> list[tuple[int, int]]:
    """Ranges of V that are coded in one call: those of one step, at most MAX_LANES of them."""
    edges = np.searchsorted(positions_V, np.arange(steps.num_steps + 1) * steps.width).tolist()
    return [
        (start, min(start + MAX_LANES, last))
        for first, last in zip(edges[:-1], edges[1:], strict=True)
        for start in range(first, last, MAX_LANES)
    ]
