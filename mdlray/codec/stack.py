"""A stack of torch parameters <-> the networks that files hold.

`coded_network` takes one member out of a stack; `parameters_of` and `build_decoded` turn a network of a file back into
torch. Weights are float16 codebook entries and biases are float16 values. Both are read as float32, which holds every
float16 exactly, so that nothing is lost in either direction.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mdlray.codec.container import decode
from mdlray.codec.network import CodedNetwork, CodedTensor, PlainTensor
from mdlray.models import Family, Network, Parameters, build_network, get_family


class QuantizedWeights(Protocol):
    """What a file needs of a quantized weight tensor. `mdlray.compression.Quantized` is one."""

    @property
    def symbols(self) -> NDArray[Any]:
        """0 for a weight that is zero, else 1 + the index of its codebook entry."""

    @property
    def codebook(self) -> NDArray[np.float16]:
        """The codebook entries, without zero."""


def coded_network(
    family: Family,
    sizes: tuple[int, ...],
    parameters: Parameters,
    member: int,
    layers: Sequence[QuantizedWeights],
    normalization: tuple[float, float],
) -> CodedNetwork:
    """One member of a stack: its weights as symbols with codebooks, its plain tensors as float16.

    `layers` are the member's quantized weight tensors in the family's order; `normalization` is (mean, deviation).
    """
    weights = dict(zip(family.prunable(parameters), layers, strict=True))
    tensors = tuple(
        CodedTensor(weights[index].symbols, weights[index].codebook)
        if index in weights
        else PlainTensor(parameter[member].cpu().numpy().astype(np.float16))
        for index, parameter in enumerate(parameters)
    )
    mean, std = normalization
    return CodedNetwork(family=family.name, shape=sizes, pixel_mean=mean, pixel_std=std, tensors=tensors)


def parameters_of(network: CodedNetwork) -> list[Tensor]:
    """A network's parameters as float32, without a member axis."""
    return [
        torch.from_numpy((tensor.weights if isinstance(tensor, CodedTensor) else tensor.values).astype(np.float32))
        for tensor in network.tensors
    ]


def stack_networks(networks: Sequence[CodedNetwork], device: torch.device) -> Parameters:
    """The parameters of networks of equal shapes as one stack on a device."""
    members = [parameters_of(network) for network in networks]
    return [torch.stack(tensors).to(device) for tensors in zip(*members, strict=True)]


def build_decoded(content: bytes) -> Network:
    """The bytes of a `.mdl` file as a torch module for pixels from 0 to 255; DecodeError if the bytes are damaged.

    ValueError if the network's family is not known, e.g. if a sweep's file adds it and nobody has imported that file.
    """
    network = decode(content)
    try:
        family = get_family(network.family)
    except ValueError as error:
        raise ValueError(
            f"{error} If a module or a sweep's file of yours adds it to MODELS, import that first."
        ) from error
    built = build_network(family, network.shape, parameters_of(network), network.pixel_mean, network.pixel_std)
    return built.eval()
