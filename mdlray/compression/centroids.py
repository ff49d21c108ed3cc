"""Codebooks and biases trained after quantization, with fixed symbols (trained quantization; Han et al. 2016, §3.3).

The gradient of a codebook entry is the sum of the gradients of the weights that use it. The whole stack is trained at
once: the codebooks of a layer are one (M, K + 1) tensor, whose entry 0 is the zero of removed weights and never moves.
The optimizer is Adam, because the gradient of an entry grows with the number of its weights. The learning rate falls to
zero along a cosine.

On a uniform grid only the step is trained. It is represented by the size of the grid's largest entry, so that Adam
moves that entry as far as any other entry. If entries, steps or biases are to have few mantissa bits, the loss is
computed with rounded numbers, and its gradient moves the unrounded ones (`mdlray.compression.rounding`). So biases can
make up for what codebooks lose.

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
from mdlray.models import Family, Parameters
from mdlray.spec import CompressionSpec, TrialSpec
from mdlray.training import OPTIMIZERS, Examples, epoch_batches

LEARNING_RATE = 1e-3
MOMENTUM = 0.9


def train_centroids(
    family: Family,
    parameters: Parameters,
    quantized: Sequence[Sequence[Quantized]],
    examples: Examples,
    members: Sequence[TrialSpec],
) -> tuple[list[list[Quantized]], Parameters]:
    """Trained codebooks, `[member][layer]`, and parameters whose plain tensors were trained together with them.

    The members share `centroid_epochs`. The epochs are counted on from those of the training, so that every epoch has a
    data order of its own.
    """
    training, num_epochs = members[0].training, members[0].compression.centroid_epochs
    trainable = TrainableStack(family, parameters, quantized, members, examples.pixels_NP.device)
    leaves = trainable.leaves
    order_seeds = [spec.seeds.data_order for spec in members]
    momentum_M = torch.full((len(members),), MOMENTUM, device=examples.pixels_NP.device)
    step = OPTIMIZERS["adam"](leaves, momentum_M)
    num_steps = num_epochs * (examples.pixels_NP.shape[0] // training.batch_size)
    for epoch in range(training.num_epochs + 1, training.num_epochs + num_epochs + 1):
        for inputs, labels_MB in epoch_batches(examples, order_seeds, epoch, training.batch_size):
            rate = LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * step.num_steps / num_steps))
            step(leaves, trainable.gradients(inputs, labels_MB), torch.full_like(momentum_M, rate))
    return trainable.quantized(), trainable.parameters()


class TrainableStack:
    """A stack whose weights are looked up in codebooks: its trainable tensors, and its parameters, which follow."""

    def __init__(
        self,
        family: Family,
        parameters: Parameters,
        quantized: Sequence[Sequence[Quantized]],
        members: Sequence[TrialSpec],
        device: torch.device,
    ):
        self.family = family
        choices = [spec.compression for spec in members]
        by_layer = zip(*quantized, strict=True)
        self.layers = dict(
            zip(family.prunable(parameters), (_Layer(layer, choices, device) for layer in by_layer), strict=True)
        )
        """One for each weight tensor, by its position among the parameters."""
        self.plain = {index: p.clone() for index, p in enumerate(parameters) if index not in self.layers}
        """All other tensors, by their position."""
        self.plain_bits_M = torch.tensor([choice.bias_mantissa_bits for choice in choices], device=device)

    @property
    def leaves(self) -> list[Tensor]:
        """The tensors that the optimizer changes: codebooks, largest entries of uniform grids, plain tensors."""
        layers = self.layers.values()
        return [layer.codebook_MK for layer in layers] + [layer.top_M1 for layer in layers] + [*self.plain.values()]

    def parameters(self) -> Parameters:
        """The parameters of the stack in the family's order, rounded to the mantissa bits of each member."""
        tensors = {index: layer.weights() for index, layer in self.layers.items()}
        for index, values in self.plain.items():
            bits = self.plain_bits_M.view(-1, *[1] * (values.ndim - 1))
            tensors[index] = straight_through(values, bits)
        return [tensors[index] for index in range(len(tensors))]

    def gradients(self, inputs: Tensor, labels_MB: Tensor) -> list[Tensor]:
        """The gradients of every member's mean loss per example, in the order of the leaves."""
        leaves = self.leaves
        for leaf in leaves:
            leaf.requires_grad_()
        logits_MBC = self.family.forward(self.parameters(), inputs, None)
        nats = cross_entropy(logits_MBC.reshape(-1, logits_MBC.shape[-1]), labels_MB.reshape(-1), reduction="sum")
        gradients = list(torch.autograd.grad(nats / labels_MB.shape[1], leaves))
        for leaf in leaves:
            leaf.requires_grad_(False)
        for gradient_MK in gradients[: len(self.layers)]:
            gradient_MK[:, 0] = 0  # the zero of removed weights never moves
        return gradients

    def quantized(self) -> list[list[Quantized]]:
        """The codebooks as they are now, `[member][layer]`."""
        return [list(member) for member in zip(*(layer.quantized() for layer in self.layers.values()), strict=True)]


class _Layer:
    """One weight tensor of the stack as symbols: its codebooks and tops are trained, and its weights follow from them.

    The top of a uniform grid is the size of its largest entry.
    """

    def __init__(self, members: Sequence[Quantized], choices: Sequence[CompressionSpec], device: torch.device):
        width = 1 + max(quantized.codebook.size for quantized in members)
        self.members = members
        self.symbols = torch.tensor(np.stack([quantized.symbols for quantized in members]), device=device)
        self.codebook_MK = _rows([quantized.codebook.astype(np.float32) for quantized in members], width, device)
        self.multiples_MK = _rows([quantized.multiples.astype(np.float32) for quantized in members], width, device)
        self.largest_multiple_M1 = self.multiples_MK.abs().amax(dim=1, keepdim=True).clamp(min=1)
        steps_M1 = torch.tensor([[quantized.step or 0.0] for quantized in members], device=device)
        self.top_M1 = steps_M1 * self.largest_multiple_M1
        self.uniform_M1 = torch.tensor([[quantized.step is not None] for quantized in members], device=device)
        self.bits_M1 = torch.tensor([[choice.codebook_mantissa_bits] for choice in choices], device=device)

    def steps_M1(self) -> Tensor:
        """The steps of uniform grids, rounded; zeros for other members."""
        return straight_through(self.top_M1 / self.largest_multiple_M1, self.bits_M1)

    def entries_MK(self) -> Tensor:
        """The codebooks that the weights use: rounded, and on a uniform grid the multiples of the rounded step."""
        free_MK = straight_through(self.codebook_MK, self.bits_M1)
        return torch.where(self.uniform_M1, self.steps_M1() * self.multiples_MK, free_MK)

    def weights(self) -> Tensor:
        """The weights (M, ...) that the symbols stand for."""
        return self.entries_MK().gather(1, self.symbols.flatten(1)).view(self.symbols.shape)

    def quantized(self) -> list[Quantized]:
        """The quantized tensor of each member, with its entries as float16."""
        entries_MK, steps_M1 = self.entries_MK().cpu(), self.steps_M1().cpu()
        return [
            settle(
                before.symbols,
                entries_MK[m, 1:].numpy().astype(np.float16),
                None if before.step is None else float(steps_M1[m, 0]),
            )
            for m, before in enumerate(self.members)
        ]


def _rows(arrays: Sequence[NDArray[np.float32]], width: int, device: torch.device) -> Tensor:
    """One row per member: a zero, its array, and zeros up to the width."""
    return torch.tensor(np.stack([np.pad(row, (1, width - 1 - row.size)) for row in arrays]), device=device)
