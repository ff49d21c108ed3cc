"""The order of hidden units: it does not change the logits, but it changes the bytes of a file.

    trained   the order after training
    sorted    units with the most non-zero incoming weights first, so that similar rows are neighbors

An order can be chosen only in families whose layers follow each other unit by unit (`Family.chain`). A unit may stand
for a block of columns of the next layer, as in `mdlray.models.dead_units`.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mdlray.models import Family, chains
from mdlray.models.dead_units import Arrays, columns_by_unit
from mdlray.registry import find

Orders: TypeAlias = list[NDArray[np.int64]]


def check_chain(family: Family) -> None:
    """ValueError for a family that is not a chain (`Family.chain`)."""
    if not family.chain:
        raise ValueError(
            f"family is {family.name!r}; dead units can be removed and units ordered in {chains()} only. "
            "Set remove_dead_units to False and unit_order to 'trained'."
        )


def trained_order(weights: Sequence[NDArray[Any]]) -> Orders:
    """The order after training."""
    return [np.arange(weight.shape[0]) for weight in weights[:-1]]


def sorted_order(weights: Sequence[NDArray[Any]]) -> Orders:
    """Most non-zero incoming weights first; among equals most outgoing ones first, then the order after training."""
    orders = []
    for weight, after in zip(weights, weights[1:], strict=False):
        incoming = np.count_nonzero(weight.reshape(weight.shape[0], -1), axis=1)
        outgoing = np.count_nonzero(columns_by_unit(after, weight.shape[0]), axis=(0, 2))
        orders.append(np.lexsort((-outgoing, -incoming)))
    return orders


UNIT_ORDERS: dict[str, Callable[[Sequence[NDArray[Any]]], Orders]] = {"trained": trained_order, "sorted": sorted_order}
"""A name to a function: the weights (or symbols) of one member -> the order of the units of each hidden layer."""


def get_unit_order(name: str) -> Callable[[Sequence[NDArray[Any]]], Orders]:
    """The order of that name; ValueError lists the known ones."""
    return find(UNIT_ORDERS, "unit_order", name)


def permute_units(
    weights: Sequence[NDArray[Any]], biases: Sequence[NDArray[Any]], orders: Orders
) -> tuple[Arrays, Arrays]:
    """The weights and biases of one member with the units of each hidden layer in another order, as new arrays."""
    new_weights, new_biases = [weight.copy() for weight in weights], [bias.copy() for bias in biases]
    for layer, order in enumerate(orders):
        new_weights[layer] = new_weights[layer][order]
        new_biases[layer] = new_biases[layer][order]
        after = new_weights[layer + 1]
        new_weights[layer + 1] = np.ascontiguousarray(columns_by_unit(after, len(order))[:, order]).reshape(after.shape)
    return new_weights, new_biases
