"""The networks: `MODELS` maps a family's name to what training, compression and decoding need of it.

    dense     fully connected layers                                  `mdlray.models.dense`
    lenet5    two convolutions with maxima, then fully connected ones  `mdlray.models.lenet5`
    convnet   one convolution with maxima and a linear layer           `mdlray.models.convnet`
    hashed    fully connected layers whose weights share buckets       `mdlray.models.hashed`

A family is a set of plain functions over stacked parameters (leading axis = member); see `mdlray.models.family`. Other
packages add families through the entry-point group `mdlray.models`.
"""

from mdlray.models.convnet import CONVNET
from mdlray.models.dense import DENSE
from mdlray.models.family import Family, Parameters, prunable
from mdlray.models.hashed import HASHED
from mdlray.models.lenet5 import LENET5
from mdlray.models.network import Network, build_network
from mdlray.registry import find

__all__ = ["MODELS", "Family", "Network", "Parameters", "build_network", "chains", "get_family", "prunable"]

MODELS: dict[str, Family] = {"dense": DENSE, "lenet5": LENET5, "convnet": CONVNET, "hashed": HASHED}


def get_family(name: str) -> Family:
    """The family of that name; ValueError lists the known ones."""
    return find(MODELS, "family", name, "mdlray.models", Family)


def chains() -> str:
    """The names of our families that are chains (`Family.chain`), for errors: `dense, lenet5 and convnet`."""
    *names, last = [name for name, family in MODELS.items() if family.chain]
    return f"{', '.join(names)} and {last}"
