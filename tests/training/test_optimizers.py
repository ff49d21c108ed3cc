"""Each optimizer, member by member, against torch.optim."""

import pytest
import torch

from mdlray.training import OPTIMIZERS


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_follows_torch_with_a_rate_and_momentum_per_member(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(2, 3, 4, generator=generator)
    gradients = [torch.randn(2, 3, 4, generator=generator) for _ in range(5)]
    rates, momenta = torch.tensor([0.1, 0.01]), torch.tensor([0.9, 0.5])
    ours = [start.clone()]
    step = OPTIMIZERS[name](ours, momenta)
    for gradient in gradients:
        step(ours, [gradient.clone()], rates)
    for member in range(2):
        theirs = torch.nn.Parameter(start[member].clone())
        rate, momentum = float(rates[member]), float(momenta[member])
        if name == "sgd":
            optimizer: torch.optim.Optimizer = torch.optim.SGD([theirs], lr=rate, momentum=momentum)
        else:
            optimizer = torch.optim.Adam([theirs], lr=rate, betas=(momentum, 0.999))
        for gradient in gradients:
            theirs.grad = gradient[member].clone()
            optimizer.step()
        torch.testing.assert_close(ours[0][member], theirs.detach(), rtol=1e-5, atol=1e-6)
