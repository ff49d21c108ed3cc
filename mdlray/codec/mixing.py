"""What contexts say about a bit -> one probability, learned bit by bit; integer arithmetic throughout.

A bit of one kind has n inputs x_k, numbers in the logistic domain (ln of the odds that it is 1). Most of them are
`cells`: each context owns one, it starts at 0 and learns by Newton's method in one dimension; others are given. Two
sets of weights, chosen by two small contexts, are added (Mahoney 2005, section on mixing):

    z = sum over k of (v_k + w_k) x_k,     p = 1 / (1 + e^-z),     e = bit - p
    v_k += rate · e · x_k,     w_k += rate · e · x_k
    cell += e / (h + prior),   h += p (1 - p)          for each cell that was an input

Integers: x in units of 2^-12, weights and cells of 2^-20, p and h of 2^-16. Two tables hold real functions, rounded to
nearest: 4096 ln x, and 2^16 / (1 + e^-z). Everything else is additions, products and shifts, so that an encoder and a
decoder on different machines have equal probabilities.

K: inputs; C: cells.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdlray.codec.bit_coder import Coder, Whole, bit
from mdlray.codec.compiled import inlined

Ints = NDArray[np.int64]
Weights = NDArray[np.int32]
"""Units of 2^-20."""
Cells = NDArray[np.int32]
"""Shape (number of contexts, 2): value in units of 2^-20, and h in units of 2^-16."""

MOST_Z = 45056
"""Largest z, 11 in units of 2^-12."""
_LN = np.rint(4096 * np.log(np.maximum(np.arange(4096), 1))).astype(np.int64)
_LN_16 = 11357
_LN_65536 = 45426
_SQUASH = np.clip(
    np.rint(65536 / (1 + np.exp(-(np.arange(2 * MOST_Z // 8 + 1) * 8 - MOST_Z) / 4096))), 1, 65535
).astype(np.int64)
_NUM_RATES = 4096


def learning_rates(prior: float) -> Ints:
    """2^20 / (h + prior): by h in steps of 2^-6 below 64, then in steps of 2^-2 up to 1024 (from place 4096 on)."""
    h = np.concatenate([(np.arange(_NUM_RATES) + 0.5) / 64, (np.arange(_NUM_RATES) + 0.5) / 4])
    return np.rint(2**20 / (h + prior)).astype(np.int64)


@inlined
def log(number: Whole) -> Whole:
    """4096 ln(number) for a whole number >= 1, from its leading 8 to 12 bits."""
    result = 0
    while number >= 4096:
        number >>= 4
        result += _LN_16
    return result + _LN[number]


class Mixer(NamedTuple):
    """What one kind of bit has learned."""

    v: Weights
    """One row of weights for each value of the first small context."""
    w: Weights
    """The same for the second."""
    cells: Cells
    spent: Ints
    """Information coded so far, one number, in units of 2^-12 nats."""


def fresh_mixer(num_v: int, num_w: int, starts: Sequence[float], num_cells: int) -> Mixer:
    """Nothing learned yet: the weights of each input begin as half of its start in both sets."""
    half_K = np.rint(np.array(starts) * 2**19).astype(np.int32)
    v, w = np.tile(half_K, (num_v, 1)), np.tile(half_K, (num_w, 1))
    return Mixer(v, w, np.zeros((num_cells, 2), np.int32), np.zeros(1, np.int64))


def copied(mixer: Mixer) -> Mixer:
    """The same, to go on with separately."""
    return Mixer(mixer.v.copy(), mixer.w.copy(), mixer.cells.copy(), mixer.spent.copy())


@inlined
def coded_bit(
    coder: Coder,
    mixer: Mixer,
    v: Whole,
    w: Whole,
    x_K: Ints,
    num_given: Whole,
    cells_K: Ints,
    rate: Whole,
    cell_rates: Ints,
    known: Whole,
) -> Whole:
    """One bit, coded and learned from, with the weights v and w of the mixer.

    The first inputs are given in x_K, the others are the values of the cells that cells_K names from num_given on;
    `rate` is in units of 2^-16.
    """
    num_inputs = len(x_K)
    z = 0
    for k in range(num_given):
        z += (mixer.v[v, k] + mixer.w[w, k]) * x_K[k]
    for k in range(num_given, num_inputs):
        x_K[k] = mixer.cells[cells_K[k], 0] >> 8
        z += (mixer.v[v, k] + mixer.w[w, k]) * x_K[k]
    p = _SQUASH[(min(max(z >> 20, -MOST_Z), MOST_Z) + MOST_Z) >> 3]
    one = bit(coder, p, known)
    mixer.spent[0] += _LN_65536 - log(p if one else 65536 - p)
    error = (one << 16) - p
    step = error * rate
    for k in range(num_inputs):
        change = (step * x_K[k] + (1 << 23)) >> 24
        mixer.v[v, k] += change
        mixer.w[w, k] += change
    spread = p * (65536 - p) >> 16
    for k in range(num_given, num_inputs):
        cell = cells_K[k]
        h = mixer.cells[cell, 1]
        at = h >> 10
        if at >= _NUM_RATES:
            at = _NUM_RATES + min(h >> 14, _NUM_RATES - 1)
        mixer.cells[cell, 0] += error * cell_rates[at] >> 16
        mixer.cells[cell, 1] = min(h + spread, 1 << 26)
    return one
