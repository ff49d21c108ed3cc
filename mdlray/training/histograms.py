"""Histograms of the weights of a stack, layer by layer: before and after the last pruning step, and after training.

Bins have equal width over [-max |w|, max |w|], where w are the weights of one layer of one member. A bin contains its
lower edge, and the last bin also its upper edge (as in `numpy.histogram`). Weights that are zero are in no bin.

Counting takes a few operations per member and layer on the device of the weights, and one copy to the CPU for all
members that are counted together. Training counts twice per member, before and after its last pruning step.

Axes: D members that are counted, W weights of a layer.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from mdlray.models import Family, Parameters

NUM_BINS = 64
BEFORE, AFTER, TRAINED = "before_last_pruning", "after_last_pruning", "trained"


@dataclass(frozen=True)
class Histogram:
    """The weights of one layer of one member at one moment; columns of the table `weights`."""

    moment: str
    epoch: float
    """Epochs done."""
    num_zero: int
    low: float
    high: float
    counts: list[int]


Histograms = list[list[Histogram]]
"""Per member the histograms that were counted so far: all layers at one moment, then all layers at the next."""


def count_weights(weights: Parameters, moment: str, epochs: Sequence[float]) -> Histograms:
    """Per member one histogram per weight tensor (D, ...); `epochs` are the epochs that each member has done."""
    layers = []
    for tensor in weights:
        highs_D = tensor.abs().flatten(1).amax(1)
        # Member by member, because bin numbers of all weights of a stack would need more memory than training.
        counts = torch.stack([_counts(*pair) for pair in zip(tensor.flatten(1), highs_D, strict=True)])
        layers.append(list(zip(highs_D.tolist(), counts.tolist(), strict=True)))
    return [
        [Histogram(moment, epoch, counts[-1], 0.0 - high, high, counts[:-1]) for high, counts in member]
        for epoch, member in zip(epochs, zip(*layers, strict=True), strict=True)
    ]


def histogram_rows(
    family: Family,
    histograms: Histograms,
    parameters: Parameters,
    trained_epochs: Sequence[int],
    layer_names: Sequence[str],
) -> list[list[dict[str, Any]]]:
    """Per member of a pack its rows of the table `weights`, without a trial.

    `histograms` is what training counted, `parameters` are those at its end, which are counted here; `layer_names` has
    one name per parameter.
    """
    names = [layer_names[index] for index in family.prunable(parameters)]
    trained = count_weights(family.weights(parameters), TRAINED, [float(epochs) for epochs in trained_epochs])
    return [
        [{"layer": names[number % len(names)]} | asdict(one) for number, one in enumerate([*earlier, *last])]
        for earlier, last in zip(histograms, trained, strict=True)
    ]


def _counts(weights_W: Tensor, high: Tensor) -> Tensor:
    """Weights per bin, and as the last number those that are zero."""
    # In float64 the quotient of float32 numbers never rounds across an edge. It is 0 / 0 if all weights are zero.
    place_W = (weights_W.double() * (NUM_BINS // 2) / high.double()).nan_to_num(0.0).floor() + NUM_BINS // 2
    bin_W = place_W.clamp(0, NUM_BINS - 1).long().masked_fill(weights_W == 0, NUM_BINS)
    counts = torch.zeros(NUM_BINS + 1, dtype=torch.int64, device=weights_W.device)
    return counts.scatter_add_(0, bin_W, torch.ones_like(bin_W))
