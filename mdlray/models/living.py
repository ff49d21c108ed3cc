"""The part of a pruned network that does anything: layers without the units that are cut off.

A unit is silent if it has no input (no weight but zeros from units that are not silent, and a bias of at most zero, so
that its ReLU never opens), and idle if no weight leads from it to a unit that is not idle. Leaving both out changes
neither logits nor gradients, except that weights from an idle unit get none: a weight of exactly zero is taken as
removed, as everywhere here. In a heavily pruned network nearly all units go.

Members of a stack keep equal shapes: each layer has as many places as its liveliest member needs, and the other members
fill them up with units that are silent or idle.

Axes: M members, O units (or filters) out, I units in, K places.
"""

import torch
from torch import Tensor

from mdlray.models.family import Parameters


def leave_out_dead(parameters: Parameters, *, all_but: int = 0) -> Parameters:
    """Smaller weights and biases of a chain of ReLU layers, (M, O, I, ...) and (M, O) in turn.

    Where a layer has F inputs for each unit before it (pictures that are flattened), these must lie side by side.
    The last `all_but` hidden layers keep all units.
    """
    weights, biases = parameters[::2], parameters[1::2]
    with torch.no_grad():
        links = [_links(weights[0], weights[0].shape[2])]
        links += [_links(weight, before.shape[1]) for before, weight in zip(weights, weights[1:], strict=False)]
        places = [_places(alive_MO) for alive_MO in _alive(links, biases)[: len(weights) - 1 - all_but]]
    places += [torch.arange(bias.shape[1]).expand(bias.shape) for bias in biases[len(places) :]]
    member_M11 = torch.arange(weights[0].shape[0])[:, None, None]
    smaller: Parameters = []
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        out_MK = places[layer]
        if out_MK.shape[1] < bias.shape[1]:
            weight, bias = weight[member_M11[..., 0], out_MK], bias.gather(1, out_MK)
        if layer and places[layer - 1].shape[1] < biases[layer - 1].shape[1]:
            grouped = weight.reshape(*weight.shape[:2], biases[layer - 1].shape[1], -1, *weight.shape[3:])
            in_MK = places[layer - 1]
            kept = grouped[member_M11, torch.arange(weight.shape[1])[:, None], in_MK[:, None, :]]
            weight = kept.flatten(2, 3)
        smaller += [weight, bias]
    return smaller


def _links(weight: Tensor, num_before: int) -> Tensor:
    """(M, O, I), 1 where some weight leads from unit I to unit O."""
    # A sum of magnitudes is zero exactly if all are, and three times as fast to find as `any`.
    return (weight.abs().reshape(*weight.shape[:2], num_before, -1).sum(-1) > 0).float()


def _alive(links: list[Tensor], biases: list[Tensor]) -> list[Tensor]:
    """Per hidden layer (M, O), whether each unit is neither silent nor idle."""
    loud_MO, loud = torch.ones_like(links[0][:, 0]), list[Tensor]()
    for links_MOI, bias_MO in zip(links[:-1], biases, strict=False):
        loud_MO = ((links_MOI @ loud_MO[..., None])[..., 0] > 0).logical_or(bias_MO > 0).float()
        loud.append(loud_MO)
    used_MO, used = torch.ones_like(links[-1][:, :, 0]), list[Tensor]()
    for links_MOI in reversed(links[1:]):
        used_MO = ((used_MO[:, None] @ links_MOI)[:, 0] > 0).float()
        used.insert(0, used_MO)
    return [(a * b) > 0 for a, b in zip(loud, used, strict=True)]


def _places(alive_MO: Tensor) -> Tensor:
    """Which units are kept, (M, K) in rising order: the living, and as many others as members of one shape need."""
    num_places = max(1, int(alive_MO.sum(1).max()))
    return alive_MO.byte().argsort(dim=1, descending=True, stable=True)[:, :num_places].sort(1).values
