"""One network as an ordinary torch module: what `mdlray.decode` returns and what anybody can call.

Raw pixels (0 to 255) go in, logits come out; the normalization (x / 255 - mean) / std is part of the network, because
the receiver of a compressed file needs it too.
"""

import torch
from torch import Tensor, nn

from mdlray.models.family import Family, Parameters


class Network(nn.Module):
    """A single member of a stack, frozen into a module."""

    def __init__(self, family: Family, sizes: tuple[int, ...], parameters: Parameters, mean: float, std: float):
        super().__init__()
        self.family = family.of(sizes)
        self.sizes = sizes
        self.mean = mean
        self.std = std
        self.names = family.layer_names(sizes)
        self.weights = nn.ParameterList(nn.Parameter(parameter) for parameter in parameters)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (B, C) for pixels (B, ...) from 0 to 255, of any dtype."""
        stacked = [parameter[None] for parameter in self.weights]
        return self.family.forward(stacked, normalize(pixels.flatten(1), self.mean, self.std), None)[0]

    def extra_repr(self) -> str:
        return f"{self.family.name}, sizes={self.sizes}, mean={self.mean}, std={self.std}"


def normalize(pixels: Tensor, mean: float, std: float) -> Tensor:
    """Pixels from 0 to 255 as float32 of mean 0 and deviation 1, in one multiplication and one addition."""
    return pixels.to(torch.float32, copy=True).mul_(1 / (255 * std)).add_(-mean / std)


def build_network(family: Family, sizes: tuple[int, ...], parameters: Parameters, mean: float, std: float) -> Network:
    """A module from one member's parameters; ValueError where shapes do not fit the sizes."""
    wanted, given = family.shapes(sizes), [tuple(parameter.shape) for parameter in parameters]
    if wanted != given:
        raise ValueError(f"the tensors have shapes {given}; a {family.name} network of sizes {sizes} has {wanted}.")
    return Network(family, sizes, parameters, mean, std)
