"""Trained codebooks: the loss falls, symbols and zeros stay."""

import numpy as np
import torch

from mdlray.compression import Quantized, dequantize, quantize
from mdlray.compression.centroids import train_centroids
from mdlray.compression.rounding import round_codebook, round_mantissa
from mdlray.models import get_family
from mdlray.spec import TrialSpec, replace_fields
from mdlray.training import Examples, evaluate, fit

FAMILY = get_family("dense")


def test_training_the_codebook_lowers_the_loss_and_moves_no_zero() -> None:
    parameters, data = trained_toy()
    quantized = [[quantize(parameters[i][m].numpy(), 3) for i in (0, 2)] for m in range(2)]
    trained, tuned = train_centroids(FAMILY, parameters, quantized, data, [spec_of()] * 2)
    before = nats(data, quantized, [parameters[1], parameters[3]])
    assert bool((nats(data, trained, [tuned[1], tuned[3]]) < before).all())
    for member in range(2):
        for layer in range(2):
            old, new = dequantize(quantized[member][layer]), dequantize(trained[member][layer])
            assert ((old == 0) == (new == 0)).all() and len(np.unique(new)) <= len(np.unique(old))


def test_on_a_uniform_grid_the_step_is_trained_beside_free_codebooks() -> None:
    """Member 0 is on a uniform grid, member 1 is not: each is as if it were alone."""
    parameters, data = trained_toy()
    grids = ("uniform", "kmeans")
    quantized = [[quantize(parameters[i][m].numpy(), 3, grids[m]) for i in (0, 2)] for m in range(2)]
    trained, tuned = train_centroids(FAMILY, parameters, quantized, data, [spec_of()] * 2)
    before = nats(data, quantized, [parameters[1], parameters[3]])
    assert bool((nats(data, trained, [tuned[1], tuned[3]]) < before).all())
    for layer in range(2):
        old, new = quantized[0][layer], trained[0][layer]
        assert new.step != old.step and np.array_equal(new.multiples, old.multiples)
        assert np.array_equal(new.codebook, (np.float32(new.step) * new.multiples).astype(np.float16))
        assert trained[1][layer].step is None
    for m in range(2):
        alone, _ = train_centroids(
            FAMILY,
            [parameter[m : m + 1] for parameter in parameters],
            quantized[m : m + 1],
            data.of_members([m]),
            [spec_of()],
        )
        for layer in range(2):
            np.testing.assert_allclose(alone[0][layer].codebook, trained[m][layer].codebook, rtol=5e-3)


def test_the_loss_that_is_trained_is_that_of_rounded_numbers() -> None:
    """With one mantissa bit, training behind the rounding beats rounding what was trained without."""
    parameters, data = trained_toy()
    quantized = [[quantize(parameters[i][m].numpy(), 3) for i in (0, 2)] for m in range(2)]
    few = spec_of(num_epochs=40, codebook_mantissa_bits=1, bias_mantissa_bits=1)
    found = {}
    for name, spec in (("aware", few), ("after", spec_of(num_epochs=40))):
        layers, tuned = train_centroids(FAMILY, parameters, quantized, data, [spec] * 2)
        rounded = [[round_codebook(layer, 1) for layer in member] for member in layers]
        biases = [round_mantissa(tuned[index], 1) for index in (1, 3)]
        found[name] = nats(data, rounded, biases)
        if name == "aware":
            for layer, one in zip(layers[0], rounded[0], strict=True):
                assert np.array_equal(layer.codebook, one.codebook)
            assert all(torch.equal(tuned[i], bias) for i, bias in zip((1, 3), biases, strict=True))
    assert bool((found["aware"] < found["after"]).all())


def spec_of(num_epochs: int = 5, **choices: int) -> TrialSpec:
    """What is done after 20 epochs of training."""
    compression = {f"compression.{name}": value for name, value in choices.items()}
    changes = {"training.num_epochs": 20, "training.batch_size": 20, "compression.last_pruning_epoch": 20}
    return replace_fields(TrialSpec(), changes | compression | {"compression.centroid_epochs": num_epochs})


def trained_toy() -> tuple[list[torch.Tensor], Examples]:
    """Two members that know 400 pictures of 12 pixels, and those pictures."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (400,), generator=generator)
    pixels = (labels[:, None] * 50 + torch.randint(0, 100, (400, 12), generator=generator)).to(torch.uint8)
    data = Examples(pixels, labels.expand(2, -1), 0.5, 0.3)
    base = {"training.num_epochs": 20, "training.batch_size": 20, "compression.last_pruning_epoch": 20}
    specs = [replace_fields(TrialSpec(), base | {"seeds.initialization": seed}) for seed in range(2)]
    parameters = fit(FAMILY, (12, 8, 4), specs, data, data, lambda *_: None).parameters
    parameters[0][:, :, ::3] = 0
    return parameters, data


def nats(data: Examples, layers: list[list[Quantized]], biases: list[torch.Tensor]) -> torch.Tensor:
    """Loss of the quantized networks, per member."""
    weights = [torch.from_numpy(np.stack([dequantize(member[k]) for member in layers])) for k in range(2)]
    return evaluate(FAMILY, [weights[0], biases[0], weights[1], biases[1]], data).nats_M
