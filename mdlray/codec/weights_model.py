"""What the coder of weights knows before and learns on the way: contexts, starts, kernels and rates.

The numbers were found by trying, on the layers of trained networks at 0 to 99.8 % zeros and on random ones; they are
part of the format (docs/mdl_format.md, section 5), as are the sizes of the context tables.

C: columns.
"""

import math
from typing import NamedTuple

import numpy as np

from mdlray.codec.mixing import Ints, Mixer, copied, fresh_mixer, learning_rates

PER_BIT = 4096 * math.log(2)

# Priors are in sixteenths of a weight: with that many ones at the overall density a count begins.
ONES_PRIOR, ZEROS_PRIOR = 14, 677
COLUMN_PRIOR, ROW_PRIOR, CHANNEL_PRIOR = 586, 569, 24
ZERO_RATE, SIGN_RATE, LEVEL_RATE = 88, 819, 245
EMPTY_RATES, ZERO_RATES, SIGN_RATES, LEVEL_RATES = map(learning_rates, (2.0, 1.38, 1.7, 1.61))

# Fields add up the non-zero weights around a place with a weight that falls with their squared distance d2.
FIELD_PRIOR, ROW_FIELD_PRIOR, SIGN_FIELD_PRIOR, SIGN_SCALE = 15, 19, 439, 14000
RADIUS, ROW_RADIUS = 4, 3

ZERO_STARTS = (0.489, 0.385, 0.499, 0.583, 0.19, 1.558, 0.175, 0.076, 0.236)
ZERO_PLACES = (0, 0, 0, 0, 64, 320, 576, 640, 768, 1024)
"""Where the cells of each input begin; inputs without cells are given. The last number is the end."""
SIGN_STARTS = (1.0, 0.227, 0.227, 0.227, 0.227, 0.227, 0.227)
SIGN_PLACES = (0, 0, 1, 82, 91, 108, 117, 145)
LEVEL_STARTS = (1.0, 0.066, 0.066, 0.066, 0.066, 0.066, 0.066, 0.066)
LEVEL_PLACES = (0, 128, 2176, 4224, 6272, 8320, 10368, 18560, 26752)
ZERO_INPUTS, SIGN_INPUTS, LEVEL_INPUTS = len(ZERO_STARTS), len(SIGN_STARTS), len(LEVEL_STARTS)


class Model(NamedTuple):
    """All that is learned from weights; tensors may go on with the one of the tensor before."""

    empty: Mixer
    """Is this row empty?"""
    zero: Mixer
    """Is this weight not zero? (1 is a weight that is not)"""
    sign: Mixer
    level: Mixer

    def mask_bits(self) -> float:
        """Information coded so far about which weights are zero."""
        return int(self.empty.spent[0] + self.zero.spent[0]) / PER_BIT

    def values_bits(self) -> float:
        """Information coded so far about signs and levels."""
        return int(self.sign.spent[0] + self.level.spent[0]) / PER_BIT


class Tally(NamedTuple):
    """What has been seen of one tensor, rows that are not empty only."""

    ones: Ints
    """Non-zero weights of each column."""
    field: Ints
    """The same weighted by distance, over the columns around it in the picture."""
    signs: Ints
    """Sum of signs of each column."""
    ranks: Ints
    """Sum of ranks, without sign, of each column."""
    row_field: Ints
    """Like `field`, of the present row only."""
    sign_field: Ints
    """`row_field` with the signs of the weights."""
    totals: Ints
    """See the names below."""


ONES, CODED, RANKS, LIVE, EMPTY = range(5)
"""Non-zero weights; weights; sum of ranks; rows that are not empty; whether the last row was empty (2: no row yet)."""


class Alphabet(NamedTuple):
    """How many ranks there are of either sign."""

    most_negative: int
    most_positive: int


def fresh_model() -> Model:
    """Nothing learned yet."""
    return Model(
        empty=fresh_mixer(1, 1, (1.0,), 3),
        zero=fresh_mixer(4, 8, ZERO_STARTS, ZERO_PLACES[-1]),
        sign=fresh_mixer(1, 1, SIGN_STARTS, SIGN_PLACES[-1]),
        level=fresh_mixer(64, 1, LEVEL_STARTS, LEVEL_PLACES[-1]),
    )


def copied_model(model: Model) -> Model:
    """The same, to go on with separately."""
    return Model(*(copied(mixer) for mixer in model))


def fresh_tally(num_columns: int) -> Tally:
    """Nothing seen yet."""
    ones, field, signs, ranks, row_field, sign_field = np.zeros((6, num_columns), np.int64)
    return Tally(ones, field, signs, ranks, row_field, sign_field, np.array([0, 0, 0, 0, 2], np.int64))


def _kernel(radius: int, most: int, near: int, far: int) -> Ints:
    """Weights most // (near + far · d2) by distance in rows and columns (up to radius), 0 beyond d2 = radius² + 1."""
    squares = np.arange(-radius, radius + 1) ** 2
    d2 = squares[:, None] + squares
    return np.where(d2 <= radius**2 + 1, most // (near + far * d2), 0)


KERNEL, ROW_KERNEL = _kernel(RADIUS, 614, 2, 1), _kernel(ROW_RADIUS, 3600, 1, 2)
KERNEL_SUM = int(KERNEL.sum())
ROW_KERNEL_SUM = int(ROW_KERNEL[:ROW_RADIUS].sum() + ROW_KERNEL[ROW_RADIUS, :ROW_RADIUS].sum())
"""Of the places that are coded before."""
