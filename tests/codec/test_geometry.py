"""Pictures in the columns of a matrix: what choices mean, and that the width of a picture is found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdlray.codec.geometry import CHANNELS, EXPLICIT, KERNEL, SQUARE, Geometry, best_width, candidates, geometry_of


def picture_mask(rows: int, height: int, width: int, channels: int = 1) -> np.ndarray:
    """Ones in patches: neighbors in a picture agree."""
    field = np.random.default_rng(0).standard_normal((rows, channels, height + 2, width + 2))
    smooth = sum(field[:, :, i : i + height, j : j + width] for i in range(3) for j in range(3))
    return (smooth > 3).reshape(rows, -1)


@pytest.mark.parametrize(
    ("choice", "shape", "rows_before", "width", "geometry"),
    [
        (CHANNELS, (500, 800), 50, 0, (16, 4)),
        (CHANNELS, (500, 250), 50, 0, (5, 5)),
        (CHANNELS, (10, 100), 100, 0, (1, 1)),
        (CHANNELS, (10, 100), 0, 0, (1, 1)),
        (CHANNELS, (10, 100), 33, 0, (1, 1)),
        (KERNEL, (50, 20, 5, 5), 20, 0, (25, 5)),
        (KERNEL, (50, 20, 7), 20, 0, (7, 7)),
        (KERNEL, (50, 20), 20, 0, (1, 1)),
        (SQUARE, (100, 784), 0, 0, (784, 28)),
        (SQUARE, (100, 783), 0, 0, (1, 1)),
        (EXPLICIT, (100, 600), 0, 30, (600, 30)),
        (EXPLICIT, (100, 600), 0, 31, (1, 1)),
        (EXPLICIT, (100, 600), 0, 0, (1, 1)),
    ],
)
def test_what_a_choice_means(
    choice: int, shape: tuple[int, ...], rows_before: int, width: int, geometry: tuple[int, int]
) -> None:
    assert geometry_of(choice, shape, rows_before, width) == Geometry(*geometry)


@given(
    st.integers(0, 3), st.lists(st.integers(1, 40), min_size=2, max_size=5), st.integers(0, 300), st.integers(0, 4095)
)
def test_every_choice_parts_the_columns_evenly(choice: int, shape: list[int], rows_before: int, width: int) -> None:
    geometry = geometry_of(choice, tuple(shape), rows_before, width)
    assert np.prod(shape[1:]) % geometry.area == 0 and geometry.area % geometry.width == 0


@given(st.lists(st.integers(1, 12), min_size=2, max_size=4), st.integers(0, 12), st.floats(0, 1))
def test_candidates_are_sent_as_what_they_are(shape: list[int], rows_before: int, density: float) -> None:
    mask = np.random.default_rng(0).random((shape[0], int(np.prod(shape[1:])))) < density
    found = candidates(mask, tuple(shape), rows_before)
    assert found
    for geometry, (choice, width) in found.items():
        assert geometry_of(choice, tuple(shape), rows_before, width) == geometry


@pytest.mark.parametrize(("height", "width"), [(20, 30), (28, 28), (50, 12)])
def test_the_width_of_a_picture_is_found(height: int, width: int) -> None:
    assert best_width(picture_mask(40, height, width)) == width


def test_noise_has_no_width() -> None:
    masks = np.random.default_rng(0).random((20, 40, 600)) < 0.1
    assert [best_width(mask) for mask in masks].count(0) >= 19
    assert best_width(np.zeros((5, 60), bool)) == 0


def test_a_convolution_is_a_picture_of_its_kernels_and_a_square_is_tried() -> None:
    assert candidates(np.ones((4, 50), bool), (4, 2, 5, 5), 0) == {Geometry(25, 5): (KERNEL, 0)}
    assert Geometry(64, 8) in candidates(picture_mask(30, 8, 8), (30, 64), 0)
