"""float16 numbers (biases, codebooks) <-> bits, exactly.

A float16 is sign (1), exponent (5), mantissa (10). Exponents of one network are few: they are coded adaptively, an
exact +0.0 being a letter of its own; signs and mantissas are sent as they are. Only mantissa bits that some number of
the tensor uses are sent, so who rounds biases to 4 mantissa bits pays about 8 bits each.

An ascending codebook is sent as its first number and the steps to the following ones, measured in representable
numbers: the bit length of each step adaptively, the bits below the leading one as they are.

One `FloatModel` serves a whole file, so that the second layer knows what exponents the first one had.

V: numbers of a tensor.
"""

import numpy as np

from mdlray.codec.counts import code_adaptively
from mdlray.codec.network import Float16s
from mdlray.codec.range_coder import Coder, Ints

_MANTISSA_BITS = 10
_STEP_LENGTHS = 17
_PRIOR_EXPONENTS = slice(7, 17)


class FloatModel:
    """Adaptive weights of exponents and of step lengths; 32 exponents + 1 for zero, lengths 0 … 16."""

    def __init__(self) -> None:
        self.exponent_weights = np.ones(33, np.int64)
        # Trained weights and biases lie between 2^-8 and 2 nearly always; without this, 10 biases cost 8 % more.
        self.exponent_weights[1:][_PRIOR_EXPONENTS] = 8
        self.step_weights = np.ones(_STEP_LENGTHS, np.int64)


def code_floats(coder: Coder, model: FloatModel, num_values: int, known: Float16s | None) -> Float16s:
    """Any float16 numbers, shape (num_values,)."""
    pattern_V = None if known is None else known.view(np.uint16).astype(np.int64)
    if not num_values:
        return np.zeros(0, np.float16)
    used = _code_used_bits(coder, pattern_V)
    dropped = _MANTISSA_BITS - used
    known_letter_V = None if pattern_V is None else np.where(pattern_V == 0, 0, (pattern_V >> 10 & 31) + 1)
    letter_V = code_adaptively(coder, model.exponent_weights, 8, num_values, known_letter_V)
    width_V = np.where(letter_V == 0, 0, used + 1)
    known_rest_V = None
    if pattern_V is not None:
        known_rest_V = pattern_V >> 15 << used | (pattern_V & 1023) >> dropped
    rest_V = coder.uniform(width_V, known_rest_V)
    sign_V, mantissa_V = rest_V >> used, (rest_V & (1 << used) - 1) << dropped
    coded_V = np.where(letter_V == 0, 0, sign_V << 15 | letter_V - 1 << 10 | mantissa_V)
    return coded_V.astype(np.uint16).view(np.float16)


def code_codebook(coder: Coder, model: FloatModel, num_levels: int, known: Float16s | None) -> Float16s:
    """A codebook, shape (num_levels,); cheaper when it ascends."""
    if num_levels < 2:
        return code_floats(coder, model, num_levels, known)
    pattern_V = None if known is None else known.view(np.uint16).astype(np.int64)
    ascends = None if pattern_V is None else np.array([int((np.diff(_rank(pattern_V, 0)) >= 0).all())])
    if not coder.uniform(np.array([1]), ascends)[0]:
        return code_floats(coder, model, num_levels, known)
    used = _code_used_bits(coder, pattern_V)
    dropped = _MANTISSA_BITS - used
    limit = 1 << 5 + used
    rank_V = None if pattern_V is None else _rank(pattern_V, dropped)
    first = int(coder.uniform(np.array([6 + used]), None if rank_V is None else rank_V[:1] + limit)[0]) - limit
    known_step_V = None if rank_V is None else np.diff(rank_V)
    known_length_V = None if known_step_V is None else np.frexp(known_step_V)[1].astype(np.int64)
    length_V = code_adaptively(coder, model.step_weights, 4, num_levels - 1, known_length_V)
    below_bits_V = np.maximum(length_V - 1, 0)
    lead_V = np.where(length_V > 0, 1 << below_bits_V, 0)
    below_V = coder.uniform(below_bits_V, None if known_step_V is None else known_step_V - lead_V)
    rank_V = np.cumsum(np.concatenate([np.array([first]), lead_V + below_V]))
    return _from_rank(np.minimum(rank_V, limit - 1), dropped)


def _code_used_bits(coder: Coder, pattern_V: Ints | None) -> int:
    known = None
    if pattern_V is not None:
        union = int(np.bitwise_or.reduce(pattern_V)) & 1023 | 1 << _MANTISSA_BITS
        known = np.array([_MANTISSA_BITS + 1 - (union & -union).bit_length()])
    return min(int(coder.uniform(np.array([4]), known)[0]), _MANTISSA_BITS)


def _rank(pattern_V: Ints, dropped: int) -> Ints:
    """Position among the float16 numbers without their `dropped` last bits: +0.0 is 0, -0.0 is -1."""
    return np.where(pattern_V < 0x8000, pattern_V >> dropped, -1 - ((pattern_V & 0x7FFF) >> dropped))


def _from_rank(rank_V: Ints, dropped: int) -> Float16s:
    pattern_V = np.where(rank_V >= 0, rank_V << dropped, 0x8000 | (-1 - rank_V) << dropped)
    return pattern_V.astype(np.uint16).view(np.float16)
