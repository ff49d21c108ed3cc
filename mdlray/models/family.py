"""What a family of networks is: shapes, initial weights, and a forward pass over a stack of members.

Parameters of a stack are a list of tensors in the family's order, each with the member as leading axis. Tensors with
two or more axes per member are weights: they may be pruned and get a codebook. The others are biases: kept.

Initial weights follow He et al. (2015, eq. 10): normal with variance 2 / fan-in, biases zero. Every member draws from
its own generator, on the CPU, so that its start depends neither on its neighbors nor on the device.

Axes: M members, B examples of a batch, P pixels, H units, C classes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import NoReturn

import torch
from torch import Tensor

from mdlray.spec import ModelSpec

Parameters = list[Tensor]
Shapes = list[tuple[int, ...]]
Sizes = tuple[int, ...]
"""All that decides a network's tensors, as whole numbers; it is what a file keeps of the architecture."""


def layer_sizes(model: ModelSpec, num_pixels: int, num_classes: int) -> Sizes:
    """Layer sizes from input to output, e.g. (784, 100, 10): the sizes of most families."""
    return (num_pixels, *model.hidden_units, num_classes)


@dataclass(frozen=True)
class Family:
    """The functions that make a name in `MODELS` a network."""

    name: str
    shapes: Callable[[tuple[int, ...]], Shapes]
    """Layer sizes from input to output, e.g. (784, 100, 10), to the shapes of one member's parameters."""
    layer_names: Callable[[tuple[int, ...]], list[str]]
    """One name per parameter, e.g. `hidden_1.weight`."""
    forward: Callable[[Parameters, Tensor, "Dropout | None"], Tensor]
    """(parameters, inputs (B, P) shared by all members or (M, B, P), dropout) to logits (M, B, C)."""
    curvature: Callable[[Parameters, Tensor], Parameters]
    """(parameters, inputs (B, P)) to the diagonal of the generalized Gauss-Newton matrix of each weight tensor."""
    sizes: Callable[[ModelSpec, int, int], Sizes] = layer_sizes
    """(model, pixels of a picture, classes) to the numbers that the other functions take; ValueError if impossible."""
    bind: Callable[[Sizes], "Family"] | None = None
    """The family as it is for these sizes, where `forward` and `curvature` need more than tensors tell (a stride)."""
    fans: Callable[[Sizes], list[int]] | None = None
    """Inputs that each parameter's unit sums over, where that is not what its shape says (shared weights)."""
    chain: bool = False
    """Whether its parameters are weight, bias, weight, bias ... of ReLU layers that follow each other unit by unit (a
    unit may stand for a block of the next layer's inputs, the places of its map), so that units can be left out."""
    own_fields: tuple[str, ...] = ()
    """Fields of `ModelSpec` that `sizes` looks at beside `hidden_units`; any other would have no effect."""

    def of(self, sizes: Sizes) -> "Family":
        """The family whose functions may be called for networks of these sizes."""
        return self.bind(sizes) if self.bind else self

    def check_fields(self, model: ModelSpec) -> None:
        """ValueError for a field that is not left at its default and has no effect in this family."""
        for field in fields(model):
            given, default = getattr(model, field.name), field.default
            if field.name not in ("family", "hidden_units", *self.own_fields) and given != default:
                raise ValueError(
                    f"{field.name} is {given!r} and has no effect in family {self.name!r}; leave it at {default!r}."
                )


class Dropout:
    """Silences hidden units, member by member with the member's own rate and generator (Srivastava et al. 2014)."""

    def __init__(self, rates: Sequence[float], generators: Sequence[torch.Generator]):
        self.rates = rates
        self.generators = generators

    def __call__(self, hidden_MBH: Tensor) -> Tensor:
        """Zero each unit with its member's rate and scale the others by 1 / (1 - rate)."""
        scale_MBH = torch.ones_like(hidden_MBH)
        for member, (rate, generator) in enumerate(zip(self.rates, self.generators, strict=True)):
            if rate > 0:
                kept_BH = torch.rand(hidden_MBH.shape[1:], generator=generator) >= rate
                scale_MBH[member] = kept_BH.to(hidden_MBH.device) / (1 - rate)
        return hidden_MBH * scale_MBH


def initialize(shapes: Shapes, generators: Sequence[torch.Generator], fans: Sequence[int] | None = None) -> Parameters:
    """Initial parameters of a stack, on the CPU: one generator per member; `fans` as in `Family.fans`."""
    fans = fans or [math.prod(shape[1:]) for shape in shapes]
    pairs = list(zip(shapes, fans, strict=True))
    members = [[_initial(shape, fan_in, generator) for shape, fan_in in pairs] for generator in generators]
    return [torch.stack(tensors) for tensors in zip(*members, strict=True)]


def unbound(*_: object) -> NoReturn:
    """Stands for `forward` and `curvature` in a family that has `bind`."""
    raise ValueError("what this family's networks compute depends on their sizes: call family.of(sizes) first.")


def prunable(parameters: Parameters) -> list[int]:
    """Positions of the weight tensors, those with two or more axes per member."""
    return [index for index, parameter in enumerate(parameters) if parameter.ndim >= 3]


def _initial(shape: tuple[int, ...], fan_in: int, generator: torch.Generator) -> Tensor:
    if len(shape) == 1:
        return torch.zeros(shape)
    return torch.randn(shape, generator=generator) * math.sqrt(2 / fan_in)
