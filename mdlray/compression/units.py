"""What the function of a network does not depend on: hidden units that are dead, and the order of all of them.

    no incoming weights:  the unit is the constant max(b, 0); it moves into the next layer's biases,
                          b' += max(b, 0) · (sum of the unit's outgoing weights), which then are zero, and so is b
    no outgoing weights:  nobody hears the unit; its incoming weights and its bias are zero

until nothing changes. Tensors keep their shapes: zeros cost next to nothing, and a file needs no other sizes. Both are
exact for chains of layers with max(·, 0) in between: dense ones, and convolutions without padding, where a constant map
stays a constant map through convolution and maximum (a padded border would see zeros in place of the constant).

A layer is a weight tensor (O units out, I units in, …) and O biases. A unit of the layer before may stand for a block
of columns: the 25 weights of a 5 x 5 kernel, or the 16 places of a map of 4 x 4 that was flattened, unit by unit.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mdlray.models import Family, chains
from mdlray.registry import find

Arrays: TypeAlias = list[NDArray[Any]]
Orders: TypeAlias = list[NDArray[np.int64]]


def check_chain(family: Family) -> None:
    """ValueError for a family of which is not known that its layers follow each other."""
    if not family.chain:
        raise ValueError(
            f"family is {family.name!r}; dead units can be removed and units ordered in {chains()} only. "
            "Set remove_dead_units to False and unit_order to 'trained'."
        )


def remove_dead_units(
    weights: Sequence[NDArray[np.float32]], biases: Sequence[NDArray[np.float32]]
) -> tuple[Arrays, Arrays]:
    """Weights and biases of the same function without dead hidden units; new arrays, one member."""
    new_weights: Arrays = [np.array(weight, np.float64, order="C") for weight in weights]
    new_biases: Arrays = [bias.astype(np.float64) for bias in biases]
    changed = True
    while changed:
        changed = False
        for layer in range(len(weights) - 1):
            here, after = new_weights[layer], new_weights[layer + 1]
            columns = _by_unit(after, here.shape[0])
            hears, heard = here.reshape(here.shape[0], -1).any(axis=1), columns.any(axis=(0, 2))
            silent = ~hears & (heard | (new_biases[layer] != 0))
            new_biases[layer + 1] += columns[:, silent].sum(axis=2) @ np.maximum(new_biases[layer][silent], 0)
            columns[:, silent] = 0
            unheard = ~heard & (hears | (new_biases[layer] != 0))
            here[unheard] = 0
            new_biases[layer][silent | unheard] = 0
            changed = changed or bool(silent.any() or unheard.any())
    return [w.astype(np.float32) for w in new_weights], [b.astype(np.float32) for b in new_biases]


def trained_order(weights: Sequence[NDArray[Any]]) -> Orders:
    """Hidden units as they are."""
    return [np.arange(weight.shape[0]) for weight in weights[:-1]]


def sorted_order(weights: Sequence[NDArray[Any]]) -> Orders:
    """By falling number of non-zero incoming weights, then of outgoing ones, then as they are."""
    orders = []
    for here, after in zip(weights, weights[1:], strict=False):
        incoming = np.count_nonzero(here.reshape(here.shape[0], -1), axis=1)
        outgoing = np.count_nonzero(_by_unit(after, here.shape[0]), axis=(0, 2))
        orders.append(np.lexsort((-outgoing, -incoming)))
    return orders


UNIT_ORDERS: dict[str, Callable[[Sequence[NDArray[Any]]], Orders]] = {"trained": trained_order, "sorted": sorted_order}
"""Weights, or symbols, of one member to the order of each hidden layer's units."""


def get_unit_order(name: str) -> Callable[[Sequence[NDArray[Any]]], Orders]:
    """The order of that name; ValueError lists the known ones."""
    return find(UNIT_ORDERS, "unit_order", name)


def permute_units(
    weights: Sequence[NDArray[Any]], biases: Sequence[NDArray[Any]], orders: Orders
) -> tuple[Arrays, Arrays]:
    """The same function with the units of each hidden layer in another order; new arrays, one member."""
    new_weights, new_biases = [weight.copy() for weight in weights], [bias.copy() for bias in biases]
    for layer, order in enumerate(orders):
        new_weights[layer] = new_weights[layer][order]
        new_biases[layer] = new_biases[layer][order]
        after = new_weights[layer + 1]
        new_weights[layer + 1] = np.ascontiguousarray(_by_unit(after, len(order))[:, order]).reshape(after.shape)
    return new_weights, new_biases


def _by_unit(weight: NDArray[Any], num_units: int) -> NDArray[Any]:
    """The tensor (O, …) as a view (O, units of the layer before, columns of each)."""
    return weight.reshape(weight.shape[0], num_units, -1)
