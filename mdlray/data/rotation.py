"""Images and angles → images turned about their centers, with the same bytes on every machine.

Interpolation is bilinear, in whole numbers from the rounded cosine on: coordinates have 21 bits behind the point, the
weights of the four neighboring pixels 11. The result is within one gray level of the exact value. Floating-point
numbers would be rounded differently by another processor, and then the data set would differ too.

Suffixes: N images, H height, W width, P = H · W pixels.
"""

import numpy as np
from numpy.typing import NDArray

_CHUNK = 512
_FRACTION_BITS = 11
_COORDINATE_BITS = 21

Pictures = NDArray[np.uint8]


def rotate(images_NHW: Pictures, angles_N: NDArray[np.float64]) -> Pictures:
    """Each image turned counter-clockwise about its center by its angle in radians; NHW, zero outside the image.

    Pixel (y, x) of the result, measured from the center, is the value at (y cos a + x sin a, x cos a - y sin a) of the
    image. For example, an angle of π/2 gives `np.rot90(image)` exactly. Height and width together must be below 600.
    """
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
        full_weight = 1 << _FRACTION_BITS
        upper = pixels.take(corner) * (full_weight - right) + pixels.take(corner + 1) * right
        lower = pixels.take(corner + row) * (full_weight - right) + pixels.take(corner + row + 1) * right
        total = upper * (full_weight - down) + lower * down
        rotated[start : start + _CHUNK] = (total + full_weight * full_weight // 2) >> (2 * _FRACTION_BITS)
    return rotated.reshape(images_NHW.shape)


def _whole_and_fraction(coordinate: NDArray[np.int32], size: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    clipped = np.clip(coordinate, -(1 << _COORDINATE_BITS), size << _COORDINATE_BITS)
    whole = np.minimum(clipped >> _COORDINATE_BITS, size - 1)
    dropped_bits = _COORDINATE_BITS - _FRACTION_BITS
    fraction = (clipped - (whole << _COORDINATE_BITS) + (1 << (dropped_bits - 1))) >> dropped_bits
    return whole, fraction
