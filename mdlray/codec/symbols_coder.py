"""The symbols of one tensor <-> bits: first how they are sent, then their ranks, row by row.

    has zeros     1 bit
    goes on       1 bit, if there was a coded tensor before: whether its model is used on, or a fresh one
    geometry      2 bits, and 12 more for an explicit width (`mdlray.codec.geometry`)
    ranks         `mdlray.codec.weights_coder`

Symbol k stands for codebook[k - 1]. Its rank is +m or -m, if it is the m-th smallest entry (by absolute value) of its
sign; the sign is the float16's sign bit, and entries of equal size are ranked by position. For example, the codebook
(-0.5, 0.1, 0.3) has the ranks (-1, 1, 2). The encoder codes the first rows with each choice and takes the shortest
result. A decoder does not depend on how the encoder chose: any choice decodes.

R: rows, C: columns, K: codebook entries, A: units of the tensor before.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mdlray.codec.bit_coder import Coder, uniform, writer, written_bits
from mdlray.codec.geometry import EXPLICIT, WIDTH_BITS, Geometry, candidates, geometry_of
from mdlray.codec.mixing import Ints
from mdlray.codec.network import Float16s, Symbols
from mdlray.codec.weights_coder import code_ranks
from mdlray.codec.weights_model import Alphabet, Model, copied_model, fresh_model

_SAMPLE = 1 << 13
"""About how many weights are coded to compare the choices."""
_PART = 1 << 18
"""Ranks that are turned into symbols at a time."""
_MOST_ACTIVE = 15


@dataclass(frozen=True)
class Before:
    """What the coder keeps from a coded tensor for the tensors that follow."""

    activity_A: Ints
    """The activity of each unit (row): 0 if its row has no non-zero weights, else 1 + floor(log2 of their number), at
    most 15."""
    model: Model | None


@dataclass(frozen=True)
class CodedSymbols:
    """Symbols, what is kept from them for the next tensor, and what they cost in bits."""

    coder: Coder
    symbols: Symbols
    before: Before
    mask_bits: float
    values_bits: float


NOTHING_BEFORE = Before(np.zeros(0, np.int64), None)


def code_symbols(
    coder: Coder, shape: tuple[int, ...], codebook: Float16s, before: Before, known: Symbols | None
) -> CodedSymbols:
    """Write the symbols `known`, or read uint16 symbols of this shape where `known` is None."""
    rank_K, alphabet = _ranks(codebook)
    num_rows, num_columns = shape[0], math.prod(shape[1:])
    ranks_RC = np.zeros((num_rows, num_columns), np.int16)
    has_zeros, goes_on, choice, width = True, False, 0, 0
    if known is not None:
        # Compiled code wants rows one after another, whatever the order of `known` in memory.
        ranks_RC = np.ascontiguousarray(rank_K[known.reshape(num_rows, num_columns)])
        has_zeros = bool((ranks_RC == 0).any())
        choice, width, goes_on = _choose(ranks_RC, shape, alphabet, has_zeros, before)
    has_zeros = bool(uniform(coder, 1, int(has_zeros)))
    if before.model is not None:
        goes_on = bool(uniform(coder, 1, int(goes_on)))
    choice = uniform(coder, 2, choice)
    if choice == EXPLICIT:
        width = uniform(coder, WIDTH_BITS, width)
    geometry = geometry_of(choice, shape, len(before.activity_A), width)
    model = before.model if goes_on and before.model is not None else fresh_model()
    mask, values = model.mask_bits(), model.values_bits()
    coder = code_ranks(coder, ranks_RC, geometry, before.activity_A, alphabet, has_zeros, model)
    before = Before(_activity(ranks_RC), model)
    symbols = _symbols_in_place(ranks_RC, rank_K).reshape(shape) if known is None else known
    return CodedSymbols(coder, symbols, before, model.mask_bits() - mask, model.values_bits() - values)


def _choose(
    ranks_RC: NDArray[np.int16], shape: tuple[int, ...], alphabet: Alphabet, has_zeros: bool, before: Before
) -> tuple[int, int, bool]:
    """(choice of geometry, explicit width, whether the model goes on) that codes the first rows in the fewest bits."""
    sample_RC = ranks_RC[: max(1, _SAMPLE // ranks_RC.shape[1])]

    def bits(geometry: Geometry, model: Model) -> float:
        coder = code_ranks(writer(0), sample_RC.copy(), geometry, before.activity_A, alphabet, has_zeros, model)
        return written_bits(coder)

    options = candidates(sample_RC != 0, shape, len(before.activity_A))
    sizes = (
        {geometry: bits(geometry, fresh_model()) for geometry in options} if len(options) > 1 or before.model else {}
    )
    best = min(sizes, key=lambda geometry: sizes[geometry]) if sizes else next(iter(options))
    goes_on = before.model is not None and bits(best, copied_model(before.model)) < sizes[best]
    return *options[best], goes_on


def _ranks(codebook: Float16s) -> tuple[NDArray[np.int16], Alphabet]:
    """The rank of each symbol, and how many ranks there are of either sign."""
    pattern_K = codebook.view(np.uint16).astype(np.int64)
    rank_K = np.zeros(len(codebook) + 1, np.int16)
    counts = []
    for sign, sign_bit in ((-1, 1), (1, 0)):
        entries = np.flatnonzero(pattern_K >> 15 == sign_bit)
        by_size = entries[np.argsort(pattern_K[entries] & 0x7FFF, kind="stable")]
        rank_K[by_size + 1] = sign * np.arange(1, len(by_size) + 1)
        counts.append(len(by_size))
    return rank_K, Alphabet(*counts)


def _symbols_in_place(ranks_RC: NDArray[np.int16], rank_K: NDArray[np.int16]) -> NDArray[np.uint16]:
    """The symbols of these ranks, in the memory of the ranks.

    A short file may promise many values, so a value must not take more than these 2 bytes.
    """
    lowest = int(rank_K.min())
    symbol_of = np.zeros(int(rank_K.max()) - lowest + 1, np.uint16)
    symbol_of[rank_K.astype(np.int64) - lowest] = np.arange(len(rank_K))
    ranks, symbols = ranks_RC.reshape(-1), ranks_RC.view(np.uint16).reshape(-1)
    for first in range(0, len(ranks), _PART):
        part = slice(first, first + _PART)
        symbols[part] = symbol_of[ranks[part] - np.int16(lowest)]
    return symbols.reshape(ranks_RC.shape)


def _activity(ranks_RC: NDArray[np.int16]) -> Ints:
    num_nonzero = np.count_nonzero(ranks_RC, axis=1)
    activity_R: Ints = np.minimum(np.frexp(num_nonzero)[1], _MOST_ACTIVE).astype(np.int64)
    return activity_R
