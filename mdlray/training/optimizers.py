"""Optimizers over stacked parameters, with one learning rate and momentum per member.

    sgd:  v <- momentum v + g;  w <- w - rate v                                         (Polyak 1964, as in PyTorch)
    adam: m <- β1 m + (1-β1) g;  s <- β2 s + (1-β2) g²;  w <- w - rate m̂ / (sqrt(ŝ) + 1e-8)     (Kingma & Ba 2015)

where β1 is the member's momentum and β2 = 0.999. `OPTIMIZERS` maps a name to a `Step`. Its whole memory is in `moments`
and `num_steps`, so that members can be dropped from the stack, and training can continue from a checkpoint.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from mdlray.models import Parameters

ADAM_BETA2 = 0.999
ADAM_EPSILON = 1e-8


class Step(Protocol):
    """The step of an optimizer, and everything that it remembers between steps."""

    moments: list[Parameters]
    """Tensors of the parameters' shapes, the member as leading axis."""
    num_steps: int

    def __call__(self, parameters: Parameters, gradients: Parameters, rate_M: Tensor) -> None:
        """Change the parameters in place."""


class Sgd:
    """Gradient descent with heavy-ball momentum."""

    def __init__(self, parameters: Parameters, momentum_M: Tensor):
        self.momentum_M = momentum_M
        self.moments = [[torch.zeros_like(parameter) for parameter in parameters]]
        self.num_steps = 0

    def __call__(self, parameters: Parameters, gradients: Parameters, rate_M: Tensor) -> None:
        """Change the parameters in place."""
        self.num_steps += 1
        for parameter, gradient, velocity in zip(parameters, gradients, self.moments[0], strict=True):
            velocity.mul_(_per_member(self.momentum_M, velocity)).add_(gradient)
            parameter.addcmul_(velocity, _per_member(-rate_M, velocity))


class Adam:
    """Adam with bias correction."""

    def __init__(self, parameters: Parameters, momentum_M: Tensor):
        self.momentum_M = momentum_M
        self.moments = [[torch.zeros_like(parameter) for parameter in parameters] for _ in range(2)]
        self.num_steps = 0

    def __call__(self, parameters: Parameters, gradients: Parameters, rate_M: Tensor) -> None:
        """Change the parameters in place."""
        self.num_steps += 1
        first_scale_M = rate_M / (1 - self.momentum_M**self.num_steps)
        second_scale = (1 - ADAM_BETA2**self.num_steps) ** -0.5
        for parameter, gradient, first, second in zip(parameters, gradients, *self.moments, strict=True):
            first.lerp_(gradient, _per_member(1 - self.momentum_M, gradient))
            second.mul_(ADAM_BETA2).addcmul_(gradient, gradient, value=1 - ADAM_BETA2)
            denominator = second.sqrt().mul_(second_scale).add_(ADAM_EPSILON)
            parameter.addcdiv_(first * _per_member(-first_scale_M, first), denominator)


OPTIMIZERS: dict[str, Callable[[Parameters, Tensor], Step]] = {"sgd": Sgd, "adam": Adam}
"""A name to a function (parameters, momentum_M) -> the step before its first use."""


def _per_member(value_M: Tensor, like: Tensor) -> Tensor:
    return value_M.view(-1, *[1] * (like.ndim - 1))
