"""The score of each member of a stack on a split: nats and accuracy.

Nats are the codelength of the labels given the inputs, -sum ln p(label), in double precision. Accuracy is the fraction
of examples whose label has the largest logit.

Axes: M members, N examples, B examples of a chunk, C classes.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from mdlray.models import Family, Parameters
from mdlray.training.batches import Examples

CHUNK = 1000
"""Examples per product; bounds memory at M · CHUNK · units."""


@dataclass(frozen=True)
class Score:
    """Per member: the total nats of the labels and the accuracy (float64, on the CPU)."""

    nats_M: Tensor
    accuracy_M: Tensor

    def member(self, index: int) -> "MemberScore":
        """The score of one member."""
        return MemberScore(float(self.nats_M[index]), float(self.accuracy_M[index]))


class MemberScore(NamedTuple):
    """The total nats of the labels and the accuracy of one network."""

    nats: float
    accuracy: float


@torch.no_grad()
def evaluate(family: Family, parameters: Parameters, examples: Examples) -> Score:
    """Score every member on all examples."""
    members, num_examples = examples.labels_MN.shape
    nats_M = torch.zeros(members, dtype=torch.float64, device=examples.pixels_NP.device)
    right_M = torch.zeros_like(nats_M)
    for start in range(0, num_examples, CHUNK):
        chosen = slice(start, start + CHUNK)
        logits_MBC = family.forward(parameters, examples.inputs(chosen), None)
        labels_MB = examples.labels_MN[:, chosen]
        nats_MB = cross_entropy(logits_MBC.reshape(-1, logits_MBC.shape[-1]), labels_MB.reshape(-1), reduction="none")
        nats_M += nats_MB.view(members, -1).sum(1, dtype=torch.float64)
        right_M += (logits_MBC.argmax(-1) == labels_MB).sum(1)
    return Score(nats_M.cpu(), (right_M / num_examples).cpu())
