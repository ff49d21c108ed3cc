"""One tensor of a network as a value: its name, its shape, and its role.

weight   may be pruned and penalized; a file holds it as symbols and a codebook; it has at least two axes
plain    is neither, and a file holds its numbers as float16: biases
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["weight", "plain"]
WEIGHT: Role = "weight"
PLAIN: Role = "plain"
Sizes = tuple[int, ...]
"""All that decides a network's tensors, as whole numbers; it is what a file keeps of the architecture."""
Shapes = list[tuple[int, ...]]


@dataclass(frozen=True)
class TensorSpec:
    """A tensor of one network."""

    name: str
    """For tables, e.g. `hidden_1.weight`."""
    shape: tuple[int, ...]
    role: Role


def roles_by_axes(shapes: Sequence[tuple[int, ...]]) -> list[Role]:
    """The usual roles: what has two or more axes is a weight, everything else is plain."""
    return [WEIGHT if len(shape) > 1 else PLAIN for shape in shapes]
