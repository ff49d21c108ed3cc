"""Images → harder images of the same labels: the variants of MNIST of Larochelle et al. (2007), made anew.

Larochelle, Erhan, Courville, Bergstra and Bengio (2007), "An empirical evaluation of deep architectures on problems
with many factors of variation"; Baktash et al. (2019) compress networks for them. Their files are not used: here every
example of a base data set gets its angle, noise or patch from a fixed seed and its place in the base, so a variant does
not depend on any seed of a trial. Only `background_photographs` depends on the split: there the three splits have
photographs of their own. In `background_images` they share two, and a sixth of the test pictures of MNIST have a patch
that a training picture has.

Background and digit are combined by the pixelwise maximum: the background shows where the digit is dark, and the
strokes keep their full brightness, soft edges included, without a threshold to choose.

Suffixes: N examples, H height, W width, P = H · W pixels.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from mdlray.data.backgrounds import background_patches
from mdlray.data.photographs import split_photographs

_ROTATION_SEED = 20070620
_NOISE_SEED = 20070621
_CHUNK = 512
_FRACTION_BITS = 11
_COORDINATE_BITS = 21

Pictures = NDArray[np.uint8]


def rotate(images_NHW: Pictures, angles_N: NDArray[np.float64]) -> Pictures:
    """Each image turned counter-clockwise by its angle (radians) about its center; bilinear, zero outside, NHW.

    Pixel (y, x) of the result, measured from the center, is taken at (y cos a + x sin a, x cos a - y sin a).
    """
    # Whole numbers all the way from the rounded cosine on: floats would round differently on another processor, and
    # with them the data. Within one gray level of the exact result.
    _, height, width = images_NHW.shape
    assert height + width < 600, "coordinates would not fit into 32 bits"
    unit = 1 << _COORDINATE_BITS
    y_P, x_P = (2 * axis.ravel() for axis in np.indices((height, width), dtype=np.int32))
    y_P, x_P = y_P - (height - 1), x_P - (width - 1)
    rotated = np.empty((len(images_NHW), height * width), np.uint8)
    for start in range(0, len(images_NHW), _CHUNK):
        images, angles = images_NHW[start : start + _CHUNK], angles_N[start : start + _CHUNK, None]
        cos, sin = (np.rint(f(angles) * (unit // 2)).astype(np.int32) for f in (np.cos, np.sin))
        y_NP = cos * y_P + sin * x_P + np.int32((height - 1) * (unit // 2))
        x_NP = cos * x_P - sin * y_P + np.int32((width - 1) * (unit // 2))
        # One ring of zeros around each image: clipped coordinates fall onto it, and no neighbor is out of bounds.
        padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
        row = width + 2
        top, down = _whole_and_fraction(y_NP, height)
        left, right = _whole_and_fraction(x_NP, width)
        corner = (top + 1) * row + left + 1
        corner += np.arange(len(images), dtype=np.int32)[:, None] * np.int32((height + 2) * row)
        pixels = padded.ravel().astype(np.int32)
        one = 1 << _FRACTION_BITS
        upper = pixels.take(corner) * (one - right) + pixels.take(corner + 1) * right
        lower = pixels.take(corner + row) * (one - right) + pixels.take(corner + row + 1) * right
        total = upper * (one - down) + lower * down
        rotated[start : start + _CHUNK] = (total + one * one // 2) >> (2 * _FRACTION_BITS)
    return rotated.reshape(images_NHW.shape)


def _whole_and_fraction(coordinate: NDArray[np.int32], size: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    clipped = np.clip(coordinate, -(1 << _COORDINATE_BITS), size << _COORDINATE_BITS)
    whole = np.minimum(clipped >> _COORDINATE_BITS, size - 1)
    dropped_bits = _COORDINATE_BITS - _FRACTION_BITS
    fraction = (clipped - (whole << _COORDINATE_BITS) + (1 << (dropped_bits - 1))) >> dropped_bits
    return whole, fraction


def plain(images_NHW: Pictures, photographs: Callable[[], Sequence[Pictures]]) -> Pictures:
    """The images as they are."""
    return images_NHW


def rotation(images_NHW: Pictures, photographs: Callable[[], Sequence[Pictures]]) -> Pictures:
    """Each image turned by an angle that is uniform in [0, 2π)."""
    generator = np.random.Generator(np.random.PCG64(_ROTATION_SEED))
    return rotate(images_NHW, generator.random(len(images_NHW)) * (2 * np.pi))


def background_random(images_NHW: Pictures, photographs: Callable[[], Sequence[Pictures]]) -> Pictures:
    """Independent uniform noise from 0 to 255 behind each digit."""
    generator = np.random.Generator(np.random.PCG64(_NOISE_SEED))
    return np.maximum(images_NHW, generator.integers(0, 256, images_NHW.shape, dtype=np.uint8))


def background_images(images_NHW: Pictures, photographs: Callable[[], Sequence[Pictures]]) -> Pictures:
    """A random patch of the photographs (gray, each HW, called for only here) behind each digit."""
    return np.maximum(images_NHW, background_patches(photographs(), *images_NHW.shape))


def background_photographs(images_NHW: Pictures, split_N: NDArray[np.int8]) -> Pictures:
    """A random patch behind each digit, of a photograph of its own split (`split_N`: 0 train, 1 validation, 2 test).

    Images of no split (-1) come out black.
    """
    combined_NHW = np.zeros_like(images_NHW)
    for split, photographs in enumerate(split_photographs()):
        # Patches for all N, so that an example's patch depends on its place and its split, not on its neighbors.
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
"""Variants that treat an example alike in every split."""

SPLIT_VARIANTS: dict[str, Callable[[Pictures, NDArray[np.int8]], Pictures]] = {
    "background_photographs": background_photographs,
}
"""Variants that treat an example as its split demands: images and split of each (0 train, 1 validation, 2 test)."""
