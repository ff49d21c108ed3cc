"""A `DataSpec` → `Images`: base data set, then variant, then split, then pixel randomization.

One fixed permutation makes the splits, so they are the same in every trial:
`study`  All examples are permuted. The first are training examples, the next validation, the next test; the rest is
         not used. MNIST has 45,000 + 5,000 + 12,000 of its 70,000 examples, the sizes of Baktash et al. (2019), and
         `mnist5k` has 3,600 + 400 + 1,000.
`usual`  The official training examples are permuted: the first are training examples, the last are validation. The
         official test examples are the test split. MNIST has 55,000 + 5,000 + 10,000.

Suffixes: N examples (train, then validation, then test), P pixels (height · width, row by row).
"""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mdlray.data.backgrounds import backgrounds_digest, folder_photographs, sample_photographs
from mdlray.data.randomization import PIXEL_RANDOMIZATIONS, mean_and_std, randomize_pixels
from mdlray.data.registry import find_dataset, find_reader
from mdlray.data.sources import BaseImages
from mdlray.data.variants import SPLIT_VARIANTS, VARIANTS
from mdlray.spec import DataSpec

SPLIT_SEED = 20190
_MAX_CACHED = 4


@dataclass(frozen=True, eq=False, kw_only=True)
class Images:
    """The images that a network sees, and their true labels. The arrays are read-only, because trials share them."""

    name: str
    pixels_NP: NDArray[np.uint8]
    """Gray levels, 0 to 255, contiguous."""
    labels_N: NDArray[np.uint8]
    num_train: int
    num_validation: int
    num_test: int
    num_classes: int
    image_shape: tuple[int, int]
    """Height and width."""
    mean: float
    """Mean of the training pixels divided by 255, rounded to float16, because files of networks hold it in 2 bytes."""
    std: float
    """Standard deviation of the training pixels divided by 255, rounded likewise; 1.0 if all training pixels are equal,
    so that division by it is always possible."""
    checksum: str
    """sha256 (hex) of the pixels and then the labels."""

    @property
    def train(self) -> slice:
        """Where the training examples lie in `pixels_NP` and `labels_N`."""
        return slice(0, self.num_train)

    @property
    def validation(self) -> slice:
        """Where the validation examples lie."""
        return slice(self.num_train, self.num_train + self.num_validation)

    @property
    def test(self) -> slice:
        """Where the test examples lie."""
        return slice(self.num_train + self.num_validation, self.num_train + self.num_validation + self.num_test)


def load_images(
    data: DataSpec, randomization_seed: int, root: Path | None, background_folder: Path | None = None
) -> Images:
    """The images that the spec describes.

    The last four are kept in memory and returned again as the same object. `root` is the data folder, in torchvision's
    layout; missing files are downloaded into it. `background_folder` is read only if `data.backgrounds` is the digest
    of a folder. `data.label_randomization_fraction` has no effect here. Raises ValueError for a bad spec or a damaged
    file, and MissingDataError (a FileNotFoundError) for files that are missing and cannot be downloaded.
    """
    source = find_dataset(data.dataset)
    if data.pixel_randomization not in PIXEL_RANDOMIZATIONS:
        known = ", ".join(PIXEL_RANDOMIZATIONS)
        raise ValueError(f"pixel_randomization is {data.pixel_randomization!r}; the known ones are: {known}.")
    own_pictures = data.backgrounds != "sample"
    if own_pictures and source.variant != "background_images":
        raise ValueError(
            f"backgrounds is {data.backgrounds!r}, but {data.dataset!r} has no photographs behind its digits; choose a "
            "data set whose name ends in '_background_images', or leave out --background-images."
        )
    if own_pictures and background_folder is None:
        raise ValueError(
            f"backgrounds is {data.backgrounds!r}, but no folder was given; say where the pictures are with "
            "--background-images DIR, or set backgrounds to 'sample'."
        )
    return _load(
        data.dataset,
        data.split,
        data.pixel_randomization,
        randomization_seed if data.pixel_randomization != "none" else None,
        data.backgrounds,
        root.expanduser().resolve() if root is not None else None,
        background_folder.expanduser().resolve() if own_pictures and background_folder is not None else None,
    )


@functools.lru_cache(maxsize=_MAX_CACHED)
def _load(
    name: str,
    split: str,
    pixel_randomization: str,
    seed: int | None,
    backgrounds: str,
    root: Path | None,
    background_folder: Path | None,
) -> Images:
    source = find_dataset(name)
    if background_folder is not None and (digest := backgrounds_digest(background_folder)) != backgrounds:
        raise ValueError(
            f"backgrounds is {backgrounds!r}, but the pictures in {background_folder} are {digest!r}; give the folder "
            f"as it was with --background-images DIR, or plan new trials with {digest!r}."
        )
    base = find_reader(source.base)(root)
    sizes, order_N = split_order(name, base, split)

    def photographs() -> list[NDArray[np.uint8]]:
        return sample_photographs() if background_folder is None else folder_photographs(background_folder)

    # The variant is made before the split, from the whole base. So the place of an example in the base decides its
    # angle, noise or patch (and its split does, where each split has its own photographs).
    images_NHW = base.pixels_NP.reshape(-1, *base.image_shape)
    if source.variant in SPLIT_VARIANTS:
        split_N = np.full(len(images_NHW), -1, np.int8)
        split_N[order_N] = np.repeat(np.arange(3), sizes)
        images_NHW = SPLIT_VARIANTS[source.variant](images_NHW, split_N)
    else:
        images_NHW = VARIANTS[source.variant](images_NHW, photographs)
    pixels_NP = images_NHW.reshape(base.pixels_NP.shape)[order_N]
    pixels_NP = randomize_pixels(pixels_NP, slice(0, sizes[0]), pixel_randomization, seed or 0)
    labels_N = base.labels_N[order_N]
    for array in (pixels_NP, labels_N):
        array.flags.writeable = False
    mean, std = mean_and_std(pixels_NP[: sizes[0]])
    return Images(
        name=name,
        pixels_NP=pixels_NP,
        labels_N=labels_N,
        num_train=sizes[0],
        num_validation=sizes[1],
        num_test=sizes[2],
        num_classes=base.num_classes,
        image_shape=base.image_shape,
        mean=float(np.float16(mean / 255)),
        std=float(np.float16(std / 255)) or 1.0,
        checksum=hashlib.sha256(pixels_NP.tobytes() + labels_N.tobytes()).hexdigest(),
    )


def split_order(name: str, base: BaseImages, split: str) -> tuple[tuple[int, int, int], NDArray[np.intp]]:
    """The sizes of training, validation and test, and the places of their examples in the base, in this order."""
    generator = np.random.Generator(np.random.PCG64(SPLIT_SEED))
    if split == "study":
        return base.study_sizes, generator.permutation(len(base.labels_N))[: sum(base.study_sizes)]
    if base.usual_sizes is None:
        raise ValueError(f"split is 'usual', but {name!r} has no official test split; use split 'study'.")
    num_training = base.usual_sizes[0] + base.usual_sizes[1]
    test_N = np.arange(num_training, num_training + base.usual_sizes[2])
    return base.usual_sizes, np.concatenate([generator.permutation(num_training), test_N])


def describe_images(data: DataSpec, randomization_seed: int) -> str:
    """Everything that decides which images a trial sees, as words: `mnist study`, `mnist study shuffled seed 3`."""
    words = [data.dataset, data.split]
    if data.backgrounds != "sample":
        words.append(data.backgrounds)
    if data.pixel_randomization != "none":
        words.append(f"{data.pixel_randomization} seed {randomization_seed}")
    return " ".join(words)
