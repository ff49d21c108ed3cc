import numpy as np
import pytest
from PIL import Image

from mdlray.data.backgrounds import (
    MIN_STANDARD_DEVIATION,
    background_patches,
    backgrounds_digest,
    folder_photographs,
    sample_photographs,
)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(3)
    for name in ("b.png", "a.JPG"):
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


def test_digest_follows_names_and_bytes_of_pictures_only(folder):
    digests = [backgrounds_digest(folder)]
    assert digests[0].startswith("sha256:") and len(digests[0]) == len("sha256:") + 16
    (folder / "notes.txt").write_text("changed")
    assert backgrounds_digest(folder) == digests[0]
    (folder / "b.png").rename(folder / "c.png")
    digests.append(backgrounds_digest(folder))
    with (folder / "c.png").open("ab") as picture:
        picture.write(b"x")
    digests.append(backgrounds_digest(folder))
    (folder / "c.png").unlink()
    digests.append(backgrounds_digest(folder))
    assert len(set(digests)) == 4


def test_digest_does_not_mix_up_names_and_bytes(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for place, files in ((one, {"a.png": b"b.pngx"}), (other, {"a.png": b"", "b.png": b"x"})):
        place.mkdir()
        for name, content in files.items():
            (place / name).write_bytes(content)
    assert backgrounds_digest(one) != backgrounds_digest(other)


def test_a_folder_without_pictures_and_no_folder_are_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ValueError, match="no pictures.*--background-images DIR"):
            backgrounds_digest(folder)


def test_photographs_are_gray_and_sorted_by_name(folder):
    photographs = folder_photographs(folder)
    assert [(p.dtype, p.shape) for p in photographs] == [(np.uint8, (40, 50))] * 2
    rgb = np.array(Image.open(folder / "b.png")).astype(float)
    # ITU-R 601 luma, written out.
    np.testing.assert_allclose(photographs[1], rgb @ [0.299, 0.587, 0.114], atol=1)


def test_a_broken_picture_is_named(folder):
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ValueError, match=r"broken\.png cannot be read as a picture"):
        folder_photographs(folder)


def test_the_sample_has_two_textured_photographs():
    photographs = sample_photographs()
    assert [p.shape for p in photographs] == [(427, 640)] * 2
    patches = background_patches(photographs, 300, 28, 28)
    assert patches.std(axis=(1, 2)).min() >= MIN_STANDARD_DEVIATION
    assert len(np.unique(patches.reshape(300, -1), axis=0)) == 300


def test_patches_are_cut_out_of_every_photograph_and_reach_every_corner():
    # A photograph whose pixel says where it is: row · 8 + column, and which photograph: odd or even.
    place = np.arange(30).reshape(5, 6) * 8
    photographs = [place.astype(np.uint8), (place + 1).astype(np.uint8)]
    patches = background_patches(photographs, 400, 3, 4).astype(int)
    firsts = patches[:, 0, 0]
    np.testing.assert_array_equal(patches, firsts[:, None, None] + place[:3, :4])
    assert set(firsts) == {place[y, x] + number for y in range(3) for x in range(3) for number in (0, 1)}


def test_a_patch_does_not_depend_on_how_many_there_are():
    flat_and_textured = np.zeros((60, 60), np.uint8)
    flat_and_textured[:, 30:] = np.random.default_rng(0).integers(0, 256, (60, 30))
    many = background_patches([flat_and_textured], 500, 28, 28)
    np.testing.assert_array_equal(background_patches([flat_and_textured], 20, 28, 28), many[:20])
    assert many.std(axis=(1, 2)).min() >= MIN_STANDARD_DEVIATION


def test_flat_and_small_pictures_are_refused():
    with pytest.raises(ValueError, match="too flat"):
        background_patches([np.full((40, 40), 9, np.uint8)], 3, 28, 28)
    with pytest.raises(ValueError, match=r"picture number 1 .*shape \(27, 40\).*28 rows"):
        background_patches([np.zeros((27, 40), np.uint8)], 3, 28, 28)
