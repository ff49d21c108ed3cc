"""What contexts say about a bit -> one probability, learned bit by bit. All arithmetic is on integers.

A bit of one kind has n inputs x_k, which are numbers in the logistic domain: the ln of the odds that the bit is 1. Most
inputs are `cells`: each context owns one, which starts at 0 and learns by Newton's method in one dimension. The other
inputs are given by the caller. The weights of the inputs are the sum of two sets v and w, chosen by two small contexts
(Mahoney 2005, section on mixing):

    z = sum over k of (v_k + w_k) x_k,     p = 1 / (1 + e^-z),     e = bit - p
    v_k += rate · e · x_k,     w_k += rate · e · x_k
    cell += e / (h + prior),   h += p (1 - p)          for each cell that was an input

Units: x in 2^-12, weights and cells in 2^-20, p and h in 2^-16. Two tables hold real functions, rounded to the nearest
integer: 4096 ln x, and 2^16 / (1 + e^-z). Everything else is sums, products and shifts, so that an encoder and a
decoder on different machines compute equal probabilities.

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
    """The table 2^20 / (h + prior).

    Entries 0 to 4095 have h from 0 to 64 in steps of 2^-6; entries from 4096 on have h up to 1024 in steps of 2^-2.
    """
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
    """What has been learned about one kind of bit."""

    v: Weights
    """One row of weights for each value of the first small context."""
    w: Weights
    """One row of weights for each value of the second small context."""
    cells: Cells
    spent: Ints
    """The information that was coded so far: one number, in units of 2^-12 nats."""


def fresh_mixer(num_v: int, num_w: int, starts: Sequence[float], num_cells: int) -> Mixer:
    """A mixer that has learned nothing: in both sets, the weight of an input begins at half of its `starts`."""
    half_K = np.rint(np.array(starts) * 2**19).astype(np.int32)
    v, w = np.tile(half_K, (num_v, 1)), np.tile(half_K, (num_w, 1))
    return Mixer(v, w, np.zeros((num_cells, 2), np.int32), np.zeros(1, np.int64))


def copied(mixer: Mixer) -> Mixer:
    """A copy that learns independently of the original."""
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
    """Code one bit (write `known`, or read) with the rows v and w of the mixer's weights, and learn from it.

    The caller puts the first `num_given` inputs into x_K. The other inputs are the values of the cells whose indices
    are cells_K[num_given:]. `rate` is in units of 2^-16.
    """
    num_inputs = len(x_K)
    z = 0
    for k in range(num_given):
        z += (mixer.v[v, k] + mixer.w[w, k]) * x_K[k]
    for k in range(num_given, num_inputs):
        x_K[k] = mixer.cells[cells_K[k], 0] >> 8
        z += (mixer.v[v, k] + mixer.w[w, k]) * x_K[k]
    p = _SQUASH[(min(max(z >> 20, -MOST_Z), MOST_Z) + MOST_Z) >> 3]
    value = bit(coder, p, known)
    mixer.spent[0] += _LN_65536 - log(p if value else 65536 - p)
    error = (value << 16) - p
    step = error * rate
    for k in range(num_inputs):
        change = (step * x_K[k] + (1 << 23)) >> 24
        mixer.v[v, k] += change
        mixer.w[w, k] += change
    spread = p * (65536 - p) >> 16
    for k in range(num_given, num_inputs):
        cell = cells_K[k]
        h = mixer.cells[cell, 1]
        index = h >> 10
        if index >= _NUM_RATES:
            index = _NUM_RATES + min(h >> 14, _NUM_RATES - 1)
        mixer.cells[cell, 0] += error * cell_rates[index] >> 16
        mixer.cells[cell, 1] = min(h + spread, 1 << 26)
    return value
