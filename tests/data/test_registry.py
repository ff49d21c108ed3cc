import subprocess
import sys

import numpy as np
import pytest

from mdlray.data import DATASETS, BaseImages, DatasetSource, find_dataset, find_reader, load_images
from mdlray.data.sources import BASES
from mdlray.spec import DataSpec

BASE_NAMES = ("mnist", "mnist5k", "fashion_mnist", "kmnist")


def test_every_base_comes_in_every_variant():
    suffixes = ("", "_rotation", "_background_random", "_background_images", "_background_photographs")
    assert set(DATASETS) == {base + suffix for base in BASE_NAMES for suffix in suffixes}
    assert DATASETS["kmnist"] == DatasetSource("kmnist", "plain")
    assert DATASETS["fashion_mnist_background_images"] == DatasetSource("fashion_mnist", "background_images")


def test_known_names_pass_and_an_unknown_one_lists_them():
    for name in DATASETS:
        find_dataset(name)
    with pytest.raises(ValueError, match="no data set 'mnits'") as refused:
        find_dataset("mnits")
    assert all(name in str(refused.value) for name in DATASETS)


@pytest.fixture
def third_party(tmp_path, monkeypatch):
    """An installed distribution as Python sees it: a module, and its metadata with entry points."""
    (tmp_path / "stripes.py").write_text(
        "import numpy as np\n"
        "from mdlray.data import BaseImages\n"
        "def read(root):\n"
        "    labels = np.arange(20, dtype=np.uint8) % 2\n"
        "    pixels = np.where(labels[:, None] == 1, [255, 0, 255, 0, 255, 0], 7).astype(np.uint8)\n"
        "    return BaseImages(pixels_NP=pixels, labels_N=labels, num_classes=2, image_shape=(2, 3),\n"
        "                      study_sizes=(8, 4, 6))\n"
    )
    metadata = tmp_path / "stripes-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: stripes\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[mdlray.datasets]\nstripes = stripes:read\nmnist5k = stripes:read\nbroken = nowhere:read\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


def test_a_third_party_data_set_takes_the_ordinary_path(third_party):
    find_dataset("stripes")
    images = load_images(DataSpec(dataset="stripes"), 0, None)
    assert (images.num_train, images.num_validation, images.num_test) == (8, 4, 6)
    assert (images.image_shape, images.num_classes, images.pixels_NP.shape) == ((2, 3), 2, (18, 6))
    with pytest.raises(ValueError, match="known ones are: mnist, .*stripes"):
        find_dataset("strips")


def test_a_third_party_cannot_take_over_a_name(third_party):
    assert load_images(DataSpec(dataset="mnist5k"), 0, None).num_classes == 10


def test_checking_a_name_does_not_import_the_third_party(third_party):
    find_dataset("broken")
    with pytest.raises(ValueError, match="plug-in 'broken' of package 'stripes' .*No module named 'nowhere'"):
        load_images(DataSpec(dataset="broken"), 0, None)


def test_a_base_that_a_sweep_adds_is_known_in_every_variant(monkeypatch):
    """README's recipe; the readers' dict is all that a sweep's file touches."""
    labels = np.arange(20, dtype=np.uint8) % 2
    pixels = np.repeat(labels[:, None], 36, axis=1) * np.uint8(255)
    images = BaseImages(pixels_NP=pixels, labels_N=labels, num_classes=2, image_shape=(6, 6), study_sizes=(8, 4, 6))
    monkeypatch.setitem(BASES, "my_pngs", lambda root: images)
    assert find_dataset("my_pngs_rotation") == DatasetSource("my_pngs", "rotation")
    assert load_images(DataSpec(dataset="my_pngs"), 0, None).num_train == 8
    with pytest.raises(ValueError, match="known ones are: mnist, .*my_pngs, my_pngs_rotation"):
        find_dataset("my_pngz")
    with pytest.raises(ValueError, match="no reader of a data set 'nope'; there are readers of: mnist, "):
        find_reader("nope")


def test_importing_the_room_imports_nothing_heavy():
    code = (
        "import sys, mdlray.data; mdlray.data.find_dataset('mnist');"
        "print({'torch', 'torchvision', 'sklearn', 'mlxtend', 'pandas', 'PIL', 'ray', 'optuna'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "set()"
