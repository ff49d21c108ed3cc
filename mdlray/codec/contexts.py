"""What has been coded so far -> the inputs and cells of the next bit about a weight (compiled; called once per weight).

    look_around     the ranks of the neighbors that are already coded
    look_back       logarithms of counts that change slowly, so that they are not computed for every weight
    zero_contexts   the contexts of: is this weight zero?
    sign_contexts   the contexts of: which sign does it have?
    level_contexts  the contexts of: which rank of that sign? A rank is coded as nodes of a binary tree, one at a time

Counts are compared as logarithms, relative to the overall density or to the mean rank. Where a context must be a class,
`step` cuts such a difference into thirds of a nat.

R: rows, C: columns, A: units of the tensor before.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdlray.codec.bit_coder import Whole
from mdlray.codec.compiled import inlined
from mdlray.codec.mixing import Ints, log
from mdlray.codec.weights_model import (
    CHANNEL_PRIOR,
    CODED,
    COLUMN_PRIOR,
    FIELD_PRIOR,
    KERNEL_SUM,
    LEVEL_INPUTS,
    LEVEL_PLACES,
    LIVE,
    ONES,
    ONES_PRIOR,
    RANKS,
    ROW_FIELD_PRIOR,
    ROW_KERNEL_SUM,
    ROW_PRIOR,
    SIGN_FIELD_PRIOR,
    SIGN_INPUTS,
    SIGN_PLACES,
    SIGN_SCALE,
    ZERO_INPUTS,
    ZERO_PLACES,
    ZEROS_PRIOR,
    Tally,
)

Ranks = NDArray[np.int16]
ROW_ONES, ROW_RANKS, ROW_SIGNS, CHANNEL_ONES = range(4)
"""Places in `Scratch.row`: non-zero weights of this row, the sum of their ranks, the sum of their signs, and the
non-zero weights of this channel of the row."""
OVERALL, ODDS, LOG_FIELD, LOG_ROW_FIELD, LOG_COLUMN, LOG_ROW, LOG_CHANNEL = range(7)
"""Places in `Scratch.logs`: ln of the overall density; weights per non-zero weight in units of 2^-8; and the logarithms
that the counts of fields, column, row and channel are compared with."""
OF_FIELD, OF_ROW = range(2)
"""Places in `Scratch.classes`: the class of the field around, and that of the row's density; 0 in a matrix without
zeros."""


class Around(NamedTuple):
    """The ranks of the neighbors in the picture, in the channel before, and in the row before; 0 if there is none."""

    left: Whole
    up: Whole
    up_left: Whole
    up_right: Whole
    left2: Whole
    up2: Whole
    channel_before: Whole
    row_before: Whole


class Scratch(NamedTuple):
    """Arrays that are filled anew for each bit."""

    x_empty: Ints
    cells_empty: Ints
    x_zero: Ints
    cells_zero: Ints
    x_sign: Ints
    cells_sign: Ints
    x_level: Ints
    cells_level: Ints
    row: Ints
    logs: Ints
    classes: Ints


def fresh_scratch() -> Scratch:
    """The arrays for one call of the coder."""
    sizes = (1, 1, ZERO_INPUTS, ZERO_INPUTS, SIGN_INPUTS, SIGN_INPUTS, LEVEL_INPUTS, LEVEL_INPUTS, 4, 7, 2)
    return Scratch(*(np.zeros(size, np.int64) for size in sizes))


@inlined
def step(x: Whole) -> Whole:
    """The class (0 … 15) of a difference of logarithms; a class is a third of a nat wide, and class 8 begins at 0."""
    return min(max((3 * x >> 12) + 8, 0), 15)


@inlined
def clip(x: Whole, low: int, high: int) -> Whole:
    """The number nearest to x in the range from low to high."""
    return min(max(x, low), high)


@inlined
def sign(x: Whole) -> Whole:
    """-1, 0 or 1."""
    return (x > 0) - (x < 0)


@inlined
def num_near(around: Around) -> Whole:
    """The number of non-zero weights among the four nearest neighbors."""
    return (around.left != 0) + (around.up != 0) + (around.up_left != 0) + (around.up_right != 0)


@inlined
def look_around(ranks_RC: Ranks, row: Whole, column: Whole, x: Whole, y: Whole, width: Whole, area: Whole) -> Around:
    """The neighbors of the weight at (y, x) of its channel's picture."""
    left = np.int64(ranks_RC[row, column - 1]) if x > 0 else 0
    left2 = np.int64(ranks_RC[row, column - 2]) if x > 1 else 0
    up = np.int64(ranks_RC[row, column - width]) if y > 0 else 0
    up2 = np.int64(ranks_RC[row, column - 2 * width]) if y > 1 else 0
    up_left = np.int64(ranks_RC[row, column - width - 1]) if y > 0 and x > 0 else 0
    up_right = np.int64(ranks_RC[row, column - width + 1]) if y > 0 and x < width - 1 else 0
    channel_before = np.int64(ranks_RC[row, column - area]) if column >= area else 0
    row_before = np.int64(ranks_RC[row - 1, column]) if row > 0 else 0
    return Around(left, up, up_left, up_right, left2, up2, channel_before, row_before)


@inlined
def look_back(totals: Ints, row: Ints, logs: Ints) -> None:
    """Compute `logs` from the counts so far."""
    ones = (totals[ONES] << 4) + ONES_PRIOR
    coded = (totals[CODED] << 4) + ONES_PRIOR + ZEROS_PRIOR
    odds = (coded << 8) // ones
    overall = log(ones) - log(coded)
    logs[OVERALL] = overall
    logs[ODDS] = odds
    logs[LOG_FIELD] = log(KERNEL_SUM * totals[LIVE] + (FIELD_PRIOR * odds >> 8)) + overall
    logs[LOG_ROW_FIELD] = log((ROW_KERNEL_SUM << 8) // odds + ROW_FIELD_PRIOR)
    logs[LOG_COLUMN] = log((totals[LIVE] << 4) + (COLUMN_PRIOR * odds >> 8)) + overall
    logs[LOG_ROW] = log((row[ROW_ONES] << 4) + ROW_PRIOR) - overall
    logs[LOG_CHANNEL] = log((row[CHANNEL_ONES] << 4) + CHANNEL_PRIOR) - overall


@inlined
def zero_contexts(
    x: Ints,
    cells: Ints,
    classes: Ints,
    tally: Tally,
    logs: Ints,
    around: Around,
    column: Whole,
    place: Whole,
    active: Whole,
) -> None:
    """Fill x, cells and classes for the zero bit.

    `place` is the column within its channel; `active` is the activity of the unit that the column belongs to.
    """
    odds = logs[ODDS]
    field = log(tally.field[column] + FIELD_PRIOR) - logs[LOG_FIELD]
    row_field = log(tally.row_field[column] + ROW_FIELD_PRIOR) - logs[LOG_ROW_FIELD]
    of_field = step(field)
    of_column = step(log((tally.ones[column] << 4) + COLUMN_PRIOR) - logs[LOG_COLUMN])
    of_row = step(logs[LOG_ROW] - log((column << 4) + (ROW_PRIOR * odds >> 8)))
    of_channel = step(logs[LOG_CHANNEL] - log((place << 4) + (CHANNEL_PRIOR * odds >> 8)))
    left, up = around.left, around.up
    pattern = (left != 0) | (up != 0) << 1 | (around.up_left != 0) << 2 | (around.up_right != 0) << 3
    pattern |= (around.left2 != 0) << 4 | (around.up2 != 0) << 5
    farther: Whole = abs(around.up_left) + abs(around.up_right) + abs(around.left2) + abs(around.up2)
    before = (around.channel_before != 0) * 2 + (around.row_before != 0)
    x[0] = logs[OVERALL]
    x[1] = field
    x[2] = row_field
    cells[3] = ZERO_PLACES[3] + pattern
    cells[4] = ZERO_PLACES[4] + of_column * 16 + of_row
    cells[5] = ZERO_PLACES[5] + active * 16 + of_row
    cells[6] = ZERO_PLACES[6] + before * 16 + of_channel
    cells[7] = ZERO_PLACES[7] + min(abs(left) + abs(up), 31) * 4 + min(farther, 3)
    cells[8] = ZERO_PLACES[8] + step(row_field) * 16 + of_field
    classes[OF_FIELD] = of_field
    classes[OF_ROW] = of_row


@inlined
def sign_contexts(
    x: Ints, cells: Ints, tally: Tally, row: Ints, around: Around, column: Whole, has_zeros: bool
) -> None:
    """Fill x and cells for the sign bit; in a matrix without zeros, the four nearest neighbors replace the fields."""
    left, up, up_left, up_right = sign(around.left), sign(around.up), sign(around.up_left), sign(around.up_right)
    drift = (2 * (left + up) + up_left + up_right) * (SIGN_SCALE // 8)
    if has_zeros:
        drift = tally.sign_field[column] * SIGN_SCALE // (tally.row_field[column] + SIGN_FIELD_PRIOR)
    x[0] = drift
    cells[1] = SIGN_PLACES[1]
    cells[2] = SIGN_PLACES[2] + (((left + 1) * 3 + up + 1) * 3 + up_left + 1) * 3 + up_right + 1
    cells[3] = SIGN_PLACES[3] + clip(tally.signs[column], -4, 4) + 4
    cells[4] = SIGN_PLACES[4] + clip(row[ROW_SIGNS], -8, 8) + 8
    cells[5] = SIGN_PLACES[5] + (sign(around.channel_before) + 1) * 3 + sign(around.row_before) + 1
    cells[6] = SIGN_PLACES[6] + (drift + SIGN_SCALE >> 10)


@inlined
def level_contexts(
    cells: Ints, classes: Ints, tally: Tally, row: Ints, around: Around, column: Whole, towards: Whole
) -> None:
    """Fill what the contexts of all nodes of one level share; `move_to_node` adds the node.

    `towards` is the sign of the weight: 1 or -1.
    """
    mean = (tally.totals[RANKS] << 4) // tally.totals[ONES] if tally.totals[ONES] else 16
    log_mean = log(mean)
    of_row = log((row[ROW_RANKS] << 4) + 2 * mean) - log(row[ROW_ONES] + 2)
    of_column = log((tally.ranks[column] << 4) + mean) - log(tally.ones[column] + 1)
    near = num_near(around)
    of_near = 0
    if near:
        weight = 2 * ((around.left != 0) + (around.up != 0)) + (around.up_left != 0) + (around.up_right != 0)
        ranks: Whole = 2 * (abs(around.left) + abs(around.up)) + abs(around.up_left) + abs(around.up_right)
        of_near = step(log(ranks << 4) - log(weight) - log_mean)
    left = (clip(around.left * towards, -8, 7) + 8) >> 1
    up = (clip(around.up * towards, -8, 7) + 8) >> 1
    cells[1] = LEVEL_PLACES[1] + step(of_row - log_mean)
    cells[2] = LEVEL_PLACES[2] + step(of_column - log_mean)
    cells[3] = LEVEL_PLACES[3] + of_near
    cells[4] = LEVEL_PLACES[4] + clip(around.row_before * towards, -8, 7) + 8
    cells[5] = LEVEL_PLACES[5] + classes[OF_FIELD]
    cells[6] = LEVEL_PLACES[6] + classes[OF_ROW] * 4 + min(near, 3)
    cells[7] = LEVEL_PLACES[7] + left * 8 + up


@inlined
def move_to_node(cells: Ints, node: Whole, node_before: Whole) -> None:
    """Move the contexts to another node. Each node has its own cells: 16 per context, 64 for the last two contexts."""
    cells[0] = node
    for k in range(1, 6):
        cells[k] += (node - node_before) * 16
    for k in range(6, 8):
        cells[k] += (node - node_before) * 64
