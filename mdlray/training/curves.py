"""Training curves: scores and sparsity of each member, epoch by epoch, as rows of `curves.parquet`.

An epoch has one number per member of the stack that training began with. A member that was stopped early has NaN from
then on, and no rows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mdlray.training.evaluation import Score


@dataclass(frozen=True)
class Curves:
    """One entry per epoch, with one number per member that training began with."""

    train: list[Score] = field(default_factory=list)
    """Summed over the batches of the epoch, while the weights change."""
    validation: list[Score] = field(default_factory=list)
    """After the epoch."""
    sparsity: list[Tensor] = field(default_factory=list)
    """The fraction of the member's weights that is zero after the epoch."""

    def add(self, members: Sequence[int], of: int, train: Score, validation: Score, sparsity_M: Tensor) -> None:
        """Add an epoch of the members that are still in the stack; training began with `of` members."""
        for scores, score in ((self.train, train), (self.validation, validation)):
            scores.append(Score(_spread(score.nats_M, members, of), _spread(score.accuracy_M, members, of)))
        self.sparsity.append(_spread(sparsity_M, members, of))

    def rows(self, member: int, num_epochs: int, num_train: int, num_validation: int) -> list[dict[str, Any]]:
        """The member's rows of its first `num_epochs` epochs, without the columns of its trial.

        `num_train` and `num_validation` are the numbers of examples, by which sums of nats become means.
        """
        rows = []
        for epoch in range(num_epochs):
            train_nats, train_accuracy = self.train[epoch].member(member)
            nats, accuracy = self.validation[epoch].member(member)
            row = {"epoch": epoch + 1, "train_nats_per_example": train_nats / num_train}
            row |= {"validation_nats_per_example": nats / num_validation, "train_accuracy": train_accuracy}
            rows.append(row | {"validation_accuracy": accuracy, "sparsity": float(self.sparsity[epoch][member])})
        return rows


def _spread(values_M: Tensor, members: Sequence[int], of: int) -> Tensor:
    spread = torch.full((of,), math.nan, dtype=values_M.dtype)
    spread[list(members)] = values_M
    return spread
