"""A family of networks: the shapes of its tensors, initial weights, and the forward pass of a whole stack.

The parameters of a stack are a list of tensors in the family's order; the leading axis of each is the member. Each
tensor has a role (`mdlray.architectures`): a weight may be pruned and has a codebook in the file; a plain tensor is not
pruned and has none.

Initial weights follow He et al. (2015, eq. 10): they are normal with variance 2 / fan-in; plain tensors are zero. Every
member draws from its own generator on the CPU, so that its initial weights do not depend on its neighbors or on the
device.

Axes: M members, B examples of a batch, P pixels, H units, C classes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import NoReturn

import torch
from torch import Tensor

from mdlray.architectures import ARCHITECTURES, PLAIN, WEIGHT, Role, Shapes, Sizes, roles_by_axes
from mdlray.models.curvature import curvature_of
from mdlray.spec import ModelSpec

Parameters = list[Tensor]
Forward = Callable[[Parameters, Tensor, "Dropout | None"], Tensor]
Curvature = Callable[[Parameters, Tensor], Parameters]


def layer_sizes(model: ModelSpec, num_pixels: int, num_classes: int) -> Sizes:
    """Layer sizes from input to output, e.g. (784, 100, 10): the default of `Family.sizes`."""
    return (num_pixels, *model.hidden_units, num_classes)


@dataclass(frozen=True)
class Family:
    """What a name in `MODELS` stands for: the functions that training, compression and decoding call."""

    name: str
    shapes: Callable[[Sizes], Shapes]
    """Sizes, e.g. (784, 100, 10), to the shapes of one member's parameters."""
    layer_names: Callable[[Sizes], list[str]]
    """One name per parameter, e.g. `hidden_1.weight`."""
    forward: Forward
    """(parameters, inputs (B, P) shared by all members or (M, B, P), dropout) to logits (M, B, C)."""
    own_curvature: Curvature | None = None
    """A function with the result of `curvature`, if the family has a faster one than the general method."""
    sizes: Callable[[ModelSpec, int, int], Sizes] = layer_sizes
    """(model, pixels of an image, classes) to the sizes that the other functions take; ValueError if impossible."""
    with_sizes: Callable[[Sizes], "Family"] | None = None
    """Sizes to the family for them, if `forward` needs more than the tensors say (e.g. a stride)."""
    fans: Callable[[Sizes], list[int]] | None = None
    """The fan-in of each parameter (inputs that a unit sums over), if its shape does not say it (shared weights)."""
    chain: bool = False
    """Whether the parameters are weight, bias, weight, bias ... of ReLU layers, each of which has the units of the
    layer before as its inputs, so that single units can be removed. A unit may be a block of inputs: the positions of
    its map."""
    own_fields: tuple[str, ...] = ()
    """The fields of `ModelSpec` that `sizes` uses in addition to `hidden_units`; other fields have no effect."""
    roles: Callable[[Shapes], Sequence[Role]] = roles_by_axes
    """The shapes of one member's parameters to the role of each, `weight` or `plain`; a weight has two or more axes."""

    def for_sizes(self, sizes: Sizes) -> "Family":
        """The family with the functions for networks of these sizes."""
        return self.with_sizes(sizes) if self.with_sizes else self

    def weight_positions(self, shapes: Shapes) -> list[int]:
        """The positions of the weights among one member's parameters; ValueError for roles that are not possible."""
        roles = list(self.roles(shapes))
        if len(roles) != len(shapes) or not set(roles) <= {WEIGHT, PLAIN}:
            raise ValueError(
                f"family {self.name!r} gives the roles {roles} for {len(shapes)} tensors; there must be one for each, "
                f"{WEIGHT!r} or {PLAIN!r}."
            )
        positions = [index for index, role in enumerate(roles) if role == WEIGHT]
        for index in positions:
            if len(shapes[index]) < 2:
                raise ValueError(
                    f"family {self.name!r} calls a tensor of shape {shapes[index]} a weight; a weight has two or more "
                    f"axes: give it the role {PLAIN!r}, or the shape (1, {shapes[index][0]})."
                )
        return positions

    def prunable(self, parameters: Parameters) -> list[int]:
        """Positions of the weight tensors of a stack."""
        return self.weight_positions([tuple(parameter.shape[1:]) for parameter in parameters])

    def weights(self, parameters: Parameters) -> Parameters:
        """The weight tensors of a stack, (M, ...) each."""
        return [parameters[index] for index in self.prunable(parameters)]

    def curvature(self, parameters: Parameters, inputs_BP: Tensor) -> Parameters:
        """Mean over the batch of the Gauss-Newton diagonal of each weight tensor of a stack, in their order."""
        if self.own_curvature:
            return self.own_curvature(parameters, inputs_BP)
        # A network holds about twice its parameters for one example, if it has fewer units than weights.
        numbers = 2 * sum(parameter[0].numel() for parameter in parameters)
        return curvature_of(self.forward, parameters, self.prunable(parameters), inputs_BP, numbers)

    def check_fields(self, model: ModelSpec) -> None:
        """ValueError for a field that has no effect in this family and is not at its default."""
        for field in fields(model):
            given, default = getattr(model, field.name), field.default
            if field.name not in ("family", "hidden_units", *self.own_fields) and given != default:
                raise ValueError(
                    f"{field.name} is {given!r} and has no effect in family {self.name!r}; leave it at {default!r}."
                )


class Dropout:
    """Sets random hidden units to zero, with each member's own rate and generator (Srivastava et al. 2014)."""

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


def initialize(
    shapes: Shapes,
    generators: Sequence[torch.Generator],
    fans: Sequence[int] | None = None,
    weights: Sequence[int] | None = None,
) -> Parameters:
    """Initial parameters of a stack, on the CPU: one generator per member.

    `fans` are the fan-ins (`Family.fans`), by default from the shapes. `weights` are the positions of the weights, by
    default those of the usual roles.
    """
    fans = fans or [math.prod(shape[1:]) for shape in shapes]
    if weights is None:
        weights = [index for index, role in enumerate(roles_by_axes(shapes)) if role == WEIGHT]
    kinds = [
        (shape, fan_in if index in weights else None)
        for index, (shape, fan_in) in enumerate(zip(shapes, fans, strict=True))
    ]
    members = [[_initial(shape, fan_in, generator) for shape, fan_in in kinds] for generator in generators]
    return [torch.stack(tensors) for tensors in zip(*members, strict=True)]


def described(name: str) -> tuple[Callable[[Sizes], Shapes], Callable[[Sizes], list[str]]]:
    """The functions from sizes to shapes, and from sizes to names, for one of our families in `ARCHITECTURES`."""
    tensors = ARCHITECTURES[name]

    def shapes(sizes: Sizes) -> Shapes:
        return [tensor.shape for tensor in tensors(sizes)]

    def layer_names(sizes: Sizes) -> list[str]:
        return [tensor.name for tensor in tensors(sizes)]

    return shapes, layer_names


def needs_sizes(*_: object) -> NoReturn:
    """The `forward` of a family that has `with_sizes` and was not given its sizes: it raises a ValueError."""
    raise ValueError("what this family's networks compute depends on their sizes: call family.for_sizes(sizes) first.")


def prunable(parameters: Parameters) -> list[int]:
    """Positions of the weight tensors of a family with the usual roles; `Family.prunable` knows all roles."""
    return [index for index, role in enumerate(roles_by_axes([p.shape[1:] for p in parameters])) if role == WEIGHT]


def _initial(shape: tuple[int, ...], fan_in: int | None, generator: torch.Generator) -> Tensor:
    """Random numbers for a weight; zeros for a plain tensor, which has no fan-in."""
    if fan_in is None:
        return torch.zeros(shape)
    return torch.randn(shape, generator=generator) * math.sqrt(2 / fan_in)
