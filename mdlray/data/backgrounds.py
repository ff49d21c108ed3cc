"""Photographs → random gray patches to put behind digits, and a digest that names a user's folder of photographs.

To draw a patch, a photograph is drawn uniformly and then a place in it uniformly. A patch with little texture is
rejected and drawn again, as in Larochelle et al. (2007); here, a patch has little texture if the standard deviation of
its gray levels is below `MIN_STANDARD_DEVIATION`. Patch number i does not depend on the number of patches after it.

Suffixes: N patches, H height, W width; a single photograph is HW.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MIN_STANDARD_DEVIATION = 10.0
"""In gray levels (0 to 255)."""
PICTURE_SUFFIXES = (".jpeg", ".jpg", ".png")
_MAX_ROUNDS = 200
_SEED = 2007


def backgrounds_digest(folder: Path) -> str:
    """The text `sha256:` and 16 hex digits that follow from names and bytes of the folder's pictures (png, jpg, jpeg).

    Subfolders are not read. `DataSpec.backgrounds` holds this digest, so that a trial with other pictures has another
    id. Raises ValueError if the folder has no picture.
    """
    digest = hashlib.sha256()
    for path in _picture_files(folder):
        for part in (path.name.encode(), path.read_bytes()):
            # The length comes first. Otherwise name "a.pngx" with bytes "y" and name "a.png" with bytes "xy" would
            # have the same digest.
            digest.update(len(part).to_bytes(8, "big") + part)
    return f"sha256:{digest.hexdigest()[:16]}"


def sample_photographs() -> list[NDArray[np.uint8]]:
    """The two photographs in the package scikit-learn (a temple and a flower) as gray pictures, each HW."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    return [np.array(Image.fromarray(rgb_HWC).convert("L")) for rgb_HWC in load_sample_images().images]


def folder_photographs(folder: Path) -> list[NDArray[np.uint8]]:
    """The folder's pictures (png, jpg, jpeg) as gray pictures, each HW, sorted by name.

    Raises ValueError that names the file if one cannot be read, or if there is none.
    """
    from PIL import Image

    photographs = []
    for path in _picture_files(folder):
        try:
            with Image.open(path) as image:
                photographs.append(np.array(image.convert("L")))
        except (OSError, SyntaxError) as error:
            raise ValueError(f"{path} cannot be read as a picture ({error}); repair it or take it out.") from error
    return photographs


def background_patches(
    photographs_HW: Sequence[NDArray[np.uint8]], num_patches: int, height: int, width: int
) -> NDArray[np.uint8]:
    """Patches with texture, NHW.

    Raises ValueError if a photograph is smaller than a patch, or if nearly all places are without texture.
    """
    for number, photograph_HW in enumerate(photographs_HW, start=1):
        if photograph_HW.shape[0] < height or photograph_HW.shape[1] < width:
            raise ValueError(
                f"background picture number {number} (sorted by name) has the shape {photograph_HW.shape}, it must "
                f"have at least {height} rows and {width} columns; take it out of --background-images DIR."
            )
    windows = [np.lib.stride_tricks.sliding_window_view(photograph, (height, width)) for photograph in photographs_HW]
    num_places_F2 = np.array([view.shape[:2] for view in windows])

    patches_NHW = np.empty((num_patches, height, width), np.uint8)
    missing = np.arange(num_patches)
    for draw_round in range(_MAX_ROUNDS):
        # Each round has a generator of its own. With one generator for all rounds, the numbers of the second round
        # would depend on how many patches were drawn in the first.
        generator = np.random.Generator(np.random.PCG64([_SEED, draw_round]))
        uniform_N3 = generator.random((len(missing), 3))
        photograph_N = (uniform_N3[:, 0] * len(windows)).astype(np.intp)
        top_left_N2 = (uniform_N3[:, 1:] * num_places_F2[photograph_N]).astype(np.intp)
        for index, view in enumerate(windows):
            from_this_N = photograph_N == index
            patches_NHW[missing[from_this_N]] = view[tuple(top_left_N2[from_this_N].T)]
        missing = missing[_standard_deviations(patches_NHW, missing) < MIN_STANDARD_DEVIATION]
        if len(missing) == 0:
            return patches_NHW
    raise ValueError(
        f"the background pictures are too flat: after {_MAX_ROUNDS} draws {len(missing)} of {num_patches} patches "
        f"have a standard deviation below {MIN_STANDARD_DEVIATION:g} gray levels; "
        "give --background-images DIR with more texture."
    )


def _picture_files(folder: Path) -> list[Path]:
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    pictures = [path for path in paths if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()]
    if not pictures:
        allowed = ", ".join(PICTURE_SUFFIXES)
        raise ValueError(f"there are no pictures ({allowed}) in {folder}; give --background-images DIR which has some.")
    return pictures


def _standard_deviations(patches_NHW: NDArray[np.uint8], chosen: NDArray[np.intp]) -> NDArray[np.float64]:
    # In chunks: as floats the patches of a whole data set would take half a gigabyte.
    chunks = [chosen[start : start + 4096] for start in range(0, len(chosen), 4096)]
    return np.concatenate([patches_NHW[chunk].std(axis=(1, 2)) for chunk in chunks])
