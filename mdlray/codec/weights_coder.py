"""The ranks of a weight matrix <-> bits, row by row: is the row empty; then per weight: is it zero, sign, level.

The rank of a weight is 0 for zero, +m or -m for the m-th smallest codebook entry of that sign. Every bit has contexts:
numbers that follow from what has been coded before. `mdlray.codec.mixing` turns them into a probability.

    zero    fields: how often the columns around this one, and the weights of this row around this place, are non-zero,
            weighted by distance; the density of this column, this row and this channel of the row, relative to the
            whole matrix; six neighbors in the picture and their ranks; the activity of the unit that the column belongs
            to (its non-zero weights in the tensor before); the same place in the channel before and in the row before
    sign    the signs of the same neighbors and places; the sums of signs of the column and of the row
    level   floor(log2 m) in unary, then the bits below the leading one, each given the bits before it. Contexts: the
            mean rank of the row, of the column and of the neighbors, relative to the whole matrix; and the ranks of the
            neighbors, counted as positive where their sign is that of the weight

A dead unit is an empty row: one bit, which costs little if the row before is empty, too. In the next tensor it is a
group of empty columns, and the activity of the unit predicts them. A matrix without zeros sends no zero bits and has no
fields.

R: rows, C: columns, A: units of the tensor before.
"""

import numpy as np

from mdlray.codec.bit_coder import Coder, Whole, with_room, writes
from mdlray.codec.compiled import compiled, inlined
from mdlray.codec.contexts import (
    CHANNEL_ONES,
    OF_ROW,
    ROW_ONES,
    ROW_RANKS,
    ROW_SIGNS,
    Ranks,
    Scratch,
    fresh_scratch,
    level_contexts,
    look_around,
    look_back,
    move_to_node,
    num_near,
    sign_contexts,
    zero_contexts,
)
from mdlray.codec.geometry import Geometry
from mdlray.codec.mixing import Ints, Mixer, coded_bit
from mdlray.codec.weights_model import (
    CODED,
    EMPTY,
    EMPTY_RATES,
    KERNEL,
    LEVEL_RATE,
    LEVEL_RATES,
    LIVE,
    ONES,
    RADIUS,
    RANKS,
    ROW_KERNEL,
    ROW_RADIUS,
    SIGN_RATE,
    SIGN_RATES,
    ZERO_RATE,
    ZERO_RATES,
    Alphabet,
    Model,
    Tally,
    fresh_tally,
)

_BLOCK = 1 << 16
"""Weights per compiled call. Between two calls an interrupt is noticed, and the stream can grow."""
_MOST_BITS = 2 + 2 * 13
"""At least as many bits as one weight takes: zero, sign, and for the level two for each bit of the rank."""


def code_ranks(
    coder: Coder,
    ranks_RC: Ranks,
    geometry: Geometry,
    activity_A: Ints,
    alphabet: Alphabet,
    has_zeros: bool,
    model: Model,
) -> Coder:
    """Write ranks_RC, or fill it with the ranks that are read. The model learns. Returns the coder, which may grow."""
    num_rows, num_columns = ranks_RC.shape
    tally, scratch = fresh_tally(num_columns), fresh_scratch()
    group = num_columns // len(activity_A) if len(activity_A) and num_columns % len(activity_A) == 0 else 0
    rows_per_call = max(1, _BLOCK // max(num_columns, 1))
    area, width = geometry.area, geometry.width
    for first in range(0, num_rows, rows_per_call):
        rows = (first, min(first + rows_per_call, num_rows))
        coder = with_room(coder, rows_per_call * (1 + num_columns * _MOST_BITS))
        _code_rows(
            coder, model, tally, scratch, ranks_RC, rows, area, width, activity_A, group, alphabet, has_zeros,
            writes(coder),
        )  # fmt: skip
    return coder


@compiled
def _code_rows(
    coder: Coder,
    model: Model,
    tally: Tally,
    scratch: Scratch,
    ranks_RC: Ranks,
    rows: tuple[int, int],
    area: int,
    width: int,
    activity_A: Ints,
    group: int,
    alphabet: Alphabet,
    has_zeros: bool,
    writing: bool,
) -> None:
    """Code the rows from rows[0] to rows[1]. `group` columns belong to each unit of the tensor before (0: unknown)."""
    num_columns = ranks_RC.shape[1]
    height = area // width
    # Short names, because the loop uses them often.
    totals, here, logs, classes = tally.totals, scratch.row, scratch.logs, scratch.classes
    x_empty, cells_empty, x_zero, cells_zero = scratch.x_empty, scratch.cells_empty, scratch.x_zero, scratch.cells_zero
    x_sign, cells_sign, x_level, cells_level = scratch.x_sign, scratch.cells_sign, scratch.x_level, scratch.cells_level
    empty_mixer, zero_mixer, sign_mixer, level_mixer = model.empty, model.zero, model.sign, model.level
    for row in range(rows[0], rows[1]):
        if has_zeros:
            cells_empty[0] = totals[EMPTY]
            known = _is_empty(ranks_RC, row) if writing else 0
            totals[EMPTY] = coded_bit(coder, empty_mixer, 0, 0, x_empty, 0, cells_empty, 0, EMPTY_RATES, known)
            if totals[EMPTY]:
                continue
            tally.row_field[:] = 0
            tally.sign_field[:] = 0
        here[:] = 0
        for channel in range(num_columns // area):
            here[CHANNEL_ONES] = 0
            for y in range(height):
                for x in range(width):
                    place = y * width + x
                    column = channel * area + place
                    around = look_around(ranks_RC, row, column, x, y, width, area)
                    rank = np.int64(ranks_RC[row, column])
                    if has_zeros:
                        if place & 15 == 0:
                            look_back(totals, here, logs)
                        active = activity_A[column // group] if group else 0
                        zero_contexts(x_zero, cells_zero, classes, tally, logs, around, column, place, active)
                        nonzero = 1
                        # The row is not empty: if all other weights are zero, the last one cannot be zero.
                        if here[ROW_ONES] or column < num_columns - 1:
                            v, w = min(num_near(around), 3), classes[OF_ROW] >> 1
                            known = 1 if rank != 0 else 0
                            nonzero = coded_bit(
                                coder, zero_mixer, v, w, x_zero, 3, cells_zero, ZERO_RATE, ZERO_RATES, known
                            )
                        totals[CODED] += 1
                        if not nonzero:
                            continue
                    positive = 1 if alphabet.most_negative == 0 else 0
                    if alphabet.most_negative and alphabet.most_positive:
                        sign_contexts(x_sign, cells_sign, tally, here, around, column, has_zeros)
                        known = 1 if rank > 0 else 0
                        positive = coded_bit(
                            coder, sign_mixer, 0, 0, x_sign, 1, cells_sign, SIGN_RATE, SIGN_RATES, known
                        )
                    towards = 1 if positive else -1
                    most = alphabet.most_positive if positive else alphabet.most_negative
                    level_contexts(cells_level, classes, tally, here, around, column, towards)
                    size = _code_level(coder, level_mixer, x_level, cells_level, positive, most, abs(rank))
                    ranks_RC[row, column] = size * towards
                    totals[ONES] += 1
                    totals[RANKS] += size
                    tally.ones[column] += 1
                    tally.ranks[column] += size
                    tally.signs[column] += towards
                    here[ROW_ONES] += 1
                    here[ROW_RANKS] += size
                    here[ROW_SIGNS] += towards
                    here[CHANNEL_ONES] += 1
                    if has_zeros:
                        _add_to_fields(tally, channel, y, x, height, width, towards)
                        look_back(totals, here, logs)
        totals[LIVE] += 1


@compiled
def _code_level(
    coder: Coder, mixer: Mixer, x_level: Ints, cells_level: Ints, positive: Whole, most: Whole, known_size: Whole
) -> Whole:
    """The absolute rank, 1 to `most`: its length in unary, then the bits below the leading one."""
    most_length = 0
    while most >> (most_length + 1):
        most_length += 1
    known_length = 0
    while known_size >> (known_length + 1):
        known_length += 1
    size = 0
    place = 0
    node_before = 0
    while place >= 0:
        if size == 0:
            node = place
            known = 1 if place < known_length else 0
            forced = place == most_length
        else:
            node = 16 + min(size, 47)
            known = known_size >> place & 1
            forced = ((size << 1 | 1) << place) > most
        value = 0
        if not forced:
            cell_node = node * 2 + positive
            move_to_node(cells_level, cell_node, node_before)
            node_before = cell_node
            value = coded_bit(coder, mixer, node, 0, x_level, 0, cells_level, LEVEL_RATE, LEVEL_RATES, known)
        if size:
            size = size << 1 | value
            place -= 1
        elif value:
            place += 1
        else:
            size = 1
            place -= 1
    return size


@inlined
def _add_to_fields(
    tally: Tally, channel: Whole, y: Whole, x: Whole, height: Whole, width: Whole, towards: Whole
) -> None:
    """Add a non-zero weight to the fields of the columns around it, and of the places of this row that follow."""
    for near_y in range(max(y - RADIUS, 0), min(y + RADIUS + 1, height)):
        for near_x in range(max(x - RADIUS, 0), min(x + RADIUS + 1, width)):
            neighbor = (channel * height + near_y) * width + near_x
            tally.field[neighbor] += KERNEL[near_y - y + RADIUS, near_x - x + RADIUS]
    for near_y in range(y, min(y + ROW_RADIUS + 1, height)):
        for near_x in range(max(x - ROW_RADIUS, 0), min(x + ROW_RADIUS + 1, width)):
            neighbor = (channel * height + near_y) * width + near_x
            weight = ROW_KERNEL[near_y - y + ROW_RADIUS, near_x - x + ROW_RADIUS]
            tally.row_field[neighbor] += weight
            tally.sign_field[neighbor] += weight * towards


@inlined
def _is_empty(ranks_RC: Ranks, row: Whole) -> Whole:
    empty = 1
    for column in range(ranks_RC.shape[1]):
        if ranks_RC[row, column]:
            empty = 0
            break
    return empty
