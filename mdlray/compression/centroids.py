"""Codebooks and biases trained after k-means, with the symbols fixed (Han et al. 2016, §3.3: trained quantization).

The gradient of a codebook entry is the sum of the gradients of the weights that use it. The whole stack is trained at
once: codebooks lie in one (M, K + 1) tensor per layer whose entry 0 is the zero of pruned weights and never moves.
Adam, because the gradient of an entry grows with the number of its weights; its rate falls to zero along a cosine.

On a uniform grid the one thing that is trained is the step, as the size of the grid's largest entry: so Adam moves that
entry as far as any other. Where entries, steps or biases are to have few mantissa bits, the loss is that of the rounded
ones and its gradient moves those behind them (`mdlray.compression.rounding`): biases make up for what codebooks lose.

Axes: M members, K codebook entries of the longest codebook in the stack.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from mdlray.compression.quantization import Quantized, settle
from mdlray.compression.rounding import straight_through
from mdlray.models import Family, Parameters, prunable
from mdlray.spec import CompressionSpec
from mdlray.training import OPTIMIZERS, Examples, epoch_batches

LEARNING_RATE = 1e-3
MOMENTUM = 0.9


def train_centroids(
    family: Family,
    parameters: Parameters,
    quantized: Sequence[Sequence[Quantized]],
    examples: Examples,
    *,
    choices: Sequence[CompressionSpec],
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
    layers = [_Layer([member[layer] for member in quantized], choices, device) for layer in range(len(weights))]
    codebooks = [layer.codebook_MK for layer in layers]
    tops = [layer.top_M1 for layer in layers]
    biases = [p.clone() for index, p in enumerate(parameters) if index not in weights]
    leaves = codebooks + tops + biases
    bias_bits_M1 = torch.tensor([[choice.bias_mantissa_bits] for choice in choices], device=device)
    step = OPTIMIZERS["adam"](leaves, torch.full((len(quantized),), MOMENTUM, device=device))
    num_steps = num_epochs * (examples.pixels_NP.shape[0] // batch_size)
    done = 0
    for epoch in range(first_epoch, first_epoch + num_epochs):
        for inputs, labels_MB in epoch_batches(examples, order_seeds, epoch, batch_size):
            rate = LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * done / num_steps))
            gradients = _gradients(family, leaves, layers, bias_bits_M1, inputs, labels_MB)
            for gradient_MK in gradients[: len(weights)]:
                gradient_MK[:, 0] = 0
            step(leaves, gradients, torch.full((len(quantized),), rate, device=device))
            done += 1
    entries = [layer.entries(*pair).cpu() for layer, *pair in zip(layers, codebooks, tops, strict=True)]
    steps = [layer.step(top_M1).cpu() for layer, top_M1 in zip(layers, tops, strict=True)]
    trained = [
        [
            settle(
                quantized[m][layer].symbols,
                entries[layer][m, 1:].numpy().astype(np.float16),
                None if quantized[m][layer].step is None else float(steps[layer][m, 0]),
            )
            for layer in range(len(weights))
        ]
        for m in range(len(quantized))
    ]
    return trained, _assemble(layers, leaves, bias_bits_M1)


class _Layer:
    """What of a layer is trained (codebooks, tops), and how that becomes the entries and the weights of the stack."""

    def __init__(self, members: Sequence[Quantized], choices: Sequence[CompressionSpec], device: torch.device):
        width = 1 + max(quantized.codebook.size for quantized in members)
        self.symbols = torch.tensor(np.stack([quantized.symbols for quantized in members]), device=device)
        self.codebook_MK = _rows([quantized.codebook.astype(np.float32) for quantized in members], width, device)
        multiples_MK = _rows([quantized.multiples.astype(np.float32) for quantized in members], width, device)
        self.most_M1 = multiples_MK.abs().amax(dim=1, keepdim=True).clamp(min=1)
        self.multiples_MK = multiples_MK
        self.top_M1 = torch.tensor([[quantized.step or 0.0] for quantized in members], device=device) * self.most_M1
        self.uniform_M1 = torch.tensor([[quantized.step is not None] for quantized in members], device=device)
        self.bits_M1 = torch.tensor([[choice.codebook_mantissa_bits] for choice in choices], device=device)

    def step(self, top_M1: Tensor) -> Tensor:
        """The steps of uniform grids, rounded; zeros for other members."""
        return straight_through(top_M1 / self.most_M1, self.bits_M1)

    def entries(self, codebook_MK: Tensor, top_M1: Tensor) -> Tensor:
        """Codebooks as they are used: rounded, and multiples of a step where the grid is uniform."""
        free_MK = straight_through(codebook_MK, self.bits_M1)
        return torch.where(self.uniform_M1, self.step(top_M1) * self.multiples_MK, free_MK)


def _gradients(
    family: Family,
    leaves: list[Tensor],
    layers: list[_Layer],
    bias_bits_M1: Tensor,
    inputs: Tensor,
    labels_MB: Tensor,
) -> Parameters:
    for leaf in leaves:
        leaf.requires_grad_()
    parameters = _assemble(layers, leaves, bias_bits_M1)
    logits_MBC = family.forward(parameters, inputs, None)
    nats = cross_entropy(logits_MBC.reshape(-1, logits_MBC.shape[-1]), labels_MB.reshape(-1), reduction="sum")
    gradients = torch.autograd.grad(nats / labels_MB.shape[1], leaves)
    for leaf in leaves:
        leaf.requires_grad_(False)
    return list(gradients)


def _assemble(layers: list[_Layer], leaves: list[Tensor], bias_bits_M1: Tensor) -> Parameters:
    """Weights looked up in their codebooks, each followed by the layer's bias; leaves are codebooks, tops, biases."""
    parameters: Parameters = []
    count = len(layers)
    for layer, codebook_MK, top_M1, bias in zip(
        layers, leaves[:count], leaves[count : 2 * count], leaves[2 * count :], strict=True
    ):
        symbols = layer.symbols
        weight = layer.entries(codebook_MK, top_M1).gather(1, symbols.flatten(1)).view(symbols.shape)
        parameters += [weight, straight_through(bias, bias_bits_M1)]
    return parameters


def _rows(arrays: Sequence[NDArray[np.float32]], width: int, device: torch.device) -> Tensor:
    """One row per member behind a zero, filled up with zeros."""
    return torch.tensor(np.stack([np.pad(row, (1, width - 1 - row.size)) for row in arrays]), device=device)
