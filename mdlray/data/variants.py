"""Images → harder images with the same labels: variants of MNIST as in Larochelle et al. (2007), made anew.

Reference: Larochelle, Erhan, Courville, Bergstra and Bengio (2007), "An empirical evaluation of deep architectures on
problems with many factors of variation". Baktash et al. (2019) compress networks for these data sets. The published
files are not used. Instead, a fixed seed and the place of an example in the base data set decide its angle, its noise
or its patch. For example, the digit at place 17 of MNIST is turned by the same angle in every trial.

A variant therefore does not depend on the seeds of a trial. Only `background_photographs` depends on the split: each
split has its own photographs there. In `background_images` all splits share two photographs, and 16.6 % of the test
pictures of MNIST (split `study`) have a patch that a training picture has too.

Background and digit are combined by the pixelwise maximum. The background shows where the digit is dark, and strokes
keep their full brightness and soft edges, without a threshold to choose.

Suffixes: N examples, H height, W width.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from mdlray.data.backgrounds import background_patches
from mdlray.data.photographs import split_photographs
from mdlray.data.rotation import rotate

_ROTATION_SEED = 20070620
_NOISE_SEED = 20070621

Pictures = NDArray[np.uint8]


def plain(images_NHW: Pictures, photographs: Callable[[], Sequence[Pictures]]) -> Pictures:
    """The images as they are."""
    return images_NHW


def rotation(images_NHW: Pictures, photographs: Callable[[], Sequence[Pictures]]) -> Pictures:
    """Each image turned by an angle that is drawn uniformly from [0, 2π)."""
    generator = np.random.Generator(np.random.PCG64(_ROTATION_SEED))
    return rotate(images_NHW, generator.random(len(images_NHW)) * (2 * np.pi))


def background_random(images_NHW: Pictures, photographs: Callable[[], Sequence[Pictures]]) -> Pictures:
    """Independent uniform noise from 0 to 255 behind each digit."""
    generator = np.random.Generator(np.random.PCG64(_NOISE_SEED))
    return np.maximum(images_NHW, generator.integers(0, 256, images_NHW.shape, dtype=np.uint8))


def background_images(images_NHW: Pictures, photographs: Callable[[], Sequence[Pictures]]) -> Pictures:
    """A random patch behind each digit, cut from the gray photographs (each HW) that `photographs()` returns."""
    return np.maximum(images_NHW, background_patches(photographs(), *images_NHW.shape))


def background_photographs(images_NHW: Pictures, split_N: NDArray[np.int8]) -> Pictures:
    """A random patch behind each digit, cut from the photographs of the digit's split.

    `split_N` is 0 for training, 1 for validation, 2 for test. An example with -1 is in no split and becomes black.
    """
    combined_NHW = np.zeros_like(images_NHW)
    for split, photographs in enumerate(split_photographs()):
        # Patches are drawn for all N places, so that only the place and the split of an example decide its patch.
        patches_NHW = background_patches(photographs, *images_NHW.shape)
        in_split_N = split_N == split
        combined_NHW[in_split_N] = np.maximum(images_NHW[in_split_N], patches_NHW[in_split_N])
    return combined_NHW


VARIANTS: dict[str, Callable[[Pictures, Callable[[], Sequence[Pictures]]], Pictures]] = {
    "plain": plain,
    "rotation": rotation,
    "background_random": background_random,
    "background_images": background_images,
}
"""Variants in which an example looks the same in every split."""

SPLIT_VARIANTS: dict[str, Callable[[Pictures, NDArray[np.int8]], Pictures]] = {
    "background_photographs": background_photographs,
}
"""Variants in which the look of an example depends on its split. They take the images and the split of each one."""
