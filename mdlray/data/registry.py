"""Names of data sets: `DATASETS`, and third parties' in the entry-point group `mdlray.datasets`.

A third party's entry point is a name and a reader: a callable that takes the data folder (or None) and returns
`BaseImages`. Names in `DATASETS` cannot be taken over by one, so that an id keeps its meaning whatever is installed.
"""

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from mdlray.data.sources import BASES, Reader
from mdlray.data.variants import VARIANTS

ENTRY_POINT_GROUP = "mdlray.datasets"


@dataclass(frozen=True)
class DatasetSource:
    """What a data set's name stands for."""

    base: str
    """A name in `BASES`, or a third party's."""
    variant: str = "plain"
    """A name in `VARIANTS`."""


DATASETS: dict[str, DatasetSource] = {
    base if variant == "plain" else f"{base}_{variant}": DatasetSource(base, variant)
    for base in BASES
    for variant in VARIANTS
}
"""Every base in every variant: mnist, mnist_rotation, mnist_background_random, mnist_background_images, mnist5k, ..."""


def find_dataset(name: str) -> DatasetSource:
    """What the name stands for; ValueError with the known names if it stands for nothing."""
    if name in DATASETS:
        return DATASETS[name]
    third_party = _third_party()
    if name in third_party:
        return DatasetSource(name)
    known = ", ".join([*DATASETS, *sorted(third_party.keys() - DATASETS.keys())])
    raise ValueError(f"there is no data set {name!r}; the known ones are: {known}.")


def find_reader(base: str) -> Reader:
    """The function which reads a base data set (`DatasetSource.base`); a third party's is imported here."""
    if base in BASES:
        return BASES[base]
    reader: Reader = _third_party()[base].load()
    return reader


def _third_party() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
