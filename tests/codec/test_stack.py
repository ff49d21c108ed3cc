"""From a stack of torch parameters to a file and back to a module."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

import mdlray
from mdlray import codec
from mdlray.codec.stack import coded_network, parameters_of, stack_networks
from mdlray.compression import dequantize, quantize
from mdlray.models import get_family
from mdlray.models.family import initialize

FAMILY, SIZES = get_family("dense"), (12, 6, 4)


def networks(count: int) -> list[codec.CodedNetwork]:
    parameters = initialize(FAMILY.shapes(SIZES), [torch.Generator().manual_seed(seed) for seed in range(count)])
    layers = [[quantize(parameters[index][member].numpy(), 5) for index in (0, 2)] for member in range(count)]
    return [coded_network(FAMILY, SIZES, parameters, m, layers[m], (0.125, 0.5)) for m in range(count)]


def test_parameters_are_the_codebooks_values() -> None:
    network = networks(2)[1]
    weight = network.tensors[0]
    assert isinstance(weight, codec.CodedTensor)
    from mdlray.compression import Quantized

    assert np.array_equal(parameters_of(network)[0].numpy(), dequantize(Quantized(weight.symbols, weight.codebook)))


def test_stack_and_module_compute_the_same(tmp_path: Path) -> None:
    coded = networks(3)
    stack = stack_networks(coded, torch.device("cpu"))
    pictures = torch.randint(0, 256, (7, 12), generator=torch.Generator().manual_seed(4)).to(torch.uint8)
    logits = FAMILY.forward(stack, (pictures / 255 - 0.125) / 0.5, None)
    for member, network in enumerate(coded):
        path = tmp_path / f"{member}.mdl"
        path.write_bytes(codec.encode(network).blob)
        torch.testing.assert_close(mdlray.decode(path)(pictures), logits[member])


def test_a_damaged_file_is_a_decode_error(tmp_path: Path) -> None:
    path = tmp_path / "damaged.mdl"
    path.write_bytes(codec.encode(networks(1)[0]).blob[:-1])
    with pytest.raises(codec.DecodeError):
        mdlray.decode(path)


def test_a_file_of_a_family_that_nobody_has_imported_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "foreign.mdl"
    path.write_bytes(codec.encode(dataclasses.replace(networks(1)[0], family="mine")).blob)
    with pytest.raises(ValueError, match="family is 'mine'; known are: .* adds it to MODELS, import that first"):
        mdlray.decode(path)
