"""float16 numbers (biases, statistics, codebooks) <-> bits, exactly.

A float16 has a sign (1 bit), an exponent (5 bits) and a mantissa (10 bits). The coder sends only the mantissa bits that
some number of the tensor uses: biases that are rounded to 3 mantissa bits cost 3 bits each. A number is sent as:

    zero       is it exactly +0.0? If so, nothing else follows
    exponent   five bits, each under the bits before it
    sign       one bit
    mantissa   the first two bits with contexts, the others at one bit each

Three kinds of contexts are mixed (`mdlray.codec.mixing`): what was seen in the whole file, what was seen in this
tensor, and the number before. The zero flag also has the activity of the unit as a context, since the bias of a dead
unit is often 0.

An ascending codebook is sent as its first number and the differences between neighbors, counted in representable
numbers. A difference is sent as its bit length (given the length before), and then the bits below the leading one, at
one bit each.

V: numbers of a tensor.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdlray.codec.bit_coder import Coder, uniform, with_room
from mdlray.codec.compiled import compiled
from mdlray.codec.mixing import Ints, Mixer, coded_bit, fresh_mixer, learning_rates
from mdlray.codec.network import Float16s

_MANTISSA_BITS = 10
_MOST_BITS = 32
"""At least as many bits as one number takes."""
_BLOCK = 1 << 16
_RATE = 1000
_RATES = learning_rates(1.4)
_PRIOR = 2 << 20
"""The cells of the first two exponent bits begin here, in units of 2^-20: numbers between 2^-7 and 2 are expected."""


class FloatModel(NamedTuple):
    """What has been learned from the numbers of a file. `code_floats` clears the cells that belong to one tensor."""

    zero: Mixer
    sign: Mixer
    exponent: Mixer
    mantissa: Mixer
    length: Mixer


class Scratch(NamedTuple):
    """Inputs and indices of cells for one bit, which has three or two of them."""

    x_3: Ints
    cells_3: Ints
    x_2: Ints
    cells_2: Ints


def fresh_float_model() -> FloatModel:
    """A model that has learned nothing, except which exponents are usual."""
    model = FloatModel(
        zero=fresh_mixer(1, 1, (1.0, 0.5, 0.5), 2 + 2 * 18),
        sign=fresh_mixer(1, 1, (0.5, 0.5), 2),
        exponent=fresh_mixer(1, 1, (1.0, 0.3, 0.3), 32 + 32 + 32 * 32),
        mantissa=fresh_mixer(1, 1, (0.5, 0.5), 4 + 4 * 32),
        length=fresh_mixer(1, 1, (0.6, 0.4), 32 + 32 * 32),
    )
    model.exponent.cells[1, 0] = -_PRIOR
    model.exponent.cells[2, 0] = _PRIOR
    return model


def _fresh_scratch() -> Scratch:
    return Scratch(*(np.zeros(size, np.int64) for size in (3, 3, 2, 2)))


def code_floats(
    coder: Coder, model: FloatModel, num_values: int, activity_V: Ints, known: Float16s | None
) -> tuple[Coder, Float16s]:
    """Write the float16 numbers `known`, or read `num_values` of them where `known` is None.

    Returns the coder, which may have grown, and the numbers, shape (num_values,). activity_V is the activity of the
    unit of each number, or empty.
    """
    if not num_values:
        return coder, np.zeros(0, np.float16)
    pattern_V = np.zeros(num_values, np.uint16) if known is None else known.view(np.uint16).copy()
    coder = with_room(coder, _MOST_BITS)
    used = _code_used_bits(coder, pattern_V)
    # These cells are contexts within one tensor only.
    for mixer, local_cells in ((model.zero, 1), (model.sign, 1), (model.exponent, slice(32, 64))):
        mixer.cells[local_cells] = 0
    before, scratch = np.zeros(2, np.int64), _fresh_scratch()
    for first in range(0, num_values, _BLOCK):
        block = slice(first, min(first + _BLOCK, num_values))
        coder = with_room(coder, (block.stop - first) * _MOST_BITS)
        _code_patterns(coder, model, pattern_V[block], activity_V[block], used, before, scratch)
    return coder, pattern_V.view(np.float16)


@compiled
def _code_patterns(
    coder: Coder,
    model: FloatModel,
    pattern_V: NDArray[np.uint16],
    activity_V: Ints,
    used: int,
    before: Ints,
    scratch: Scratch,
) -> None:
    """Code the bit patterns in place; `before` holds whether the number before was zero, and the last exponent."""
    x_3, cells_3, x_2, cells_2 = scratch.x_3, scratch.cells_3, scratch.x_2, scratch.cells_2
    for index in range(len(pattern_V)):
        pattern = np.int64(pattern_V[index])
        active = 1 + activity_V[index] if len(activity_V) else 0
        cells_3[0], cells_3[1] = 0, 1
        cells_3[2] = 2 + before[0] * 18 + active
        zero = coded_bit(coder, model.zero, 0, 0, x_3, 0, cells_3, _RATE, _RATES, 1 if pattern == 0 else 0)
        before[0] = zero
        if zero:
            pattern_V[index] = 0
            continue
        node = 1
        for position in range(4, -1, -1):
            cells_3[0] = node
            cells_3[1] = 32 + node
            cells_3[2] = 64 + before[1] * 32 + node
            known_bit = pattern >> 10 + position & 1
            node = node << 1 | coded_bit(coder, model.exponent, 0, 0, x_3, 0, cells_3, _RATE, _RATES, known_bit)
        exponent = node - 32
        before[1] = exponent
        cells_2[0], cells_2[1] = 0, 1
        sign = coded_bit(coder, model.sign, 0, 0, x_2, 0, cells_2, _RATE, _RATES, pattern >> 15)
        node = 1
        for position in range(min(used, 2)):
            cells_2[0] = node
            cells_2[1] = 4 + exponent * 4 + node
            known_bit = pattern >> 9 - position & 1
            node = node << 1 | coded_bit(coder, model.mantissa, 0, 0, x_2, 0, cells_2, _RATE, _RATES, known_bit)
        modeled = min(used, 2)
        leading = node - (1 << modeled)
        rest_bits = used - modeled
        dropped = 10 - used
        rest = uniform(coder, rest_bits, pattern >> dropped & (1 << rest_bits) - 1)
        pattern_V[index] = sign << 15 | exponent << 10 | leading << 10 - modeled | rest << dropped


def code_codebook(coder: Coder, model: FloatModel, num_levels: int, known: Float16s | None) -> tuple[Coder, Float16s]:
    """Write the codebook `known`, or read one of shape (num_levels,); an ascending codebook takes fewer bits."""
    no_activity_V = np.zeros(0, np.int64)
    if num_levels < 2:
        return code_floats(coder, model, num_levels, no_activity_V, known)
    pattern_V = np.zeros(num_levels, np.int64) if known is None else known.view(np.uint16).astype(np.int64)
    coder = with_room(coder, (2 + num_levels) * _MOST_BITS)
    ascends = uniform(coder, 1, int((np.diff(_rank(pattern_V, 0)) >= 0).all()))
    if not ascends:
        return code_floats(coder, model, num_levels, no_activity_V, known)
    used = _code_used_bits(coder, pattern_V)
    dropped = _MANTISSA_BITS - used
    limit = 1 << 5 + used
    rank_V = _rank(pattern_V, dropped)
    _code_ascending(coder, model, rank_V, used, limit, _fresh_scratch())
    return coder, _from_rank(np.minimum(rank_V, limit - 1), dropped)


@compiled
def _code_ascending(coder: Coder, model: FloatModel, rank_V: Ints, used: int, limit: int, scratch: Scratch) -> None:
    x_2, cells_2 = scratch.x_2, scratch.cells_2
    known_before = rank_V[0]
    rank = uniform(coder, 6 + used, known_before + limit) - limit
    rank_V[0] = rank
    length_before = 0
    for index in range(1, len(rank_V)):
        step = rank_V[index] - known_before
        known_before = rank_V[index]
        length = 0
        while step >> length:
            length += 1
        node = 1
        for position in range(4, -1, -1):
            cells_2[0] = node
            cells_2[1] = 32 + length_before * 32 + node
            known_bit = length >> position & 1
            node = node << 1 | coded_bit(coder, model.length, 0, 0, x_2, 0, cells_2, _RATE, _RATES, known_bit)
        length = node - 32
        length_before = length
        num_low_bits = max(length - 1, 0)
        low_bits = uniform(coder, num_low_bits, step & (1 << num_low_bits) - 1)
        rank += (1 << num_low_bits | low_bits) if length else 0
        rank_V[index] = rank


def _code_used_bits(coder: Coder, pattern_V: NDArray[Any]) -> int:
    union = int(np.bitwise_or.reduce(pattern_V)) & 1023 | 1 << _MANTISSA_BITS
    return min(int(uniform(coder, 4, _MANTISSA_BITS + 1 - (union & -union).bit_length())), _MANTISSA_BITS)


def _rank(pattern_V: Ints, dropped: int) -> Ints:
    """Positions in the order of all float16 numbers without their last `dropped` bits: +0.0 is 0, -0.0 is -1."""
    return np.where(pattern_V < 0x8000, pattern_V >> dropped, -1 - ((pattern_V & 0x7FFF) >> dropped))


def _from_rank(rank_V: Ints, dropped: int) -> Float16s:
    pattern_V = np.where(rank_V >= 0, rank_V << dropped, 0x8000 | (-1 - rank_V) << dropped)
    return pattern_V.astype(np.uint16).view(np.float16)
