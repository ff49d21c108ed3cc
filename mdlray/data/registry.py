"""Names of data sets: every base in every variant, `DATASETS`, and third parties' in the group `mdlray.datasets`.

A base is a name and a reader: a callable that takes the data folder (or None) and returns `BaseImages`. A sweep's file
may add one, which gets its variants too (`my_pngs`, `my_pngs_rotation` …):

    BASES["my_pngs"] = read_my_pngs

A third party's entry point is such a name and reader, without variants. Our names cannot be taken over by one, so that
an id keeps its meaning whatever is installed.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mdlray.data.sources import BASES, Reader
from mdlray.data.variants import SPLIT_VARIANTS, VARIANTS
from mdlray.registry import load_plugin, plugins

ENTRY_POINT_GROUP = "mdlray.datasets"


@dataclass(frozen=True)
class DatasetSource:
    """What a data set's name stands for."""

    base: str
    """A name in `BASES`, or a third party's."""
    variant: str = "plain"
    """A name in `VARIANTS` or `SPLIT_VARIANTS`."""


def _in_every_variant() -> dict[str, DatasetSource]:
    return {
        base if variant == "plain" else f"{base}_{variant}": DatasetSource(base, variant)
        for base in BASES
        for variant in (*VARIANTS, *SPLIT_VARIANTS)
    }


DATASETS: dict[str, DatasetSource] = _in_every_variant()
"""The data sets of this package: mnist, mnist_rotation, mnist_background_random, mnist_background_images, mnist5k …"""


def find_dataset(name: str) -> DatasetSource:
    """What the name stands for; ValueError with the known names if it stands for nothing."""
    # Made anew, because a sweep's file may have added a base.
    ours = _in_every_variant() | DATASETS
    if name in ours:
        return ours[name]
    third_party = plugins(ENTRY_POINT_GROUP)
    if name in third_party:
        return DatasetSource(name)
    known = ", ".join([*ours, *sorted(third_party.keys() - ours.keys())])
    raise ValueError(f"there is no data set {name!r}; the known ones are: {known}.")


def find_reader(base: str) -> Reader:
    """The function which reads a base data set (`DatasetSource.base`); a third party's is imported here.

    ValueError for a base that nobody has, and for a third party's that cannot be imported or called.
    """
    if base in BASES:
        return BASES[base]
    third_party = plugins(ENTRY_POINT_GROUP)
    if base not in third_party:
        known = ", ".join([*BASES, *sorted(third_party)])
        raise ValueError(f"there is no reader of a data set {base!r}; there are readers of: {known}.")
    reader: Reader = load_plugin(third_party[base], Callable)
    return reader
