"""The constants of the coder of weights, and the state that it learns: contexts, starting values, kernels and rates.

The numbers were tuned on the layers of trained networks with 0 to 99.8 % zeros, and on random layers. They are part of
the format (docs/mdl_format.md, section 5), and so are the sizes of the context tables.

C: columns.
"""

import math
from typing import NamedTuple

import numpy as np

from mdlray.codec.mixing import Ints, Mixer, copied, fresh_mixer, learning_rates

PER_BIT = 4096 * math.log(2)

# Priors are in sixteenths of a weight: a count begins as if so many non-zero weights, among as many weights as the
# overall density says, had been seen.
ONES_PRIOR, ZEROS_PRIOR = 14, 677
COLUMN_PRIOR, ROW_PRIOR, CHANNEL_PRIOR = 586, 569, 24
ZERO_RATE, SIGN_RATE, LEVEL_RATE = 88, 819, 245
EMPTY_RATES, ZERO_RATES, SIGN_RATES, LEVEL_RATES = map(learning_rates, (2.0, 1.38, 1.7, 1.61))

# A field adds up the non-zero weights around a place, each multiplied by a kernel of its squared distance d2.
FIELD_PRIOR, ROW_FIELD_PRIOR, SIGN_FIELD_PRIOR, SIGN_SCALE = 15, 19, 439, 14000
RADIUS, ROW_RADIUS = 4, 3

ZERO_STARTS = (0.489, 0.385, 0.499, 0.583, 0.19, 1.558, 0.175, 0.076, 0.236)
ZERO_PLACES = (0, 0, 0, 0, 64, 320, 576, 640, 768, 1024)
"""The index of the first cell of each input, and at last the number of cells. Inputs without cells are given."""
SIGN_STARTS = (1.0, 0.227, 0.227, 0.227, 0.227, 0.227, 0.227)
SIGN_PLACES = (0, 0, 1, 82, 91, 108, 117, 145)
LEVEL_STARTS = (1.0, 0.066, 0.066, 0.066, 0.066, 0.066, 0.066, 0.066)
LEVEL_PLACES = (0, 128, 2176, 4224, 6272, 8320, 10368, 18560, 26752)
ZERO_INPUTS, SIGN_INPUTS, LEVEL_INPUTS = len(ZERO_STARTS), len(SIGN_STARTS), len(LEVEL_STARTS)


class Model(NamedTuple):
    """All that is learned from weights. A tensor may go on with the model of the tensor before."""

    empty: Mixer
    """Is this row empty?"""
    zero: Mixer
    """Is this weight not zero? The bit is 1 for a weight that is not zero."""
    sign: Mixer
    """Is this weight positive?"""
    level: Mixer
    """The bits of the rank's absolute value."""

    def mask_bits(self) -> float:
        """The information coded so far about which weights are zero, in bits."""
        return int(self.empty.spent[0] + self.zero.spent[0]) / PER_BIT

    def values_bits(self) -> float:
        """The information coded so far about signs and levels, in bits."""
        return int(self.sign.spent[0] + self.level.spent[0]) / PER_BIT


class Tally(NamedTuple):
    """Sums over the weights of one tensor that are coded so far; empty rows do not count."""

    ones: Ints
    """The number of non-zero weights of each column."""
    field: Ints
    """For each column, the non-zero weights of the columns around it in the picture, weighted by distance."""
    signs: Ints
    """The sum of the signs of each column."""
    ranks: Ints
    """The sum of the absolute ranks of each column."""
    row_field: Ints
    """Like `field`, but over the present row only."""
    sign_field: Ints
    """Like `row_field`, but each weight counts with its sign."""
    totals: Ints
    """Sums over the whole matrix; the names of its places follow."""


ONES, CODED, RANKS, LIVE, EMPTY = range(5)
"""Places in `Tally.totals`: non-zero weights; weights; sum of absolute ranks; rows that are not empty; whether the last
row was empty (2: there was no row yet)."""


class Alphabet(NamedTuple):
    """The number of ranks of either sign."""

    most_negative: int
    most_positive: int


def fresh_model() -> Model:
    """A model that has learned nothing."""
    return Model(
        empty=fresh_mixer(1, 1, (1.0,), 3),
        zero=fresh_mixer(4, 8, ZERO_STARTS, ZERO_PLACES[-1]),
        sign=fresh_mixer(1, 1, SIGN_STARTS, SIGN_PLACES[-1]),
        level=fresh_mixer(64, 1, LEVEL_STARTS, LEVEL_PLACES[-1]),
    )


def copied_model(model: Model) -> Model:
    """A copy that learns independently of the original."""
    return Model(*(copied(mixer) for mixer in model))


def fresh_tally(num_columns: int) -> Tally:
    """The sums before the first weight of a tensor."""
    ones, field, signs, ranks, row_field, sign_field = np.zeros((6, num_columns), np.int64)
    return Tally(ones, field, signs, ranks, row_field, sign_field, np.array([0, 0, 0, 0, 2], np.int64))


def _kernel(radius: int, most: int, near: int, far: int) -> Ints:
    """most // (near + far · d2) by distance in rows and columns (each up to radius); 0 beyond d2 = radius² + 1."""
    squares = np.arange(-radius, radius + 1) ** 2
    d2 = squares[:, None] + squares
    return np.where(d2 <= radius**2 + 1, most // (near + far * d2), 0)


KERNEL, ROW_KERNEL = _kernel(RADIUS, 614, 2, 1), _kernel(ROW_RADIUS, 3600, 1, 2)
KERNEL_SUM = int(KERNEL.sum())
ROW_KERNEL_SUM = int(ROW_KERNEL[:ROW_RADIUS].sum() + ROW_KERNEL[ROW_RADIUS, :ROW_RADIUS].sum())
"""The sum over the places that are coded before the one in the middle."""
