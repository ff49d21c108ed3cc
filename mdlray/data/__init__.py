"""Data sets as arrays of bytes: files → base images → variant → split → randomized pixels, with true labels.

`load_images(spec.data, seed, root)` returns an `Images`, which holds the training, validation and test examples in this
order. Its labels are always the true ones. A caller who wants random labels applies `randomize_labels` to
`images.labels_N[images.train]`.
"""

from mdlray.data.backgrounds import backgrounds_digest
from mdlray.data.download import MissingDataError
from mdlray.data.images import Images, describe_images, load_images
from mdlray.data.randomization import PIXEL_RANDOMIZATIONS, randomize_labels
from mdlray.data.registry import DATASETS, DatasetSource, find_dataset, find_reader
from mdlray.data.sources import BaseImages

__all__ = [
    "DATASETS",
    "PIXEL_RANDOMIZATIONS",
    "BaseImages",
    "DatasetSource",
    "Images",
    "MissingDataError",
    "backgrounds_digest",
    "describe_images",
    "find_dataset",
    "find_reader",
    "load_images",
    "randomize_labels",
]
