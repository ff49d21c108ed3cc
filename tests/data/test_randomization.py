import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdlray.data.randomization import PIXEL_RANDOMIZATIONS, mean_and_std, randomize_labels, randomize_pixels

LABELS = np.random.default_rng(1).integers(0, 10, 20_000, dtype=np.uint8)
PIXELS = np.random.default_rng(2).integers(0, 256, (60, 784), dtype=np.uint8) // 3
TRAIN = slice(0, 40)
fractions = st.floats(0, 1)
seeds = st.integers(0, 2**31 - 1)


@given(small=fractions, large=fractions, seed=seeds, num_labels=st.integers(0, 200))
def test_labels_chosen_at_a_smaller_fraction_are_among_those_at_a_larger_one(small, large, seed, num_labels):
    small, large = sorted((small, large))
    labels = np.full(num_labels, 10, np.uint8)  # a class that is never drawn: so every chosen label shows
    few, few_changed = randomize_labels(labels, small, seed, 10)
    many, many_changed = randomize_labels(labels, large, seed, 10)
    assert (few != 10).sum() == round(small * num_labels) and (many != 10).sum() == round(large * num_labels)
    np.testing.assert_array_equal(many[few != 10], few[few != 10])
    if num_labels:
        assert few_changed == (few != 10).mean() and many_changed == (many != 10).mean()
    assert few.dtype == np.uint8 and (labels == 10).all()


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 1.0])
def test_a_tenth_of_the_drawn_labels_is_the_true_one(fraction):
    new, changed = randomize_labels(LABELS, fraction, 4, 10)
    assert changed == np.mean(new != LABELS)
    deviation = math.sqrt(0.09 * fraction / len(LABELS))
    assert abs(changed - 0.9 * fraction) <= 5 * deviation


def test_drawn_labels_are_uniform_and_independent_of_the_true_ones():
    new, _ = randomize_labels(LABELS, 1.0, 9, 10)
    expected = len(LABELS) / 100
    table = np.histogram2d(LABELS, new, bins=(10, 10))[0]
    # Rows have the sizes of the true classes; each is spread evenly, so chi-square with 90 degrees of freedom.
    chi_square = ((table - table.sum(axis=1, keepdims=True) / 10) ** 2 / expected).sum()
    assert chi_square < 90 + 6 * math.sqrt(180)


def test_seeds_choose_other_labels():
    drawn = [randomize_labels(LABELS, 0.5, seed, 10)[0] for seed in (0, 1, 0)]
    np.testing.assert_array_equal(drawn[0], drawn[2])
    assert (drawn[0] != drawn[1]).mean() > 0.3


@pytest.mark.parametrize("fraction", [-0.1, 1.1, math.nan])
def test_a_fraction_outside_of_0_to_1_is_refused(fraction):
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        randomize_labels(LABELS, fraction, 0, 10)


def test_shuffled_moves_the_pixels_of_all_images_alike():
    shuffled = randomize_pixels(PIXELS, TRAIN, "shuffled", 0)
    np.testing.assert_array_equal(np.sort(shuffled, axis=1), np.sort(PIXELS, axis=1))
    np.testing.assert_array_equal(sorted(map(bytes, shuffled.T)), sorted(map(bytes, PIXELS.T)))
    assert (shuffled != PIXELS).mean() > 0.9 and shuffled.flags.c_contiguous


def test_random_moves_the_pixels_of_each_image_by_itself():
    place = np.tile(np.arange(250, dtype=np.uint8), (40, 1))
    moved = randomize_pixels(place, TRAIN, "random", 0)
    np.testing.assert_array_equal(np.sort(moved, axis=1), place)
    assert len(np.unique(moved, axis=0)) == 40 and moved.flags.c_contiguous


def test_gaussian_has_the_training_pixels_mean_and_deviation():
    pixels = np.full((300, 784), 255, np.uint8)
    pixels[:200] = np.random.default_rng(3).integers(100, 140, (200, 784))
    noise = randomize_pixels(pixels, slice(0, 200), "gaussian", 0).astype(float)
    assert noise.mean() == pytest.approx(pixels[:200].mean(), abs=0.2)
    # Rounding to whole levels adds 1/12 to the variance.
    assert noise.std() == pytest.approx(math.sqrt(pixels[:200].var() + 1 / 12), abs=0.2)
    assert abs(np.corrcoef(noise[0], noise[1])[0, 1]) < 0.2


def test_gaussian_is_clipped_and_not_wrapped():
    pixels = np.zeros((100, 784), np.uint8)
    pixels[:, ::8] = 255
    noise = randomize_pixels(pixels, slice(0, 100), "gaussian", 0)
    mean, std = mean_and_std(pixels)
    below_zero = 0.5 * math.erfc((mean - 0.5) / std / math.sqrt(2))
    assert (noise == 0).mean() == pytest.approx(below_zero, abs=0.01)


def test_none_changes_nothing_and_the_others_repeat_and_follow_their_seed():
    np.testing.assert_array_equal(randomize_pixels(PIXELS, TRAIN, "none", 5), PIXELS)
    for kind in set(PIXEL_RANDOMIZATIONS) - {"none"}:
        first, again, other = (randomize_pixels(PIXELS, TRAIN, kind, seed) for seed in (5, 5, 6))
        np.testing.assert_array_equal(first, again)
        assert first.dtype == np.uint8 and (first != other).mean() > 0.5


def test_an_unknown_kind_lists_the_known_ones():
    with pytest.raises(ValueError, match="'noise'; the known ones are: none, shuffled, random, gaussian"):
        randomize_pixels(PIXELS, TRAIN, "noise", 0)


def test_mean_and_std_are_numpys():
    pixels = np.random.default_rng(4).integers(0, 256, (9000, 7), dtype=np.uint8)
    assert mean_and_std(pixels) == pytest.approx((pixels.mean(), pixels.std()), rel=1e-12)
    assert mean_and_std(np.full((3, 2), 200, np.uint8)) == (200, 0)
