"""Penalty gradients against autograd, and zero strength that changes nothing."""

import torch

from mdlray.training.regularizers import add_penalty_gradient, member_strengths


def test_gradients_are_those_of_the_penalties() -> None:
    weight = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    strengths = member_strengths(["l1", "none", "l2"], [0.3, 0.0, 0.7], torch.device("cpu"))
    penalty = 0.3 * weight[0].abs().sum() + 0.7 / 2 * weight[2].square().sum()
    expected = torch.autograd.grad(penalty, weight)[0]
    ours = torch.zeros_like(weight)
    with torch.no_grad():
        add_penalty_gradient(ours, weight, strengths)
    torch.testing.assert_close(ours, expected)


def test_a_neighbors_penalty_changes_no_bit() -> None:
    weight = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(1))
    gradient = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(2))
    with_neighbor = gradient.clone()
    add_penalty_gradient(with_neighbor, weight, member_strengths(["none", "l2"], [0.0, 0.5], weight.device))
    assert torch.equal(with_neighbor[0], gradient[0])
    assert member_strengths(["none", "none"], [0.0, 0.0], weight.device) == {}
