import hashlib
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mdlray.data import DATASETS, BaseImages, DatasetSource, backgrounds_digest, load_images
from mdlray.data.images import split_order
from mdlray.data.sources import BASES, read_mnist5k
from mdlray.spec import DataSpec

REAL_ROOT = Path(os.environ.get("MDLRAY_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
MNIST5K = DataSpec(dataset="mnist5k")


def base_of(num_examples, study_sizes, usual_sizes=None):
    return BaseImages(
        pixels_NP=np.zeros((num_examples, 784), np.uint8),
        labels_N=np.zeros(num_examples, np.uint8),
        num_classes=10,
        study_sizes=study_sizes,
        usual_sizes=usual_sizes,
    )


def test_study_draws_all_three_splits_from_everything():
    base = base_of(700, (450, 50, 120), (550, 50, 100))
    sizes, order = split_order("toy", base, "study")
    assert sizes == (450, 50, 120)
    assert len(set(order)) == 620 and set(order) <= set(range(700))
    for part in np.split(order, [450, 500]):
        assert 0.4 < np.mean(part < 350) < 0.6  # none of them is from one end of the files


def test_usual_keeps_the_official_test_split():
    base = base_of(700, (450, 50, 120), (550, 50, 100))
    sizes, order = split_order("toy", base, "usual")
    assert sizes == (550, 50, 100)
    np.testing.assert_array_equal(order[600:], np.arange(600, 700))
    np.testing.assert_array_equal(np.sort(order[:600]), np.arange(600))
    assert 0.3 < np.mean(order[550:600] < 300) < 0.7


def test_the_permutation_stays():
    # Splits are data: another permutation would change the meaning of every row.
    _, order = split_order("toy", base_of(5000, (3600, 400, 1000)), "study")
    assert order[:5].tolist() == [2440, 790, 4091, 4501, 254]


def test_mnist5k_in_its_three_splits():
    images = load_images(MNIST5K, 0, None)
    base = read_mnist5k(None)
    assert (images.num_train, images.num_validation, images.num_test) == (3600, 400, 1000)
    assert (images.train, images.validation, images.test) == (slice(0, 3600), slice(3600, 4000), slice(4000, 5000))
    assert (images.name, images.num_classes, images.image_shape) == ("mnist5k", 10, (28, 28))
    # Every digit is there once, with its own label.
    with_labels = [np.column_stack([x.pixels_NP, x.labels_N]) for x in (images, base)]
    assert sorted(map(bytes, with_labels[0])) == sorted(map(bytes, with_labels[1]))
    assert np.bincount(images.labels_N[images.test]).min() > 70


def test_arrays_are_bytes_in_one_piece_that_cannot_be_written_to():
    images = load_images(MNIST5K, 0, None)
    for array in (images.pixels_NP, images.labels_N):
        assert array.dtype == np.uint8 and array.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_mean_and_std_are_of_the_train_pixels_and_fit_into_float16():
    images = load_images(MNIST5K, 0, None)
    scaled = images.pixels_NP[images.train] / 255
    for found, exact in ((images.mean, scaled.mean()), (images.std, scaled.std())):
        assert found == float(np.float16(found))
        assert found == pytest.approx(exact, rel=2**-11)


def test_std_of_equal_pixels_is_one(monkeypatch):
    monkeypatch.setitem(BASES, "blank", lambda root: base_of(20, (8, 4, 6)))
    monkeypatch.setitem(DATASETS, "blank", DatasetSource("blank"))
    images = load_images(DataSpec(dataset="blank"), 0, None)
    assert (images.mean, images.std) == (0.0, 1.0)


def test_checksum_is_of_pixels_and_labels():
    images = load_images(MNIST5K, 0, None)
    assert images.checksum == hashlib.sha256(bytes(images.pixels_NP) + bytes(images.labels_N)).hexdigest()


def test_a_variant_keeps_order_and_labels():
    plain, turned = (load_images(DataSpec(dataset=name), 0, None) for name in ("mnist5k", "mnist5k_rotation"))
    np.testing.assert_array_equal(turned.labels_N, plain.labels_N)
    assert turned.checksum != plain.checksum
    ink = [images.pixels_NP.sum(axis=1, dtype=float) for images in (plain, turned)]
    assert np.corrcoef(*ink)[0, 1] > 0.99


def test_loading_again_is_free_and_hangs_on_what_matters(tmp_path):
    first = load_images(MNIST5K, 0, None)
    assert load_images(MNIST5K, 7, None) is first
    assert load_images(DataSpec(dataset="mnist5k", label_randomization_fraction=0.5), 0, None) is first
    start = time.perf_counter()
    for _ in range(20):
        load_images(MNIST5K, 0, None)
    assert time.perf_counter() - start < 0.1
    shuffled = DataSpec(dataset="mnist5k", pixel_randomization="shuffled")
    assert load_images(shuffled, 0, None) is load_images(shuffled, 0, None)
    assert load_images(shuffled, 0, None).checksum != load_images(shuffled, 1, None).checksum


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (DataSpec(dataset="mnits"), "no data set 'mnits'"),
        (DataSpec(dataset="mnist5k", split="usual"), "no official test split; use split 'study'"),
        (DataSpec(dataset="mnist5k", pixel_randomization="noise"), "none, shuffled, random, gaussian"),
        (DataSpec(dataset="mnist5k", backgrounds="sha256:0123456789abcdef"), "_background_images"),
        (
            DataSpec(dataset="mnist5k_background_images", backgrounds="sha256:0123456789abcdef"),
            "no folder was given.*--background-images DIR",
        ),
    ],
)
def test_a_spec_that_cannot_be_met_is_refused(spec, said):
    with pytest.raises(ValueError, match=said):
        load_images(spec, 0, None)


def test_own_pictures_are_used_if_they_are_the_ones_that_were_named(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 50), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "wall.png")
    named = DataSpec(dataset="mnist5k_background_images", backgrounds=backgrounds_digest(tmp_path))
    images = load_images(named, 0, None, tmp_path)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (28, 28)).reshape(-1, 784)
    plain = load_images(MNIST5K, 0, None)
    for image, digit in zip(images.pixels_NP[:5], plain.pixels_NP, strict=False):
        assert (np.maximum(windows, digit) == image).all(axis=1).any()

    sample = load_images(DataSpec(dataset="mnist5k_background_images"), 0, None)
    assert sample.checksum != images.checksum
    other = DataSpec(dataset="mnist5k_background_images", backgrounds="sha256:0123456789abcdef")
    with pytest.raises(ValueError, match="but the pictures in .* are 'sha256:.*--background-images DIR"):
        load_images(other, 0, None, tmp_path)


@pytest.mark.parametrize(("split", "in_both"), [("study", 873), ("usual", 0)])
def test_so_many_digits_of_mnist5k_are_test_digits_of_mnist(split, in_both):
    if not (REAL_ROOT / "MNIST" / "raw").is_dir():
        pytest.skip(f"no MNIST in {REAL_ROOT}; set MDLRAY_DATA to a folder in torchvision's layout")
    images = load_images(DataSpec(split=split), 0, REAL_ROOT)
    embedded = set(map(bytes, read_mnist5k(None).pixels_NP))
    assert len(embedded) == 5000
    assert sum(bytes(digit) in embedded for digit in images.pixels_NP[images.test]) == in_both


@pytest.mark.parametrize(("split", "sizes"), [("study", (45_000, 5_000, 12_000)), ("usual", (55_000, 5_000, 10_000))])
def test_real_mnist_in_both_splits(split, sizes):
    if not (REAL_ROOT / "MNIST" / "raw").is_dir():
        pytest.skip(f"no MNIST in {REAL_ROOT}; set MDLRAY_DATA to a folder in torchvision's layout")
    images = load_images(DataSpec(split=split), 0, REAL_ROOT)
    assert (images.num_train, images.num_validation, images.num_test) == sizes
    assert images.pixels_NP.shape == (sum(sizes), 784) and images.labels_N.shape == (sum(sizes),)
    assert (images.mean, images.std) == pytest.approx((0.1307, 0.3081), abs=2e-3)
