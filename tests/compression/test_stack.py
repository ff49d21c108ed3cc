"""Quantization of a stack: members keep their own levels and epochs."""

import numpy as np
import torch

from mdlray.compression import dequantize, quantize, quantize_stack
from mdlray.models import get_family
from mdlray.models.family import initialize
from mdlray.spec import TrialSpec, replace_fields
from mdlray.training import Examples

FAMILY = get_family("dense")


def spec(levels: int, epochs: int) -> TrialSpec:
    changes = {"compression.quantization_levels": levels, "compression.centroid_epochs": epochs}
    return replace_fields(TrialSpec(), changes | {"training.batch_size": 10})


def test_members_without_centroid_epochs_are_left_as_k_means_made_them() -> None:
    parameters = initialize(FAMILY.shapes((9, 5, 3)), [torch.Generator().manual_seed(seed) for seed in range(3)])
    pixels = torch.randint(0, 256, (40, 9), generator=torch.Generator().manual_seed(9)).to(torch.uint8)
    labels = torch.randint(0, 3, (3, 40), generator=torch.Generator().manual_seed(8))
    examples = Examples(pixels, labels, 0.5, 0.3)
    quantized, tuned = quantize_stack(FAMILY, parameters, [spec(4, 0), spec(4, 2), spec(7, 0)], examples)
    for member, levels in ((0, 4), (2, 7)):
        for layer, index in enumerate((0, 2)):
            expected = quantize(parameters[index][member].numpy(), levels)
            assert np.array_equal(dequantize(quantized[member][layer]), dequantize(expected))
        assert torch.equal(tuned[1][member], parameters[1][member])
    assert not torch.equal(tuned[1][1], parameters[1][1])
    alone, _ = quantize_stack(FAMILY, [p[1:2] for p in parameters], [spec(4, 2)], examples.of_members([1]))
    for layer in range(2):
        np.testing.assert_allclose(dequantize(alone[0][layer]), dequantize(quantized[1][layer]), rtol=1e-2, atol=1e-4)
