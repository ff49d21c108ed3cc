import hashlib

import numpy as np
import pytest
from scipy import ndimage

from mdlray.data.sources import read_mnist5k
from mdlray.data.variants import VARIANTS, background_images, background_random, plain, rotate, rotation

RNG = np.random.default_rng(11)


def no_photographs():
    raise AssertionError("this variant needs no photographs")


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


def test_every_variant_is_the_same_each_time_and_by_place(digits):
    photographs = [RNG.integers(0, 256, (64, 64), dtype=np.uint8)]
    for variant in VARIANTS.values():
        whole = variant(digits, lambda: photographs)
        assert whole.dtype == np.uint8 and whole.shape == digits.shape
        np.testing.assert_array_equal(variant(digits[:30], lambda: photographs), whole[:30])


def test_plain_and_rotation(digits):
    np.testing.assert_array_equal(plain(digits, no_photographs), digits)
    turned = rotation(digits, no_photographs)
    # Digits lie within a circle around the center, so that turning keeps their ink; and nearly none keeps its place.
    np.testing.assert_allclose(turned.sum(axis=(1, 2)), digits.sum(axis=(1, 2)), rtol=0.05)
    assert (np.abs(turned.astype(int) - digits).mean(axis=(1, 2)) > 5).mean() > 0.9


def test_noise_is_uniform_and_shows_where_the_digit_is_dark(digits):
    noisy = background_random(digits, no_photographs)
    assert (noisy >= digits).all()
    dark = noisy[digits == 0]
    expected = len(dark) / 256
    chi_square = ((np.bincount(dark, minlength=256) - expected) ** 2 / expected).sum()
    assert chi_square < 255 + 6 * np.sqrt(2 * 255)
    assert abs(np.corrcoef(dark[:-1], dark[1:])[0, 1]) < 0.02


def test_photograph_shows_where_the_digit_is_dark(digits):
    photograph = RNG.integers(0, 256, (64, 64), dtype=np.uint8)
    combined = background_images(digits, lambda: [photograph])
    assert (combined >= digits).all()
    windows = np.lib.stride_tricks.sliding_window_view(photograph, (28, 28)).reshape(-1, 784)
    for digit, image in zip(digits.reshape(-1, 784)[:10], combined.reshape(-1, 784), strict=False):
        assert (np.maximum(windows, digit) == image).all(axis=1).any()


def test_golden_bytes():
    # Variants are data: whoever changes these sums changes the meaning of every row about a variant.
    images = (np.arange(5 * 784) * 7 % 256).astype(np.uint8).reshape(5, 28, 28)
    photographs = [(np.arange(4096) ** 2 // 3 % 251).astype(np.uint8).reshape(64, 64)]
    found = {
        name: hashlib.sha256(variant(images, lambda: photographs).tobytes()).hexdigest()[:12]
        for name, variant in VARIANTS.items()
    }
    assert found == {
        "plain": "216f5f8571ee",
        "rotation": "6dcf8c2e327f",
        "background_random": "364d22c629d2",
        "background_images": "af9664c95926",
    }
