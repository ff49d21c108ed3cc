"""The diagonal of any family against the closed form, and against second differences of the loss."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from mdlray.models import Family, curvature, get_family
from mdlray.models.curvature import curvature_of
from mdlray.models.family import initialize

FAMILIES = {
    "convnet": (64, 3, 3, 1, 2, 4),
    "hashed": (9, 5, 4, 20, 8, 3),
}


def stack(family: Family, sizes: tuple[int, ...], members: int) -> list[torch.Tensor]:
    generators = [torch.Generator().manual_seed(seed) for seed in range(members)]
    parameters = initialize(family.shapes(sizes), generators, family.fans and family.fans(sizes))
    noise = torch.Generator().manual_seed(99)
    return [(p + 0.1 * torch.randn(p.shape, generator=noise)).double() for p in parameters]


def inputs_of(count: int, pixels: int) -> torch.Tensor:
    return torch.randn(count, pixels, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_it_is_the_closed_form(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    family, sizes = get_family("dense"), (6, 5, 4, 3)
    parameters, inputs = stack(family, sizes, 2), inputs_of(9, sizes[0])
    monkeypatch.setattr(curvature, "MAX_NUMBERS", 1000 * chunk)
    found = curvature_of(family.forward, parameters, (0, 2, 4), inputs, 1000)
    for diagonal, closed in zip(found, family.curvature(parameters, inputs), strict=True):
        torch.testing.assert_close(diagonal, closed, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("name", FAMILIES)
def test_it_is_the_second_difference_of_the_loss(name: str) -> None:
    """Where logits are linear in every single weight: the mean loss along each of them, in double precision."""
    sizes = FAMILIES[name]
    family = get_family(name).for_sizes(sizes)
    parameters, inputs = stack(family, sizes, 1), inputs_of(20, sizes[0])
    labels, step = torch.arange(20) % 3, 1e-4

    def loss() -> float:
        return float(cross_entropy(family.forward(parameters, inputs, None)[0], labels))

    middle = loss()
    for index, diagonal in zip((0, 2), family.curvature(parameters, inputs), strict=True):
        flat, measured = parameters[index].view(-1), []
        for weight in range(flat.numel()):
            ends = []
            for sign in (1, -2):
                flat[weight] += sign * step
                ends.append(loss())
            flat[weight] += step
            measured.append((sum(ends) - 2 * middle) / step**2)
        torch.testing.assert_close(
            torch.tensor(measured, dtype=torch.float64), diagonal.flatten(), rtol=1e-3, atol=1e-4
        )
