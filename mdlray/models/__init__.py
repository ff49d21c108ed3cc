"""The networks: `MODELS` maps a family's name to what training, compression and decoding need of it.

A family is plain functions over stacked parameters (leading axis = member), see `mdlray.models.family`. Other packages
add families through the entry-point group `mdlray.models`.
"""

from importlib.metadata import entry_points

from mdlray.models.dense import DENSE
from mdlray.models.family import Family, Parameters, num_weights, prunable
from mdlray.models.network import Network, build_network

__all__ = ["MODELS", "Family", "Network", "Parameters", "build_network", "get_family", "num_weights", "prunable"]

MODELS: dict[str, Family] = {"dense": DENSE}


def get_family(name: str) -> Family:
    """The family of that name; ValueError lists the known ones."""
    if name in MODELS:
        return MODELS[name]
    others = {entry.name: entry for entry in entry_points(group="mdlray.models")}
    if name in others:
        family: Family = others[name].load()
        return family
    raise ValueError(f"there is no model family {name!r}; known are: {', '.join(sorted([*MODELS, *others]))}.")
