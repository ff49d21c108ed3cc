"""One network as an ordinary torch module: `mdlray.decode` returns it, and anybody can call it.

Raw pixels (0 to 255) go in, logits come out. The normalization (x / 255 - mean) / std is part of the network, because
the receiver of a compressed file needs it, too.
"""

import warnings

import torch
from torch import Tensor, nn

from mdlray.models.family import Family, Parameters


class Network(nn.Module):
    """One member of a stack as a module."""

    def __init__(self, family: Family, sizes: tuple[int, ...], parameters: Parameters, mean: float, std: float):
        super().__init__()
        self.family = family.for_sizes(sizes)
        self.sizes = sizes
        self.mean = mean
        self.std = std
        self.names = family.layer_names(sizes)
        self.weights = nn.ParameterList(nn.Parameter(parameter) for parameter in parameters)
        self._scale_seen = False

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (B, C) for pixels (B, ...) from 0 to 255, of any dtype; warns once about pixels from 0 to 1."""
        if not self._scale_seen:
            self._scale_seen = _tells_scale(pixels)
        stacked = [parameter[None] for parameter in self.weights]
        return self.family.forward(stacked, normalize(pixels.flatten(1), self.mean, self.std), None)[0]

    def extra_repr(self) -> str:
        return f"{self.family.name}, sizes={self.sizes}, mean={self.mean}, std={self.std}"


def normalize(pixels: Tensor, mean: float, std: float) -> Tensor:
    """(x / 255 - mean) / std of pixels x from 0 to 255 as float32, in one multiplication and one addition."""
    return pixels.to(torch.float32, copy=True).mul_(1 / (255 * std)).add_(-mean / std)


def build_network(family: Family, sizes: tuple[int, ...], parameters: Parameters, mean: float, std: float) -> Network:
    """A module with the parameters of one member; ValueError if their shapes do not fit the sizes."""
    wanted, given = family.shapes(sizes), [tuple(parameter.shape) for parameter in parameters]
    if wanted != given:
        raise ValueError(f"the tensors have shapes {given}; a {family.name} network of sizes {sizes} has {wanted}.")
    return Network(family, sizes, parameters, mean, std)


def _tells_scale(pixels: Tensor) -> bool:
    """Whether a batch shows the scale of its pixels; warns if they lie between 0 and 1, as `ToTensor` makes them."""
    if torch.compiler.is_compiling() or not pixels.numel():
        return False
    if not pixels.is_floating_point():
        return True
    try:
        least, most = float(pixels.min()), float(pixels.max())
    except RuntimeError:
        # Inside a transform such as `torch.func.vmap` the values cannot be read.
        return False
    if least == most == 0:
        return False
    if least >= 0 and most <= 1:
        warnings.warn(
            "all pixels of this batch lie between 0 and 1, and a decoded network takes gray levels from 0 to 255; "
            "multiply the pixels by 255 if they were scaled (torchvision's ToTensor does that).",
            stacklevel=2,
        )
    return True
