"""Stacked dense networks against torch's own layers, and their curvature against autograd's full Hessian."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from mdlray.models.dense import curvature, forward, layer_names, shapes
from mdlray.models.family import initialize

SIZES = (12, 7, 5, 4)


def stack(members: int, sizes: tuple[int, ...] = SIZES) -> list[torch.Tensor]:
    parameters = initialize(shapes(sizes), [torch.Generator().manual_seed(seed) for seed in range(members)])
    noise = torch.Generator().manual_seed(99)
    return [p + 0.1 * torch.randn(p.shape, generator=noise) for p in parameters]


def test_names_and_shapes_go_together() -> None:
    assert len(layer_names(SIZES)) == len(shapes(SIZES)) == 6
    assert layer_names((784, 10)) == ["output.weight", "output.bias"]


def test_each_member_equals_a_plain_network() -> None:
    parameters = stack(3)
    inputs = torch.randn(6, 12, generator=torch.Generator().manual_seed(0))
    shared = forward(parameters, inputs, None)
    own = forward(parameters, inputs.expand(3, -1, -1).contiguous(), None)
    torch.testing.assert_close(shared, own)
    for member in range(3):
        network = nn.Sequential(nn.Linear(12, 7), nn.ReLU(), nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 4))
        network.load_state_dict({name: p[member] for name, p in zip(network.state_dict(), parameters, strict=True)})
        torch.testing.assert_close(shared[member], network(inputs))


@pytest.mark.parametrize("sizes", [(5, 4, 3), (4, 6, 5, 3), (6, 3)])
def test_curvature_is_the_hessian_diagonal(sizes: tuple[int, ...]) -> None:
    """Exact for ReLU networks: compared with the second derivatives of the mean loss, weight by weight."""
    parameters = [p.double() for p in stack(2, sizes)]
    inputs = torch.randn(9, sizes[0], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels = torch.arange(9) % sizes[-1]
    diagonals = curvature(parameters, inputs)
    for member in range(2):
        own = [p[member] for p in parameters]
        for layer, diagonal in enumerate(diagonals):
            weight = own[2 * layer]

            def loss(flat: torch.Tensor, own: list[torch.Tensor] = own, at: int = 2 * layer) -> torch.Tensor:
                changed = [*own[:at], flat.view_as(own[at]), *own[at + 1 :]]
                return cross_entropy(forward([p[None] for p in changed], inputs, None)[0], labels)

            hessian = torch.autograd.functional.hessian(loss, weight.flatten())
            torch.testing.assert_close(diagonal[member].flatten(), hessian.diagonal(), rtol=1e-8, atol=1e-12)
