"""True labels and pixels → randomized ones, which a network can memorize but not generalize from.

Reference: Zhang, Bengio, Hardt, Recht and Vinyals (2017), "Understanding deep learning requires rethinking
generalization".

Labels: exactly round(f · n) of n examples, chosen by the seed, get a label that is drawn uniformly from all c classes.
The drawn label may be the true one, so about f · (c - 1)/c of the labels change. For example, f = 0.5 with 10 classes
changes about 45 % of the labels. The exact fraction is returned.

Pixels: `shuffled` applies one permutation of the pixels to all images; `random` applies a different permutation to each
image; `gaussian` replaces every pixel by a draw from a normal distribution that has the mean and the standard deviation
of the training pixels, rounded and clipped to 0..255. (MNIST is dark, so about a third of these draws is clipped to 0.)
All three splits are randomized in the same way.

Suffixes: N examples, P pixels.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_LABEL_STREAM = 1
_PIXEL_STREAM = 2
_CHUNK = 4096

Pixels = NDArray[np.uint8]


def randomize_labels(
    labels_N: NDArray[np.uint8], fraction: float, seed: int, num_classes: int
) -> tuple[NDArray[np.uint8], float]:
    """New labels, and the fraction of them that differs from the given labels. The given array is not changed.

    It is meant for training labels. With one seed, the examples that are chosen at a fraction of 0.2 are among those
    that are chosen at 0.5, and they get the same new labels. Raises ValueError for a fraction outside [0, 1].
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"the fraction of labels to randomize is {fraction!r}, it must be in [0, 1].")
    generator = np.random.Generator(np.random.PCG64([seed, _LABEL_STREAM]))
    # Both are drawn for all examples and in this order. Otherwise the choice at 0.2 would not be part of that at 0.5.
    order_N = generator.permutation(len(labels_N))
    drawn_N = generator.integers(num_classes, size=len(labels_N)).astype(labels_N.dtype)
    chosen = order_N[: round(fraction * len(labels_N))]
    new_N = labels_N.copy()
    new_N[chosen] = drawn_N[chosen]
    return new_N, float(np.mean(new_N != labels_N)) if len(labels_N) else 0.0


def randomize_pixels(pixels_NP: Pixels, train: slice, kind: str, seed: int) -> Pixels:
    """The pixels of all splits, randomized as `kind` says; `train` is the slice of the training examples.

    Raises ValueError for an unknown kind.
    """
    if kind not in PIXEL_RANDOMIZATIONS:
        known = ", ".join(PIXEL_RANDOMIZATIONS)
        raise ValueError(f"pixel_randomization is {kind!r}; the known ones are: {known}.")
    return PIXEL_RANDOMIZATIONS[kind](pixels_NP, train, np.random.Generator(np.random.PCG64([seed, _PIXEL_STREAM])))


def none(pixels_NP: Pixels, train: slice, generator: np.random.Generator) -> Pixels:
    """The pixels as they are."""
    return pixels_NP


def shuffled(pixels_NP: Pixels, train: slice, generator: np.random.Generator) -> Pixels:
    """One permutation of the P pixels for all images."""
    # A contiguous copy: indexing the second axis alone leaves one in column order.
    return np.ascontiguousarray(pixels_NP[:, generator.permutation(pixels_NP.shape[1])])


def random(pixels_NP: Pixels, train: slice, generator: np.random.Generator) -> Pixels:
    """A different permutation of the pixels for each image."""
    return generator.permuted(pixels_NP, axis=1)


def gaussian(pixels_NP: Pixels, train: slice, generator: np.random.Generator) -> Pixels:
    """Normal noise in place of every pixel, with the mean and the standard deviation of the training pixels."""
    mean, std = mean_and_std(pixels_NP[train])
    noise_NP = np.empty_like(pixels_NP)
    for start in range(0, len(pixels_NP), _CHUNK):
        chunk = noise_NP[start : start + _CHUNK]
        values = generator.standard_normal(chunk.shape) * std + mean
        chunk[:] = np.clip(np.rint(values), 0, 255)
    return noise_NP


PIXEL_RANDOMIZATIONS: dict[str, Callable[[Pixels, slice, np.random.Generator], Pixels]] = {
    "none": none,
    "shuffled": shuffled,
    "random": random,
    "gaussian": gaussian,
}


def mean_and_std(pixels_NP: Pixels) -> tuple[float, float]:
    """The mean and the standard deviation of all pixels, in gray levels (0 to 255), from counts of the 256 levels."""
    counts = np.zeros(256, np.int64)
    for start in range(0, len(pixels_NP), _CHUNK):
        counts += np.bincount(pixels_NP[start : start + _CHUNK].ravel(), minlength=256)
    levels = np.arange(256)
    total, weighted = int(counts.sum()), int(counts @ levels)
    # n · (sum of squares) - (sum)² in Python's whole numbers loses no digits and is the same on every machine.
    variance = (total * int(counts @ levels**2) - weighted**2) / total**2
    return weighted / total, variance**0.5
