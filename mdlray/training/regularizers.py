"""Penalties on weights (never on biases): `REGULARIZERS` maps a name to the penalty's gradient per unit of strength.

    l1: strength · sum |w|        gradient sign(w), zero at zero
    l2: strength / 2 · sum w²     gradient w            (coupled: the gradient passes through the optimizer)

Each member has its own strength. A member without the penalty has strength zero in the same product, so that rounding
does not depend on its neighbors.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

REGULARIZERS: dict[str, Callable[[Tensor], Tensor] | None] = {"none": None, "l1": torch.sign, "l2": lambda w: w}


def member_strengths(names: Sequence[str], strengths: Sequence[float], device: torch.device) -> dict[str, Tensor]:
    """The name of a penalty -> its strength for every member (M,), for the penalties that at least one member has."""
    return {
        penalty: torch.tensor([s if n == penalty else 0.0 for n, s in zip(names, strengths, strict=True)]).to(device)
        for penalty in REGULARIZERS
        if penalty != "none" and penalty in names
    }


def add_penalty_gradient(gradient: Tensor, weight: Tensor, strengths: dict[str, Tensor]) -> None:
    """Add each penalty's gradient to `gradient` (M, ...) in place."""
    for name, strength_M in strengths.items():
        derivative = REGULARIZERS[name]
        assert derivative is not None
        gradient.addcmul_(derivative(weight), strength_M.view(-1, *[1] * (weight.ndim - 1)))
