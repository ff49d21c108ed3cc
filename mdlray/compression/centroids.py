"""Codebooks and biases trained after k-means, with the symbols fixed (Han et al. 2016, §3.3: trained quantization).

The gradient of a codebook entry is the sum of the gradients of the weights that use it. The whole stack is trained at
once: codebooks lie in one (M, K + 1) tensor per layer whose entry 0 is the zero of pruned weights and never moves.
Adam, because the gradient of an entry grows with the number of its weights; its rate falls to zero along a cosine.

Axes: M members, K codebook entries of the longest codebook in the stack.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from mdlray.compression.quantization import Quantized, settle
from mdlray.models import Family, Parameters, prunable
from mdlray.training import OPTIMIZERS, Examples, epoch_batches

LEARNING_RATE = 1e-3
MOMENTUM = 0.9


def train_centroids(
    family: Family,
    parameters: Parameters,
    quantized: Sequence[Sequence[Quantized]],
    examples: Examples,
    *,
    order_seeds: Sequence[int],
    first_epoch: int,
    num_epochs: int,
    batch_size: int,
) -> tuple[list[list[Quantized]], Parameters]:
    """Trained codebooks, `[member][layer]`, and parameters whose biases were trained along with them.

    `first_epoch` numbers the data orders on from those of the training, so that none is used twice.
    """
    device = examples.pixels_NP.device
    weights = prunable(parameters)
    symbols = [
        torch.tensor(np.stack([member[layer].symbols for member in quantized]), device=device)
        for layer in range(len(weights))
    ]
    codebooks = [_stack_codebooks([member[layer] for member in quantized], device) for layer in range(len(weights))]
    biases = [p.clone() for index, p in enumerate(parameters) if index not in weights]
    leaves = codebooks + biases
    step = OPTIMIZERS["adam"](leaves, torch.full((len(quantized),), MOMENTUM, device=device))
    num_steps = num_epochs * (examples.pixels_NP.shape[0] // batch_size)
    done = 0
    for epoch in range(first_epoch, first_epoch + num_epochs):
        for inputs, labels_MB in epoch_batches(examples, order_seeds, epoch, batch_size):
            rate = LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * done / num_steps))
            gradients = _gradients(family, leaves, symbols, inputs, labels_MB)
            for gradient_MK in gradients[: len(weights)]:
                gradient_MK[:, 0] = 0
            step(leaves, gradients, torch.full((len(quantized),), rate, device=device))
            done += 1
    trained = [
        [
            settle(quantized[m][layer].symbols, codebooks[layer][m, 1:].cpu().numpy().astype(np.float16))
            for layer in range(len(weights))
        ]
        for m in range(len(quantized))
    ]
    return trained, _assemble(codebooks, symbols, biases)


def _gradients(
    family: Family, leaves: list[Tensor], symbols: list[Tensor], inputs: Tensor, labels_MB: Tensor
) -> Parameters:
    for leaf in leaves:
        leaf.requires_grad_()
    parameters = _assemble(leaves[: len(symbols)], symbols, leaves[len(symbols) :])
    logits_MBC = family.forward(parameters, inputs, None)
    nats = cross_entropy(logits_MBC.reshape(-1, logits_MBC.shape[-1]), labels_MB.reshape(-1), reduction="sum")
    gradients = torch.autograd.grad(nats / labels_MB.shape[1], leaves)
    for leaf in leaves:
        leaf.requires_grad_(False)
    return list(gradients)


def _assemble(codebooks: list[Tensor], symbols: list[Tensor], biases: list[Tensor]) -> Parameters:
    """Weights looked up in their codebooks, each followed by the layer's bias."""
    parameters: Parameters = []
    for codebook_MK, symbol, bias in zip(codebooks, symbols, biases, strict=True):
        weight = codebook_MK.gather(1, symbol.flatten(1)).view(symbol.shape)
        parameters += [weight, bias]
    return parameters


def _stack_codebooks(layer: Sequence[Quantized], device: torch.device) -> Tensor:
    width = 1 + max(quantized.codebook.size for quantized in layer)
    rows = [np.pad(q.codebook.astype(np.float32), (1, width - 1 - q.codebook.size)) for q in layer]
    return torch.tensor(np.stack(rows), device=device)
