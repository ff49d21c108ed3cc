"""One network as a torch module."""

import warnings

import pytest
import torch

from mdlray.models import build_network, get_family
from mdlray.models.family import initialize
from mdlray.models.network import Network, normalize


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


def small_network() -> Network:
    family = get_family("dense")
    parameters = [p[0] for p in initialize(family.shapes((4, 3)), [torch.Generator().manual_seed(0)])]
    return build_network(family, (4, 3), parameters, 0.13, 0.31)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_pixels_between_0_and_1_are_warned_of_once(dtype: torch.dtype) -> None:
    """Pictures of torchvision's `ToTensor` would be taken for almost black ones, and answered by chance."""
    network, scaled = small_network(), torch.rand(5, 4, generator=torch.Generator().manual_seed(0)).to(dtype)
    with pytest.warns(UserWarning, match="lie between 0 and 1, .* takes gray levels from 0 to 255; multiply"):
        network(scaled)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network(scaled)


def test_gray_levels_are_not_warned_of() -> None:
    gray = torch.tensor([[0.0, 1.0, 7.0, 255.0], [0.0, 0.0, 1.0, 1.0]])
    black, empty = torch.zeros(2, 4), torch.zeros(0, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for batch in (gray, gray.byte(), (gray > 5).byte(), black, empty, gray - 300):
            small_network()(batch)
        network = small_network()
        network(gray)
        # Its users know the scale by now: a dark picture is no reason to warn.
        network(gray[1:])
    network = small_network()
    network(black)
    with pytest.warns(UserWarning, match="between 0 and 1"):
        network(gray[1:])


def test_a_network_can_still_be_transformed() -> None:
    network, scaled = small_network(), torch.rand(5, 1, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        each = torch.func.vmap(network)(scaled)
    with pytest.warns(UserWarning, match="between 0 and 1"):
        torch.testing.assert_close(network(scaled[:, 0]), each[:, 0])


@pytest.mark.slow
def test_a_network_can_still_be_exported() -> None:
    gray = torch.rand(5, 4) * 255
    exported = torch.export.export(small_network(), (gray,)).module()
    torch.testing.assert_close(exported(gray), small_network()(gray))
