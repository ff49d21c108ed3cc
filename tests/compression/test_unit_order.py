"""Dead units and the order of units: logits stay what they were, for dense networks and for convolutions."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, linear, max_pool2d, relu

from mdlray.compression.unit_order import check_chain, permute_units, sorted_order
from mdlray.models import Family, get_family
from mdlray.models.dead_units import remove_dead_units

DENSE = [(12, 9), (7, 12), (4, 7)]
CONVOLUTIONAL = [(6, 1, 5, 5), (8, 6, 5, 5), (15, 8 * 16), (10, 15)]
"""LeNet-5's layers with fewer filters and units: 28 x 28 pixels become 8 maps of 4 x 4, flattened map by map."""

Arrays = list[np.ndarray]


def network(shapes: list[tuple[int, ...]], density: float, seed: int) -> tuple[Arrays, Arrays]:
    """Random weights, most of them zero, and random biases of both signs."""
    generator = np.random.default_rng(seed)
    weights = []
    for shape in shapes:
        weight = generator.normal(size=shape) * math.sqrt(2 / max(density * math.prod(shape[1:]), 1))
        weights.append((weight * (generator.random(shape) < density)).astype(np.float32))
    return weights, [generator.normal(size=shape[0]).astype(np.float32) for shape in shapes]


def logits(weights: Arrays, biases: Arrays) -> Tensor:
    """Written with torch's own layers, which know nothing of blocks of columns; 64 bits."""
    generator = torch.Generator().manual_seed(0)
    side = 28 if weights[0].ndim == 4 else None
    pictures = (20, 1, side, side) if side else (20, weights[0].shape[1])
    activation = torch.randn(pictures, generator=generator, dtype=torch.float64)
    layers = [(torch.tensor(w).double(), torch.tensor(b).double()) for w, b in zip(weights, biases, strict=True)]
    for number, (weight, bias) in enumerate(layers):
        if weight.ndim == 4:
            activation = max_pool2d(relu(conv2d(activation, weight, bias)), 2)
        else:
            activation = linear(activation.flatten(1), weight, bias)
            activation = relu(activation) if number + 1 < len(layers) else activation
    return activation


ONE_CONVOLUTION = [(9, 1, 7, 7), (10, 9 * 11 * 11)]
"""A convnet's: 28 x 28 pixels become 9 maps of 11 x 11."""
CASES = [(DENSE, 0.15), (DENSE, 0.3), (CONVOLUTIONAL, 0.01), (CONVOLUTIONAL, 0.03), (DENSE, 0.0)]
CASES += [(ONE_CONVOLUTION, 0.004), (ONE_CONVOLUTION, 0.02)]


@pytest.mark.parametrize(("shapes", "density"), CASES)
def test_the_function_without_dead_units_is_the_same(shapes: list[tuple[int, ...]], density: float) -> None:
    for seed in range(8):
        weights, biases = network(shapes, density, seed)
        fewer, folded = remove_dead_units(weights, biases)
        assert torch.allclose(logits(weights, biases), logits(fewer, folded), rtol=1e-5, atol=1e-5)
        assert all(((old != 0) | (new == 0)).all() for old, new in zip(weights, fewer, strict=True))


def count_in_and_out(weights: Arrays) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each hidden layer's units, by hand: columns of unit u are u · n/U to (u + 1) · n/U - 1 of a flat layer."""
    counts = []
    for here, after in zip(weights, weights[1:], strict=False):
        units = here.shape[0]
        block = after[0].size // units
        flat = after.reshape(after.shape[0], -1)
        outgoing = [np.count_nonzero(flat[:, u * block : (u + 1) * block]) for u in range(units)]
        counts.append((np.array([np.count_nonzero(here[u]) for u in range(units)]), np.array(outgoing)))
    return counts


@pytest.mark.parametrize(("shapes", "density"), CASES)
def test_no_dead_unit_is_left(shapes: list[tuple[int, ...]], density: float) -> None:
    killed = 0
    for seed in range(8):
        weights, biases = network(shapes, density, seed)
        fewer, folded = remove_dead_units(weights, biases)
        for (incoming, outgoing), bias in zip(count_in_and_out(fewer), folded, strict=False):
            assert ((incoming == 0) == (outgoing == 0)).all() and (bias[incoming == 0] == 0).all()
            killed += int((incoming == 0).sum())
    assert killed > 0


def test_death_spreads_both_ways() -> None:
    """The unheard unit 0 of layer two takes unit 1 before it along, the deaf unit 2 of layer one unit 1 behind it."""
    first = np.array([[1, 0], [0, 1], [0, 0]], np.float32)
    second = np.array([[0, 2, 0], [0, 0, 3], [1, 0, 4]], np.float32)
    third = np.array([[0, 5, 6]], np.float32)
    biases = [np.array([0, 1, 2], np.float32), np.array([1, -1, 1], np.float32), np.array([0], np.float32)]
    weights, folded = remove_dead_units([first, second, third], biases)
    assert [weight.tolist() for weight in weights] == [
        [[1, 0], [0, 0], [0, 0]],
        [[0, 0, 0], [0, 0, 0], [1, 0, 0]],
        [[0, 0, 6]],
    ]
    # Deaf units are the constants 2 and max(3 · 2 - 1, 0) = 5.
    assert [bias.tolist() for bias in folded] == [[0, 0, 0], [0, 0, 1 + 4 * 2], [5 * 5]]


@pytest.mark.parametrize(("shapes", "density"), CASES)
def test_sorted_units_give_the_same_logits_in_falling_order(shapes: list[tuple[int, ...]], density: float) -> None:
    for seed in range(4):
        weights, biases = network(shapes, density, seed)
        orders = sorted_order(weights)
        moved, moved_biases = permute_units(weights, biases, orders)
        assert torch.allclose(logits(weights, biases), logits(moved, moved_biases), rtol=1e-9, atol=1e-9)
        assert [weight.shape for weight in moved] == [weight.shape for weight in weights]
        for (incoming, outgoing), order in zip(count_in_and_out(moved), orders, strict=True):
            keys = list(zip(-incoming, -outgoing, order, strict=True))
            assert keys == sorted(keys)


def test_families_of_unknown_structure_are_refused() -> None:
    dense = get_family("dense")
    for name in ("dense", "lenet5", "convnet"):
        check_chain(get_family(name))
    with pytest.raises(ValueError, match="family is 'hashed'; .* Set remove_dead_units to False"):
        check_chain(get_family("hashed"))
    residual = Family("residual", dense.shapes, dense.layer_names, dense.forward, dense.curvature)
    with pytest.raises(ValueError, match="family is 'residual'; dead units .* in dense, lenet5 and convnet only"):
        check_chain(residual)
