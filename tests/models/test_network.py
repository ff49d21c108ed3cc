"""One network as a torch module."""

import pytest
import torch

from mdlray.models import build_network, get_family
from mdlray.models.family import initialize
from mdlray.models.network import normalize


def test_normalize_leaves_its_input_alone() -> None:
    pixels = torch.tensor([[0.0, 255.0]])
    torch.testing.assert_close(normalize(pixels, 0.25, 0.5), torch.tensor([[-0.5, 1.5]]))
    assert pixels[0, 1] == 255


def test_a_module_takes_pictures_of_bytes() -> None:
    family = get_family("dense")
    parameters = [p[0] for p in initialize(family.shapes((784, 30, 10)), [torch.Generator().manual_seed(0)])]
    network = build_network(family, (784, 30, 10), parameters, 0.13, 0.31)
    pictures = torch.randint(0, 256, (4, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    expected = family.forward([p[None] for p in parameters], normalize(pictures.flatten(1), 0.13, 0.31), None)[0]
    assert torch.equal(network(pictures), expected)
    assert "sizes=(784, 30, 10)" in repr(network)


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"a dense network of sizes \(3, 2\) has \[\(2, 3\), \(2,\)\]"):
        build_network(get_family("dense"), (3, 2), [torch.zeros(3, 2), torch.zeros(2)], 0.0, 1.0)
