"""Hidden units that pruning has cut off: skipped in a training step, and removed before a network becomes a file.

A weight of exactly zero is a removed weight. A unit of a chain of ReLU layers (`Family.chain`) is dead if it is

    deaf      no weight leads to it from the input or from a unit that is not deaf: it is the constant max(b, 0)
    unheard   no weight leads from it to an output or to a unit that is heard: what it computes changes no logit

In a heavily pruned network nearly all units are dead.

`leave_out_dead` makes the tensors of a training step smaller. It leaves out unheard units, and deaf units whose bias is
at most zero, because their ReLU never opens. Logits are unchanged; the removed units get no gradient. Members of a
stack must keep equal shapes, so a layer has as many places as the member with the most living units needs. The other
members fill their remaining places with dead units.

`remove_dead_units` keeps all shapes, because in a file a zero costs next to nothing. It adds the constant of a deaf
unit to the next layer's biases,

    b' += max(b, 0) · (sum of the unit's outgoing weights)

and then sets the outgoing weights and b to zero. It sets the incoming weights and the bias of an unheard unit to zero.
It repeats both until nothing changes. This is exact for dense layers. It is exact for convolutions without padding,
too, because a constant map stays constant through convolution and maximum (with padding, the border would see zeros).

A layer is a weight tensor (O units out, I units in, ...) and O biases. A unit of the layer before may stand for a block
of adjacent columns: the 25 weights of a 5 x 5 kernel, or the 16 positions of a 4 x 4 map that was flattened.

Axes: M members, O units (or filters) out, I units in, K places.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mdlray.models.family import Parameters

Arrays = list[NDArray[Any]]


def leave_out_dead(parameters: Parameters, *, all_but: int = 0) -> Parameters:
    """The weights and biases of a chain of ReLU layers, (M, O, I, ...) and (M, O) in turn, without most dead units.

    The last `all_but` hidden layers keep all units.
    """
    weights, biases = parameters[::2], parameters[1::2]
    with torch.no_grad():
        links = [_links(weights[0], weights[0].shape[2])]
        links += [_links(weight, before.shape[1]) for before, weight in zip(weights, weights[1:], strict=False)]
        places = [_places(living_MO) for living_MO in _living(links, biases)[: len(weights) - 1 - all_but]]
    places += [torch.arange(bias.shape[1]).expand(bias.shape) for bias in biases[len(places) :]]
    member_M11 = torch.arange(weights[0].shape[0])[:, None, None]
    smaller: Parameters = []
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        out_MK = places[layer]
        if out_MK.shape[1] < bias.shape[1]:
            weight, bias = weight[member_M11[..., 0], out_MK], bias.gather(1, out_MK)
        if layer and places[layer - 1].shape[1] < biases[layer - 1].shape[1]:
            by_unit = weight.reshape(*weight.shape[:2], biases[layer - 1].shape[1], -1, *weight.shape[3:])
            in_MK = places[layer - 1]
            fewer = by_unit[member_M11, torch.arange(weight.shape[1])[:, None], in_MK[:, None, :]]
            weight = fewer.flatten(2, 3)
        smaller += [weight, bias]
    return smaller


def remove_dead_units(
    weights: Sequence[NDArray[np.float32]], biases: Sequence[NDArray[np.float32]]
) -> tuple[Arrays, Arrays]:
    """Weights and biases of one member that compute the same function without dead hidden units, as new arrays."""
    new_weights: Arrays = [np.array(weight, np.float64, order="C") for weight in weights]
    new_biases: Arrays = [bias.astype(np.float64) for bias in biases]
    changed = True
    while changed:
        changed = False
        for layer in range(len(weights) - 1):
            incoming, bias = new_weights[layer], new_biases[layer]
            outgoing = columns_by_unit(new_weights[layer + 1], incoming.shape[0])
            hears = incoming.reshape(incoming.shape[0], -1).any(axis=1)
            is_heard = outgoing.any(axis=(0, 2))
            # A unit counts as a change only if there is still something to remove, so that the loop ends.
            deaf, unheard = ~hears & (is_heard | (bias != 0)), ~is_heard & (hears | (bias != 0))
            new_biases[layer + 1] += outgoing[:, deaf].sum(axis=2) @ np.maximum(bias[deaf], 0)
            outgoing[:, deaf] = 0
            incoming[unheard] = 0
            bias[deaf | unheard] = 0
            changed = changed or bool(deaf.any() or unheard.any())
    return [w.astype(np.float32) for w in new_weights], [b.astype(np.float32) for b in new_biases]


def columns_by_unit(weight: NDArray[Any], num_units: int) -> NDArray[Any]:
    """The tensor (O, ...) as a view (O, units of the layer before, columns of each)."""
    return weight.reshape(weight.shape[0], num_units, -1)


def _links(weight: Tensor, num_before: int) -> Tensor:
    """(M, O, I), 1 where a non-zero weight leads from unit I to unit O."""
    # A sum of magnitudes is zero exactly if all are zero, and it is three times as fast as `any`.
    return (weight.abs().reshape(*weight.shape[:2], num_before, -1).sum(-1) > 0).float()


def _living(links: list[Tensor], biases: list[Tensor]) -> list[Tensor]:
    """Per hidden layer (M, O), whether each unit is heard, and is either not deaf or a constant above zero."""
    loud_MO, loud = torch.ones_like(links[0][:, 0]), list[Tensor]()
    for links_MOI, bias_MO in zip(links[:-1], biases, strict=False):
        loud_MO = ((links_MOI @ loud_MO[..., None])[..., 0] > 0).logical_or(bias_MO > 0).float()
        loud.append(loud_MO)
    heard_MO, heard = torch.ones_like(links[-1][:, :, 0]), list[Tensor]()
    for links_MOI in reversed(links[1:]):
        heard_MO = ((heard_MO[:, None] @ links_MOI)[:, 0] > 0).float()
        heard.insert(0, heard_MO)
    return [(a * b) > 0 for a, b in zip(loud, heard, strict=True)]


def _places(living_MO: Tensor) -> Tensor:
    """The units that are kept, (M, K) in rising order: all living ones, filled up with others to equal numbers."""
    num_places = max(1, int(living_MO.sum(1).max()))
    return living_MO.byte().argsort(dim=1, descending=True, stable=True)[:, :num_places].sort(1).values
