"""What training minimizes: logits of a batch and its labels (or targets) -> the loss, and the numbers of the curves.

    labels:       loss = -ln p(label)                                                                  in nats
    soft labels:  loss = T² · cross-entropy of softmax(t / T) and softmax(z / T)                 (Hinton et al. 2015)
    logits:       loss = 1/2 · sum over classes of (t - z)²

where z are the logits of the network, t those of its teacher, and T is the temperature. The factor T² keeps the size of
the gradient at any temperature. The curves of a student show the divergence KL(softmax(t) || softmax(z)) in nats and
how often both networks have the same largest logit, whatever its objective is.

Axes: M members, B examples of a batch, C classes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from mdlray.spec import StudentSpec


@dataclass(frozen=True)
class BatchLoss:
    """Per member and example, (M, B) each."""

    loss_MB: Tensor
    """The loss that is minimized; only this tensor has a gradient."""
    nats_MB: Tensor
    """The nats in the curves: the codelength of the label, or a student's divergence from its teacher."""
    right_MB: Tensor
    """Whether the largest logit is that of the label, or of the teacher's largest logit."""


Objective = Callable[[Tensor, Tensor], BatchLoss]
"""(logits (M, B, C), answers: labels (M, B) or a teacher's logits (M, B, C)) -> the batch's loss."""


def label_objective(logits_MBC: Tensor, labels_MB: Tensor) -> BatchLoss:
    """Codelength of the labels in nats."""
    nats_MB = cross_entropy(logits_MBC.reshape(-1, logits_MBC.shape[-1]), labels_MB.reshape(-1), reduction="none")
    nats_MB = nats_MB.view(labels_MB.shape)
    return BatchLoss(nats_MB, nats_MB.detach(), logits_MBC.detach().argmax(-1) == labels_MB)


def student_objective(student: StudentSpec) -> Objective:
    """The distance of a student from its teacher, as `student.targets` measures it."""
    temperature = student.temperature

    def soft_labels(logits_MBC: Tensor, targets_MBC: Tensor) -> Tensor:
        wanted_MBC = torch.softmax(targets_MBC / temperature, -1)
        return -(temperature**2) * (wanted_MBC * torch.log_softmax(logits_MBC / temperature, -1)).sum(-1)

    def squares(logits_MBC: Tensor, targets_MBC: Tensor) -> Tensor:
        return 0.5 * (targets_MBC - logits_MBC).square().sum(-1)

    loss = {"soft_labels": soft_labels, "logits": squares}[student.targets]

    def objective(logits_MBC: Tensor, targets_MBC: Tensor) -> BatchLoss:
        seen_MBC = logits_MBC.detach()
        log_wanted_MBC = torch.log_softmax(targets_MBC, -1)
        nats_MB = (log_wanted_MBC.exp() * (log_wanted_MBC - torch.log_softmax(seen_MBC, -1))).sum(-1)
        return BatchLoss(loss(logits_MBC, targets_MBC), nats_MB, seen_MBC.argmax(-1) == targets_MBC.argmax(-1))

    return objective
