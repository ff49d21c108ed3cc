"""Examples on the device and the order in which each member sees them.

All pictures of a data set lie on the device as one uint8 tensor; labels are one row per member (they may be
randomized). There is no DataLoader: a batch is a gather and one fused multiply-add. An epoch's order is a permutation
drawn on the CPU from the member's own seed and the epoch: the same on every device and for any neighbors. The last,
incomplete batch of an epoch is left out.

Axes: M members, N training examples, B examples of a batch, P pixels.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mdlray.data import Images, randomize_labels
from mdlray.models.network import normalize
from mdlray.spec import TrialSpec


@dataclass(frozen=True)
class Examples:
    """Pictures of one split and the labels each member is given for them."""

    pixels_NP: Tensor
    """uint8, shared by all members."""
    labels_MN: Tensor
    """int64, one row per member."""
    mean: float
    std: float

    def inputs(self, chosen: Tensor | slice) -> Tensor:
        """Normalized float32 inputs, of the index's shape with the pixels as last axis."""
        return normalize(self.pixels_NP[chosen], self.mean, self.std)

    def of_members(self, members: Sequence[int]) -> "Examples":
        """The same pictures with the labels of some of the members."""
        return replace(self, labels_MN=self.labels_MN[list(members)])


def place_splits(
    images: Images, members: Sequence[TrialSpec], device: torch.device
) -> tuple[dict[str, Examples], list[float]]:
    """The splits on the device, training labels as each member has them, and the fraction of those that changed."""
    randomized = [
        randomize_labels(
            images.labels_N[images.train],
            spec.data.label_randomization_fraction,
            spec.seeds.randomization,
            images.num_classes,
        )
        for spec in members
    ]
    labels = {
        "train": np.stack([labels_N for labels_N, _ in randomized]),
        "validation": images.labels_N[None, images.validation],
        "test": images.labels_N[None, images.test],
    }
    splits = {}
    for name, labels_MN in labels.items():
        pixels_NP = torch.tensor(images.pixels_NP[getattr(images, name)]).to(device)
        labels_on_device_MN = torch.tensor(labels_MN, dtype=torch.int64).to(device).expand(len(members), -1)
        splits[name] = Examples(pixels_NP, labels_on_device_MN, images.mean, images.std)
    return splits, [fraction for _, fraction in randomized]


def member_generator(purpose: str, *numbers: int) -> torch.Generator:
    """A CPU generator of its own for each purpose and numbers (a seed, an epoch): streams never overlap by accident."""
    text = ":".join([purpose, *map(str, numbers)])
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1
    return torch.Generator().manual_seed(seed)


def epoch_batches(
    examples: Examples, order_seeds: Sequence[int], epoch: int, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs (B, P) if all members share one order, else (M, B, P), with labels (M, B), batch after batch."""
    num_examples = examples.pixels_NP.shape[0]
    device = examples.pixels_NP.device
    orders = {
        seed: torch.randperm(num_examples, generator=member_generator("order", seed, epoch)) for seed in order_seeds
    }
    shared = len(orders) == 1
    order = (orders[order_seeds[0]] if shared else torch.stack([orders[seed] for seed in order_seeds])).to(device)
    for start in range(0, num_examples - batch_size + 1, batch_size):
        chosen = order[..., start : start + batch_size]
        labels_MB = examples.labels_MN[:, chosen] if shared else examples.labels_MN.gather(1, chosen)
        yield examples.inputs(chosen), labels_MB


def num_batches(num_examples: int, batch_size: int) -> int:
    """Steps in an epoch; ValueError if the data set is smaller than one batch."""
    if batch_size > num_examples:
        raise ValueError(f"batch_size is {batch_size}, it must be at most the {num_examples} training examples.")
    return num_examples // batch_size
