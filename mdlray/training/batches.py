"""The examples on the device, and the order in which each member sees them.

All images of a data set are one uint8 tensor on the device. Labels are one row per member, because they may be
randomized. There is no DataLoader: a batch is a gather and one fused multiply-add. The order of an epoch is a
permutation that is drawn on the CPU from the member's own seed and the epoch, so it is the same on every device and for
any neighbors. Shifts of images are drawn in the same way, if training asks for them. The last, incomplete batch of an
epoch is left out.

Axes: M members, N training examples, B examples of a batch, P pixels, C classes.
"""

import hashlib
import math
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
    """The images of one split, and the labels that each member gets for them."""

    pixels_NP: Tensor
    """uint8, shared by all members."""
    labels_MN: Tensor
    """int64, one row per member."""
    mean: float
    std: float
    max_shift: int = 0
    """The largest shift of an image in `epoch_batches`, in pixels."""
    targets_MNC: Tensor | None = None
    """For students, the logits of each member's teacher, float32; the labels are then the teacher's largest logits."""

    def inputs(self, chosen: Tensor | slice) -> Tensor:
        """Normalized float32 inputs in the shape of the index `chosen`, with the pixels as the last axis."""
        return normalize(self.pixels_NP[chosen], self.mean, self.std)

    def of_members(self, members: Sequence[int]) -> "Examples":
        """The same images with the labels (and targets) of these members only."""
        chosen = list(members)
        targets_MNC = None if self.targets_MNC is None else self.targets_MNC[chosen]
        return replace(self, labels_MN=self.labels_MN[chosen], targets_MNC=targets_MNC)


def place_splits(
    images: Images, members: Sequence[TrialSpec], device: torch.device
) -> tuple[dict[str, Examples], list[float]]:
    """The splits on the device, and per member the fraction of its training labels that randomization changed."""
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
        max_shift = members[0].training.max_shift if name == "train" else 0
        splits[name] = Examples(pixels_NP, labels_on_device_MN, images.mean, images.std, max_shift)
    return splits, [fraction for _, fraction in randomized]


def member_generator(purpose: str, *numbers: int) -> torch.Generator:
    """A CPU generator whose seed is a hash of a purpose and numbers (a seed, an epoch).

    torch's CPU generator uses only the low 32 bits of a seed. So among n streams about n² / 2^33 pairs are equal by
    accident: about one pair among 100,000 streams. This must not be changed, because results follow from the streams.
    """
    text = ":".join([purpose, *map(str, numbers)])
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1
    return torch.Generator().manual_seed(seed)


def epoch_batches(
    examples: Examples, order_seeds: Sequence[int], epoch: int, batch_size: int, student_round: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs (B, P) if all members share one order, else (M, B, P), with labels (M, B), batch after batch.

    Examples with targets give targets (M, B, C) instead of labels. Each round of students has its own orders.
    """
    num_examples = examples.pixels_NP.shape[0]
    device = examples.pixels_NP.device
    answers = examples.labels_MN if examples.targets_MNC is None else examples.targets_MNC
    member_M1 = torch.arange(len(order_seeds), device=device)[:, None]
    orders = {}
    for seed in order_seeds:
        stream = ("student order", student_round, seed, epoch) if student_round else ("order", seed, epoch)
        orders[seed] = torch.randperm(num_examples, generator=member_generator(*stream))
    shared = len(orders) == 1
    order = (orders[order_seeds[0]] if shared else torch.stack([orders[seed] for seed in order_seeds])).to(device)
    move = _Shifts(examples, list(orders), epoch) if examples.max_shift else None
    for start in range(0, num_examples - batch_size + 1, batch_size):
        batch = slice(start, start + batch_size)
        chosen = order[..., batch]
        answers_MB = answers[:, chosen] if shared else answers[member_M1, chosen]
        if move:
            seeds = order_seeds[:1] if shared else order_seeds
            moved = move(examples.pixels_NP[chosen], seeds, batch)
            yield normalize(moved, examples.mean, examples.std), answers_MB
        else:
            yield examples.inputs(chosen), answers_MB


class _Shifts:
    """The shifts of square images in one epoch: a draw per image and order seed, uniform over (2 max_shift + 1)²."""

    def __init__(self, examples: Examples, order_seeds: Sequence[int], epoch: int):
        num_examples, num_pixels = examples.pixels_NP.shape
        side, reach = math.isqrt(num_pixels), examples.max_shift
        if side**2 != num_pixels:
            raise ValueError(f"max_shift is {reach}, but images of {num_pixels} pixels are no squares; set it to 0.")
        place = torch.arange(num_pixels).view(side, side)
        padded = torch.full((side + 2 * reach, side + 2 * reach), num_pixels)
        padded[reach : reach + side, reach : reach + side] = place
        starts = range(2 * reach + 1)
        sources = [padded[y : y + side, x : x + side].flatten() for y in starts for x in starts]
        device = examples.pixels_NP.device
        self.sources_SP = torch.stack(sources).to(device)
        """For each shift, which pixel moves to each place; the number of pixels P stands for black."""
        self.shifts = {
            seed: torch.randint(len(sources), (num_examples,), generator=member_generator("shift", seed, epoch)).to(
                device
            )
            for seed in order_seeds
        }

    def __call__(self, pixels: Tensor, order_seeds: Sequence[int], batch: slice) -> Tensor:
        """The shifted pixels: (B, P) of one order seed, or (M, B, P) of several."""
        drawn = [self.shifts[seed][batch] for seed in order_seeds]
        sources = self.sources_SP[drawn[0] if pixels.ndim == 2 else torch.stack(drawn)]
        return torch.nn.functional.pad(pixels, (0, 1)).gather(-1, sources)


def num_batches(num_examples: int, batch_size: int) -> int:
    """The number of steps in an epoch; ValueError if the data set is smaller than one batch."""
    if batch_size > num_examples:
        raise ValueError(f"batch_size is {batch_size}, it must be at most the {num_examples} training examples.")
    return num_examples // batch_size
