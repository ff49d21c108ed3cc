"""Which weights of a row are neighbors: `Geometry(area, width)` arranges the columns of a weight matrix as pictures.

A matrix has one row per output unit. Its columns are divided into channels of `area` consecutive columns, and a channel
is a picture whose lines have `width` columns. For example, the 784 columns behind MNIST's pixels are one channel with
lines of 28. Neighboring weights of such a picture are similar, and so are equal positions of two channels.

    kernel     a convolution (outputs, channels, height, width): area = height · width
    channels   one channel for each row of the tensor before: (500, 50 · 16) behind 50 filters has area 16. If the area
               is a square number, the picture is a square; otherwise it is one line
    square     all columns are one square picture, if their number is a square: 784 = 28 · 28
    explicit   all columns are one picture, whose width is sent

The encoder tries what is possible and sends its choice (2 bits).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHANNELS, KERNEL, SQUARE, EXPLICIT = range(4)
WIDTH_BITS = 12


@dataclass(frozen=True)
class Geometry:
    """The columns of a channel, and the columns of one line of its picture; area is a multiple of width."""

    area: int
    width: int


def geometry_of(choice: int, shape: tuple[int, ...], rows_before: int, explicit_width: int = 0) -> Geometry:
    """What a choice means for a tensor of this shape, behind a tensor of `rows_before` rows (0: there is none).

    Every choice is valid: one that does not fit the shape means channels of one column.
    """
    num_columns = math.prod(shape[1:])
    if choice == KERNEL and len(shape) > 2:
        return Geometry(math.prod(shape[2:]), shape[-1])
    if choice == SQUARE and (side := math.isqrt(num_columns)) ** 2 == num_columns:
        return Geometry(num_columns, side)
    if choice == EXPLICIT and explicit_width and num_columns % explicit_width == 0:
        return Geometry(num_columns, explicit_width)
    if choice == CHANNELS and rows_before and num_columns % rows_before == 0:
        area = num_columns // rows_before
        side = math.isqrt(area)
        return Geometry(area, side if side**2 == area else area)
    return Geometry(1, 1)


def candidates(mask_RC: NDArray[np.bool_], shape: tuple[int, ...], rows_before: int) -> dict[Geometry, tuple[int, int]]:
    """The geometries worth trying, each with the (choice, explicit width) that sends it."""
    choices = [(CHANNELS, 0)]
    if len(shape) > 2:
        choices = [(KERNEL, 0)]
    elif mask_RC.shape[1] > 2:
        choices += [(SQUARE, 0), (EXPLICIT, best_width(mask_RC))]
    return {geometry_of(choice, shape, rows_before, width): (choice, width) for choice, width in reversed(choices)}


def best_width(mask_RC: NDArray[np.bool_]) -> int:
    """The width (a divisor of the number of columns) at which the mask agrees most with itself one line further on.

    Agreement is measured in (Poisson) standard deviations beyond chance. The width is 0 if none exceeds four of them.
    """
    num_columns = mask_RC.shape[1]
    widths = [w for w in range(3, min(num_columns // 3 + 1, 1 << WIDTH_BITS)) if num_columns % w == 0]
    density = float(mask_RC.mean())
    best, most = 0, 4.0
    for width in widths:
        pairs = mask_RC[:, width:].size
        together = int(np.count_nonzero(mask_RC[:, width:] & mask_RC[:, :-width]))
        excess = (together - pairs * density**2) / math.sqrt(pairs * density**2 + 1)
        if excess > most:
            best, most = width, excess
    return best
