"""Trained codebooks: the loss falls, symbols and zeros stay."""

import numpy as np
import torch

from mdlray.compression import dequantize, quantize
from mdlray.compression.centroids import train_centroids
from mdlray.models import get_family
from mdlray.spec import TrialSpec, replace_fields
from mdlray.training import Examples, evaluate, fit

FAMILY = get_family("dense")


def test_training_the_codebook_lowers_the_loss_and_moves_no_zero() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (400,), generator=generator)
    pixels = (labels[:, None] * 50 + torch.randint(0, 100, (400, 12), generator=generator)).to(torch.uint8)
    data = Examples(pixels, labels.expand(2, -1), 0.5, 0.3)
    base = {"training.num_epochs": 20, "training.batch_size": 20, "compression.last_pruning_epoch": 20}
    specs = [replace_fields(TrialSpec(), base | {"seeds.initialization": seed}) for seed in range(2)]
    parameters = fit(FAMILY, (12, 8, 4), specs, data, data, lambda steps, stack, parameters, masks: None).parameters
    parameters[0][:, :, ::3] = 0
    quantized = [[quantize(parameters[i][m].numpy(), 3) for i in (0, 2)] for m in range(2)]

    def nats(layers: list[list[object]], biases: list[torch.Tensor]) -> torch.Tensor:
        weights = [torch.from_numpy(np.stack([dequantize(member[k]) for member in layers])) for k in range(2)]
        return evaluate(FAMILY, [weights[0], biases[0], weights[1], biases[1]], data).nats_M

    trained, tuned = train_centroids(
        FAMILY, parameters, quantized, data, order_seeds=[0, 0], first_epoch=21, num_epochs=5, batch_size=20
    )
    before, after = nats(quantized, [parameters[1], parameters[3]]), nats(trained, [tuned[1], tuned[3]])
    assert bool((after < before).all())
    for member in range(2):
        for layer in range(2):
            old, new = dequantize(quantized[member][layer]), dequantize(trained[member][layer])
            assert ((old == 0) == (new == 0)).all() and len(np.unique(new)) <= len(np.unique(old))
