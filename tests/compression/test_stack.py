"""Quantization of a stack: members keep their own choices, and lossless ones lose nothing."""

import numpy as np
import pytest
import torch

from mdlray.compression import Quantized, dequantize, quantize, quantize_stack
from mdlray.compression.rounding import round_mantissa
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


SIZES = (30, 20, 12, 4)


def sparse_stack(num_members: int, kept: float = 0.08) -> tuple[list[torch.Tensor], Examples]:
    """Random networks of which nearly all weights are zero, with biases, and some pictures."""
    generator = torch.Generator().manual_seed(0)
    parameters = []
    for shape in FAMILY.shapes(SIZES):
        draw = torch.randn((num_members, *shape), generator=generator)
        mask = torch.rand(draw.shape, generator=generator) < (kept if len(shape) > 1 else 1)
        parameters.append(draw * mask)
    pixels = torch.randint(0, 256, (200, SIZES[0]), generator=generator).to(torch.uint8)
    return parameters, Examples(pixels, torch.randint(0, 4, (num_members, 200), generator=generator), 0.5, 0.3)


def choose(**choices: object) -> TrialSpec:
    usual = {"centroid_epochs": 0, "saliency_examples": 100} | choices
    changes = {f"compression.{name}": value for name, value in usual.items()}
    return replace_fields(TrialSpec(), changes | {"training.batch_size": 50})


def logits(layers: list[Quantized], tuned: list[torch.Tensor], member: int, data: Examples) -> torch.Tensor:
    """Of the network as its file will hold it."""
    weights = [torch.from_numpy(dequantize(layer)) for layer in layers]
    biases = [tuned[index][member] for index in (1, 3, 5)]
    parameters = [part[None] for pair in zip(weights, biases, strict=True) for part in pair]
    return FAMILY.forward(parameters, data.inputs(slice(None)), None)


def test_lossless_choices_lose_nothing() -> None:
    """With more levels than weights: fewer weights and biases, another order, the same logits."""
    parameters, data = sparse_stack(3)
    most = {"quantization_levels": 4096}
    members = [choose(**most), choose(**most, remove_dead_units=True)]
    members.append(choose(**most, remove_dead_units=True, unit_order="sorted"))
    same = [parameter[[0, 0, 0]] for parameter in parameters]
    layers, tuned = quantize_stack(FAMILY, same, members, data.of_members([0, 0, 0]))
    exact = FAMILY.forward([parameter[:1] for parameter in parameters], data.inputs(slice(None)), None)
    for member in range(3):
        assert torch.allclose(logits(layers[member], tuned, member, data), exact, rtol=1e-2, atol=2e-2)
    weights, biases = (
        [sum(int(np.count_nonzero(layer.symbols)) for layer in member) for member in layers],
        [sum(int(tuned[i][member].count_nonzero()) for i in (1, 3, 5)) for member in range(3)],
    )
    assert weights[0] > weights[1] == weights[2] and biases[0] > biases[1] == biases[2]
    counts = [np.count_nonzero(layer.symbols, axis=1) for layer in layers[2][:-1]]
    assert all((np.diff(count) <= 0).all() for count in counts)
    assert not all((np.diff(np.count_nonzero(layer.symbols, axis=1)) <= 0).all() for layer in layers[1][:-1])


def test_units_that_quantization_kills_are_removed_too() -> None:
    parameters, data = sparse_stack(1, kept=0.5)
    price = 3e-2
    kept, tuned = quantize_stack(FAMILY, parameters, [choose(rate_distortion=price)], data)
    dead = [np.count_nonzero(layer.symbols, axis=1) == 0 for layer in kept[0][:-1]]
    assert any(unit.any() for unit in dead) and all((tuned[i][0].numpy() != 0).all() for i in (1, 3))
    removed, tuned = quantize_stack(FAMILY, parameters, [choose(rate_distortion=price, remove_dead_units=True)], data)
    for layer, index in zip(removed[0][:-1], (1, 3), strict=True):
        nothing_heard = np.count_nonzero(layer.symbols, axis=1) == 0
        assert (tuned[index][0].numpy()[nothing_heard] == 0).all()


def test_every_choice_together_is_the_members_own() -> None:
    """Alone and among others the same, trained codebooks and few bits included."""
    parameters, data = sparse_stack(4, kept=0.4)
    lossy = {"rate_distortion": 1e-3, "bias_mantissa_bits": 2, "codebook_mantissa_bits": 3}
    lossy |= {"remove_dead_units": True, "unit_order": "sorted", "centroid_epochs": 2}
    members = [
        choose(**lossy, levels_per_layer=(8, 4, 2)),
        choose(**lossy, quantization_grid="uniform", quantization_levels=6),
        choose(centroid_epochs=2),
        choose(rate_distortion=1e-3, saliency_examples=50),
    ]
    # Members of one training key are taken to be one network, which these are not.
    members = [replace_fields(member, {"seeds.initialization": seed}) for seed, member in enumerate(members)]
    together, tuned = quantize_stack(FAMILY, parameters, members, data)
    assert [layer.codebook.size <= most for layer, most in zip(together[0], (8, 4, 2), strict=True)] == [True] * 3
    assert all(torch.equal(bias, round_mantissa(bias, 2)) for bias in (tuned[1][:2], tuned[3][:2], tuned[5][:2]))
    for m, member in enumerate(members):
        alone, own = quantize_stack(FAMILY, [p[m : m + 1] for p in parameters], [member], data.of_members([m]))
        for layer in range(3):
            assert np.array_equal(alone[0][layer].symbols, together[m][layer].symbols)
            np.testing.assert_allclose(alone[0][layer].codebook, together[m][layer].codebook, rtol=0.02, atol=1e-3)
        for index in (1, 3, 5):
            np.testing.assert_allclose(own[index][0], tuned[index][m], rtol=0.26, atol=1e-3)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"levels_per_layer": (4, 4)}, r"levels_per_layer is \(4, 4\), 2 numbers; dense-100 has 3 weight tensors"),
        ({"quantization_grid": "log"}, "quantization_grid is 'log'; known are: kmeans, uniform"),
        ({"unit_order": "random"}, "unit_order is 'random'; known are: sorted, trained"),
    ],
)
def test_choices_there_are_not_are_refused(choices: dict[str, object], words: str) -> None:
    parameters, data = sparse_stack(1)
    with pytest.raises(ValueError, match=words):
        quantize_stack(FAMILY, parameters, [choose(**choices)], data)
