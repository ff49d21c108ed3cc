"""Networks without their dead units compute and learn what the whole ones do."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from mdlray.models import Parameters, dense, lenet5
from mdlray.models.dead_units import leave_out_dead
from mdlray.models.family import initialize

SIZES = (6, 7, 5, 3)


def pruned(kept: float, members: int, seed: int, sizes: tuple[int, ...] = SIZES) -> Parameters:
    generator = torch.Generator().manual_seed(seed)
    parameters = initialize(dense.shapes(sizes), [generator] * members)
    for index, parameter in enumerate(parameters):
        if index % 2:
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
        parameter.mul_(torch.rand(parameter.shape, generator=generator) < kept)
    return parameters


def gradients(parameters: Parameters, forward_of: Parameters, inputs: torch.Tensor) -> tuple[torch.Tensor, Parameters]:
    logits = dense.forward(forward_of, inputs)
    labels = torch.arange(logits[..., 0].numel()) % logits.shape[-1]
    nats = cross_entropy(logits.flatten(0, 1), labels)
    return logits, list(torch.autograd.grad(nats, parameters, allow_unused=True, materialize_grads=True))


@given(kept=st.sampled_from([0.05, 0.15, 0.3, 0.6]), members=st.integers(1, 3), seed=st.integers(0, 10**6))
def test_logits_and_gradients_stay(kept: float, members: int, seed: int) -> None:
    parameters = [p.double().requires_grad_() for p in pruned(kept, members, seed)]
    inputs = torch.randn(9, SIZES[0], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    smaller = leave_out_dead(parameters)
    assert all(few.numel() <= all_.numel() for few, all_ in zip(smaller, parameters, strict=True))
    logits, wanted = gradients(parameters, parameters, inputs)
    fewer_logits, found = gradients(parameters, smaller, inputs)
    torch.testing.assert_close(fewer_logits, logits)
    for index, (a, b, parameter) in enumerate(zip(found, wanted, parameters, strict=True)):
        # Removed weights may get no gradient; they are masked in training anyway.
        left = (parameter != 0) if index % 2 == 0 else torch.ones_like(parameter)
        torch.testing.assert_close(a * left, b * left)


def test_only_living_units_are_left() -> None:
    """Of four units one is whole, one has no input, one leads nowhere, one has only a bias that is open."""
    weight = torch.ones(1, 4, 3)
    weight[0, 1] = weight[0, 3] = 0
    bias = torch.tensor([[0.5, -0.5, 0.5, 0.5]])
    out = torch.ones(1, 2, 4)
    out[0, :, 2] = 0
    smaller = leave_out_dead([weight, bias, out, torch.zeros(1, 2)])
    assert [tuple(p.shape) for p in smaller] == [(1, 2, 3), (1, 2), (1, 2, 2), (1, 2)]
    assert torch.equal(smaller[1], torch.tensor([[0.5, 0.5]])) and torch.equal(smaller[0][0, 1], torch.zeros(3))


def test_death_spreads_in_both_directions() -> None:
    parameters = pruned(1.0, 1, 0, (6, 7, 5, 4, 3))
    parameters[4][0, 1:] = 0  # the third layer has one unit with input,
    parameters[5][0, 1:] = -1
    parameters[4][0, 0, 1:] = 0  # and that one has one input,
    parameters[2][0, 0, 2:] = 0  # whose unit has two.
    assert [tuple(p.shape) for p in leave_out_dead(parameters)[::2]] == [(1, 2, 6), (1, 1, 2), (1, 1, 1), (1, 3, 1)]


def test_members_share_a_shape_and_keep_their_own_units() -> None:
    parameters = pruned(1.0, 2, 0)
    parameters[0][0, :5] = parameters[1][0, :5] = 0
    parameters[0][1, 4:] = parameters[1][1, 4:] = 0
    smaller = leave_out_dead(parameters)
    assert smaller[0].shape == (2, 4, 6)
    inputs = torch.randn(9, SIZES[0])
    torch.testing.assert_close(dense.forward(smaller, inputs), dense.forward(parameters, inputs))


@pytest.mark.parametrize("left_alone", [0, 1, 2])
def test_the_last_layers_may_be_left_alone(left_alone: int) -> None:
    parameters = pruned(1.0, 1, 0)
    for layer in (0, 2):
        parameters[layer][:, 1:] = parameters[layer + 1][:, 1:] = 0
    units = [p.shape[1] for p in leave_out_dead(parameters, all_but=left_alone)[::2]]
    assert units == [1 if left_alone < 2 else 7, 1 if left_alone < 1 else 5, 3]


def test_a_network_that_is_dead_altogether_still_has_logits() -> None:
    parameters = [torch.zeros_like(p) for p in pruned(1.0, 2, 0)]
    parameters[-1][0] = torch.tensor([1.0, 2.0, 3.0])
    smaller = leave_out_dead(parameters)
    assert smaller[0].shape == (2, 1, 6)
    assert torch.equal(dense.forward(smaller, torch.randn(4, 6))[0, 3], torch.tensor([1.0, 2.0, 3.0]))


def test_filters_take_their_pictures_with_them() -> None:
    sizes = (784, 6, 8, 30, 10)
    parameters = initialize(lenet5.shapes(sizes), [torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)])
    inputs = torch.randn(5, 784, generator=torch.Generator().manual_seed(2))
    for index in range(0, 8, 2):
        # Whole inputs and outputs go: filters 0 and 3 of the first layer, and so on in the others.
        parameters[index][:, [0, 3]] = 0
        parameters[index + 1][:, [0, 3]] = -1
    smaller = leave_out_dead(parameters)
    assert [tuple(p.shape[1:]) for p in smaller[::2]] == [(4, 1, 5, 5), (6, 4, 5, 5), (28, 96), (10, 28)]
    maps = inputs.view(5, 1, 28, 28)
    for layer in (0, 2):
        maps = torch.relu(torch.max_pool2d(torch.conv2d(maps, parameters[layer][1], parameters[layer + 1][1]), 2))
    hidden = torch.relu(maps.flatten(1) @ parameters[4][1].T + parameters[5][1])
    whole = hidden @ parameters[6][1].T + parameters[7][1]
    torch.testing.assert_close(lenet5.forward(parameters, inputs)[1], whole)
