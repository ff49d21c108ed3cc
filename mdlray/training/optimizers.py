"""Optimizers over stacked parameters, with one learning rate and momentum per member.

    sgd:  v <- momentum v + g;  w <- w - rate v                                         (Polyak 1964, as in PyTorch)
    adam: m <- β1 m + (1-β1) g;  s <- β2 s + (1-β2) g²;  w <- w - rate m̂ / (sqrt(ŝ) + 1e-8)     (Kingma & Ba 2015)

with β1 the member's momentum and β2 = 0.999. `OPTIMIZERS` maps a name to a function that makes the step.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from mdlray.models import Parameters

Step = Callable[[Parameters, Parameters, Tensor], None]
"""(parameters, gradients, rate_M): changes the parameters in place."""

ADAM_BETA2 = 0.999
ADAM_EPSILON = 1e-8


def sgd(parameters: Parameters, momentum_M: Tensor) -> Step:
    """Gradient descent with heavy-ball momentum."""
    velocities = [torch.zeros_like(parameter) for parameter in parameters]

    def step(parameters: Parameters, gradients: Parameters, rate_M: Tensor) -> None:
        for parameter, gradient, velocity in zip(parameters, gradients, velocities, strict=True):
            velocity.mul_(_per_member(momentum_M, velocity)).add_(gradient)
            parameter.addcmul_(velocity, _per_member(-rate_M, velocity))

    return step


def adam(parameters: Parameters, momentum_M: Tensor) -> Step:
    """Adam with bias correction."""
    firsts = [torch.zeros_like(parameter) for parameter in parameters]
    seconds = [torch.zeros_like(parameter) for parameter in parameters]
    num_steps = 0

    def step(parameters: Parameters, gradients: Parameters, rate_M: Tensor) -> None:
        nonlocal num_steps
        num_steps += 1
        first_scale_M = rate_M / (1 - momentum_M**num_steps)
        second_scale = (1 - ADAM_BETA2**num_steps) ** -0.5
        for parameter, gradient, first, second in zip(parameters, gradients, firsts, seconds, strict=True):
            first.lerp_(gradient, _per_member(1 - momentum_M, gradient))
            second.mul_(ADAM_BETA2).addcmul_(gradient, gradient, value=1 - ADAM_BETA2)
            denominator = second.sqrt().mul_(second_scale).add_(ADAM_EPSILON)
            parameter.addcdiv_(first * _per_member(-first_scale_M, first), denominator)

    return step


OPTIMIZERS: dict[str, Callable[[Parameters, Tensor], Step]] = {"sgd": sgd, "adam": adam}


def _per_member(value_M: Tensor, like: Tensor) -> Tensor:
    return value_M.view(-1, *[1] * (like.ndim - 1))
