import numpy as np
import pytest
from scipy import ndimage

from mdlray.data.rotation import rotate
from mdlray.data.sources import read_mnist5k

RNG = np.random.default_rng(11)


@pytest.fixture(scope="module")
def digits():
    return read_mnist5k(None).pixels_NP[::50].reshape(-1, 28, 28)


@pytest.mark.parametrize("shape", [(28, 28), (7, 7), (1, 1)])
def test_quarter_turns_are_exact(shape):
    images = RNG.integers(0, 256, (4, *shape), dtype=np.uint8)
    turned = rotate(images, np.arange(4) * np.pi / 2)
    for turns in range(4):
        np.testing.assert_array_equal(turned[turns], np.rot90(images[turns], turns))


def test_half_a_turn_of_an_oblong_image():
    images = RNG.integers(0, 256, (1, 5, 8), dtype=np.uint8)
    np.testing.assert_array_equal(rotate(images, np.array([np.pi])), images[:, ::-1, ::-1])


def test_agrees_with_scipy_within_a_gray_level(digits):
    noise = RNG.integers(0, 256, (600, 28, 28), dtype=np.uint8)
    images = np.concatenate([digits, noise])
    angles = RNG.random(len(images)) * 2 * np.pi
    y, x = np.indices((28, 28)) - 13.5
    for image, angle, turned in zip(images, angles, rotate(images, angles), strict=True):
        at = [y * np.cos(angle) + x * np.sin(angle) + 13.5, x * np.cos(angle) - y * np.sin(angle) + 13.5]
        # At the border scipy jumps to zero, while here it fades over one pixel: so scipy gets a border of zeros.
        expected = ndimage.map_coordinates(np.pad(image.astype(float), 8), np.add(at, 8), order=1)
        np.testing.assert_allclose(turned, expected, atol=0.75)
