"""What is looked at around a weight: neighbors of its picture alone, by definition, and classes of differences."""

import math

import numpy as np
import pytest

from mdlray.codec.compiled import compiled
from mdlray.codec.contexts import Ranks, look_around, step


@compiled
def neighbors(ranks_RC: Ranks, row: int, column: int, x: int, y: int, width: int, area: int) -> tuple[int, ...]:
    """As the coder asks for them."""
    around = look_around(ranks_RC, row, column, x, y, width, area)
    return (
        around.left, around.up, around.up_left, around.up_right, around.left2, around.up2,
        around.channel_before, around.row_before,
    )  # fmt: skip


@compiled
def step_of(x: int) -> int:
    """As the coder asks for it."""
    return step(x)


@pytest.mark.parametrize("height, width, channels", [(3, 4, 2), (1, 5, 3), (5, 1, 1), (1, 1, 6)])
def test_neighbors_are_those_of_the_picture(height: int, width: int, channels: int) -> None:
    pictures = np.random.default_rng(0).integers(-9, 10, (2, channels, height, width)).astype(np.int16)
    ranks_RC = pictures.reshape(2, -1)

    def at(row: int, channel: int, y: int, x: int) -> int:
        inside = row >= 0 and channel >= 0 and 0 <= y and 0 <= x < width
        return int(pictures[row, channel, y, x]) if inside else 0

    for row, channel, y, x in np.ndindex(pictures.shape):
        column = (channel * height + y) * width + x
        wanted = [at(row, channel, y - dy, x - dx) for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0))]
        wanted += [at(row, channel - 1, y, x), at(row - 1, channel, y, x)]
        assert list(neighbors(ranks_RC, row, column, x, y, width, height * width)) == wanted


def test_classes_are_thirds_of_a_nat_wide_and_8_begins_at_0() -> None:
    for nats in np.linspace(-4, 4, 97):
        x = round(4096 * nats)
        assert step_of(x) == min(max(math.floor(3 * x / 4096) + 8, 0), 15)
