"""The saliency of each weight: `SALIENCIES` maps a method's name to it; weights of lowest saliency are removed first.

    none, magnitude: |w|                       (magnitude pruning; Zhu and Gupta 2017, Han et al. 2015)
    obd:             ½ · ∂²L/∂w² · w²          (Optimal Brain Damage; LeCun, Denker and Solla 1989, eq. 12)

L is the mean loss in nats. Its second derivative is the Gauss-Newton diagonal of `mdlray.models` (exact for ReLU
networks) over the first `saliency_examples` training examples. Optimal Brain Damage assumes a local minimum and no
interaction between weights. The method `none` never prunes, so its ranking has no effect.

Axes: M members, and whatever axes a weight tensor has.
"""

from collections.abc import Callable

import torch

from mdlray.models import Family, Parameters
from mdlray.registry import find
from mdlray.training import Examples

Saliency = Callable[[Family, Parameters, Examples, int], Parameters]
"""(family, parameters, training examples, number of examples to use) -> for each weight tensor, one of its shape."""

CHUNK = 256
"""Examples per product of the curvature; bounds memory at M · CHUNK · classes · units."""


def magnitude(family: Family, parameters: Parameters, examples: Examples, num_examples: int) -> Parameters:
    """|w| of every weight."""
    return [weight.abs() for weight in family.weights(parameters)]


def optimal_brain_damage(family: Family, parameters: Parameters, examples: Examples, num_examples: int) -> Parameters:
    """½ h w² in nats per example: the loss expected from deleting each weight alone."""
    diagonals = gauss_newton_diagonal(family, parameters, examples, num_examples)
    return [h.mul_(w.square()).mul_(0.5) for h, w in zip(diagonals, family.weights(parameters), strict=True)]


def gauss_newton_diagonal(family: Family, parameters: Parameters, examples: Examples, num_examples: int) -> Parameters:
    """h = ∂²L/∂w² of every weight over the first examples (all of them if there are fewer)."""
    num_examples = min(num_examples, examples.pixels_NP.shape[0])
    h = [torch.zeros_like(weight) for weight in family.weights(parameters)]
    for start in range(0, num_examples, CHUNK):
        chosen = slice(start, min(start + CHUNK, num_examples))
        for total, mean in zip(h, family.curvature(parameters, examples.inputs(chosen)), strict=True):
            total.add_(mean, alpha=(chosen.stop - chosen.start) / num_examples)
    return h


SALIENCIES: dict[str, Saliency] = {"none": magnitude, "magnitude": magnitude, "obd": optimal_brain_damage}


def check_saliency(method: str, saliency: Parameters, masks: Parameters) -> None:
    """ValueError unless each weight tensor has a saliency of its shape. Values are not read: a GPU would wait."""
    given, wanted = ([tuple(tensor.shape) for tensor in tensors] for tensors in (saliency, masks))
    if given != wanted:
        raise ValueError(f"method {method!r} gave saliencies of shapes {given}, they must have {wanted}.")


def get_saliency(method: str) -> Saliency:
    """The ranking of that method; ValueError lists the known ones."""
    return find(SALIENCIES, "method", method, "mdlray.compressors", Callable)
