"""One tensor of a network as a value: its name, its shape, and its role.

weight   it may be pruned and penalized, and a file holds it as symbols and a codebook; it has at least two axes
plain    it is neither pruned nor penalized, and a file holds its numbers as float16: biases
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["weight", "plain"]
WEIGHT: Role = "weight"
PLAIN: Role = "plain"
Sizes = tuple[int, ...]
"""The whole numbers that determine a network's tensors; a file keeps them, and nothing else of the architecture."""
Shapes = list[tuple[int, ...]]


@dataclass(frozen=True)
class TensorSpec:
    """A tensor of one network."""

    name: str
    """For tables, e.g. `hidden_1.weight`."""
    shape: tuple[int, ...]
    role: Role


def roles_by_axes(shapes: Sequence[tuple[int, ...]]) -> list[Role]:
    """The usual roles: a tensor with two or more axes is a weight, any other tensor is plain."""
    return [WEIGHT if len(shape) > 1 else PLAIN for shape in shapes]
