import itertools

import numpy as np
import pytest
from PIL import Image

from mdlray.data import photographs
from mdlray.data.backgrounds import MIN_STANDARD_DEVIATION, background_patches
from mdlray.data.photographs import SPLIT_PHOTOGRAPHS, luma, split_photographs


def test_no_photograph_is_in_two_splits():
    names = [set(group) for group in SPLIT_PHOTOGRAPHS]
    assert [len(group) for group in names] == [6, 3, 3]
    assert all(not one & other for one, other in itertools.combinations(names, 2))
    pictures = [picture.tobytes() for group in split_photographs() for picture in group]
    assert len(set(pictures)) == 12


def test_each_split_has_textured_patches():
    for group in split_photographs():
        assert all(picture.dtype == np.uint8 and min(picture.shape) >= 170 for picture in group)
        assert background_patches(group, 200, 28, 28).std(axis=(1, 2)).min() >= MIN_STANDARD_DEVIATION


def test_gray_is_that_of_pillow_within_one_level():
    rgb = np.random.default_rng(1).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    np.testing.assert_allclose(luma(rgb).astype(int), np.array(Image.fromarray(rgb).convert("L"), int), atol=1)
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(luma(np.repeat(levels[None, :, None], 3, axis=2))[0], levels)


def test_another_picture_under_the_name_is_refused(monkeypatch):
    monkeypatch.setattr(photographs, "SPLIT_PHOTOGRAPHS", ({"coins": SPLIT_PHOTOGRAPHS[0]["page"]},))
    with pytest.raises(ValueError, match=r"coins\.png has the checksum .*scikit-image.*0\.26\.0"):
        split_photographs()
