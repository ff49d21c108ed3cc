import hashlib

import numpy as np
import pytest

from mdlray.data.photographs import split_photographs
from mdlray.data.sources import read_mnist5k
from mdlray.data.variants import (
    VARIANTS,
    background_images,
    background_photographs,
    background_random,
    plain,
    rotation,
)

RNG = np.random.default_rng(11)


def no_photographs():
    raise AssertionError("this variant needs no photographs")


@pytest.fixture(scope="module")
def digits():
    return read_mnist5k(None).pixels_NP[::50].reshape(-1, 28, 28)


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


def test_a_patch_comes_from_a_photograph_of_its_own_split(digits):
    split = np.arange(len(digits)) % 4 - 1
    combined = background_photographs(digits, split.astype(np.int8))
    np.testing.assert_array_equal(combined[split == -1], 0)
    places = [[np.lib.stride_tricks.sliding_window_view(p, (28, 28)) for p in group] for group in split_photographs()]
    belonging = np.flatnonzero(split >= 0)[:6]
    for digit, image, number in zip(digits[belonging], combined[belonging], split[belonging], strict=True):
        for group in range(3):
            fits = [_fits(windows, digit, image) for windows in places[group]]
            assert any(fits) == (group == number)


def _fits(windows, digit, image):
    """Whether the image is the digit over some patch; the patch shows wherever the image is not the digit."""
    shown = np.argwhere(image > digit)
    place = np.ones(windows.shape[:2], bool)
    for y, x in shown:
        place &= windows[:, :, y, x] == image[y, x]
    return bool(place.any())


def test_a_patch_hangs_on_place_and_split_alone(digits):
    whole = background_photographs(digits, np.zeros(len(digits), np.int8))
    mixed = np.random.default_rng(4).integers(-1, 3, len(digits)).astype(np.int8)
    np.testing.assert_array_equal(background_photographs(digits, mixed)[mixed == 0], whole[mixed == 0])
    np.testing.assert_array_equal(
        background_photographs(digits[:30], mixed[:30]), background_photographs(digits, mixed)[:30]
    )


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
    by_split = background_photographs(images, np.array([0, 1, 2, 0, -1], np.int8))
    assert hashlib.sha256(by_split.tobytes()).hexdigest()[:12] == "aabbd2e3d815"
