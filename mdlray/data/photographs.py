"""Twelve photographs in the package scikit-image → gray pictures in three groups: training, validation and test.

No photograph is in two groups, so a network cannot have seen a patch of a test photograph in training. The patches are
the same on every machine: PNG files have the same colors in every decoder, gray is computed here in whole numbers, and
each picture is compared with its checksum.

The groups are not equally hard. The photographs for validation are smoother, and a network's validation error is some
five points lower than its test error. So compare networks by one of the two, and do not compare one with the other.

Suffixes: H height, W width, 3 red, green and blue.
"""

import hashlib
from importlib import resources

import numpy as np
from numpy.typing import NDArray

SPLIT_PHOTOGRAPHS: tuple[dict[str, str], ...] = (
    {
        "astronaut": "2cd08cf44b837a9f",
        "brick": "7e395499d8653129",
        "coffee": "5f7406458571c07d",
        "grass": "6ea9585c91a3dce4",
        "ihc": "81f398ad781391bf",
        "page": "055d2f820151740d",
    },
    {"chelsea": "abefc7794c5d8892", "coins": "6f62becaf20fd036", "text": "da3278e388e6c340"},
    {"camera": "4c25d57d0fcec8b2", "gravel": "19089ac41f508026", "motorcycle_left": "697b4e5518ef7a76"},
)
"""For training, validation and test: file name in `skimage/data` without `.png` → the first 16 hex digits of the sha256
of the shape and the gray pixels."""


def split_photographs() -> list[list[NDArray[np.uint8]]]:
    """The gray photographs (each HW) of training, of validation and of test.

    Raises ValueError if the installed scikit-image has another picture under one of the names.
    """
    return [[_read_gray(name, digest) for name, digest in group.items()] for group in SPLIT_PHOTOGRAPHS]


def luma(rgb_HW3: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Gray levels (0.299 red + 0.587 green + 0.114 blue, as in ITU-R 601), rounded; computed in whole numbers."""
    red_HW, green_HW, blue_HW = (rgb_HW3[:, :, channel].astype(np.uint32) for channel in range(3))
    gray_HW: NDArray[np.uint8] = ((299 * red_HW + 587 * green_HW + 114 * blue_HW + 500) // 1000).astype(np.uint8)
    return gray_HW


def _read_gray(name: str, digest: str) -> NDArray[np.uint8]:
    from PIL import Image

    # scikit-image's own functions may write to a cache in the home folder, so the file is read directly.
    with resources.as_file(resources.files("skimage") / "data" / f"{name}.png") as path, Image.open(path) as image:
        gray_HW = np.array(image) if image.mode == "L" else luma(np.array(image.convert("RGB")))
    pixels_digest = hashlib.sha256(str(gray_HW.shape).encode() + gray_HW.tobytes()).hexdigest()[:16]
    if pixels_digest != digest:
        raise ValueError(
            f"{path} has the checksum {pixels_digest}, the variant background_photographs needs {digest}; install a "
            "scikit-image that carries the picture unchanged, e.g. 0.26.0."
        )
    return gray_HW
