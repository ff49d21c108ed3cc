"""The stacked loop: all members of a pack are trained at once, as one model with a member axis.

Per member: seeds, data order, labels, learning rate, momentum, penalty and its strength, dropout, and whatever the
`prune` hook does to it. Shared: shapes, pictures, batch size, number of epochs, optimizer (`TrialSpec.stack_key`).

Losses of different members never meet: the gradient of their sum is every member's own gradient. A member whose loss
is no longer finite, or whose weights leave the range of float16, is diverged: the epoch is noted, its numbers stay its
own.

Axes: M members, S steps, B examples of a batch, C classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from mdlray.models import Family, Parameters, prunable
from mdlray.models.family import Dropout, initialize
from mdlray.registry import find
from mdlray.spec import TrialSpec
from mdlray.training.batches import Examples, epoch_batches, member_generator, num_batches
from mdlray.training.evaluation import Score, evaluate
from mdlray.training.optimizers import OPTIMIZERS
from mdlray.training.regularizers import REGULARIZERS, add_penalty_gradient, member_strengths
from mdlray.training.schedules import LEARNING_RATE_SCHEDULES

Prune = Callable[[int, Parameters], None]
"""(steps done, parameters): called after every step, may set weights to zero and must keep them there."""


@dataclass(frozen=True)
class Fitted:
    """A trained stack."""

    parameters: Parameters
    train: list[Score]
    """One score per epoch, running over its batches while the weights change."""
    validation: list[Score]
    """One score per epoch, after it."""
    sparsity: list[Tensor]
    """Per epoch, after it, the fraction of each member's weights that is zero."""
    diverged_epoch: list[int | None]
    """Per member the first epoch (from 1) whose loss or weights are out of range."""
    examples_per_epoch: int
    """What the sums of `train` run over: whole batches only."""


def fit(
    family: Family,
    sizes: tuple[int, ...],
    members: Sequence[TrialSpec],
    train: Examples,
    validation: Examples,
    prune: Prune,
) -> Fitted:
    """Train the members together; `sizes` are layer sizes from input to output, e.g. (784, 100, 10)."""
    shared = members[0].training
    device = train.pixels_NP.device
    starts = [member_generator("initialization", spec.seeds.initialization) for spec in members]
    parameters = [p.to(device) for p in initialize(family.shapes(sizes), starts)]
    step = find(OPTIMIZERS, "optimizer", shared.optimizer)(
        parameters, _per_member([spec.training.momentum for spec in members], device)
    )
    strengths = _strengths(members, device)
    dropout = _dropout(members)
    base_rate_M = _per_member([spec.training.learning_rate for spec in members], device)
    schedules = [
        find(LEARNING_RATE_SCHEDULES, "learning_rate_schedule", s.training.learning_rate_schedule) for s in members
    ]
    order_seeds = [spec.seeds.data_order for spec in members]
    steps_per_epoch = num_batches(train.pixels_NP.shape[0], shared.batch_size)
    examples_per_epoch = steps_per_epoch * shared.batch_size
    num_steps = steps_per_epoch * shared.num_epochs
    weights = prunable(parameters)
    train_scores: list[Score] = []
    validation_scores: list[Score] = []
    sparsity: list[Tensor] = []
    diverged: list[int | None] = [None] * len(members)
    done = 0
    for epoch in range(1, shared.num_epochs + 1):
        running = _Running(len(members), device)
        rates_SM = _rates(schedules, base_rate_M, range(done, done + steps_per_epoch), num_steps)
        batches = epoch_batches(train, order_seeds, epoch, shared.batch_size)
        for rate_M, (inputs, labels_MB) in zip(rates_SM, batches, strict=True):
            gradients = running.gradients(family, parameters, inputs, labels_MB, dropout)
            with torch.no_grad():
                for index in weights:
                    add_penalty_gradient(gradients[index], parameters[index], strengths)
                step(parameters, gradients, rate_M)
                done += 1
                prune(done, parameters)
        train_scores.append(running.score(examples_per_epoch))
        validation_scores.append(evaluate(family, parameters, validation))
        sparsity.append(_sparsity([parameters[index] for index in weights]))
        for member in (~train_scores[-1].nats_M.isfinite()).nonzero().flatten().tolist():
            diverged[member] = diverged[member] or epoch
    for member in (~_codable(parameters)).nonzero().flatten().tolist():
        diverged[member] = diverged[member] or shared.num_epochs
    return Fitted(parameters, train_scores, validation_scores, sparsity, diverged, examples_per_epoch)


class _Running:
    """Sums of an epoch's losses and hits, kept on the device so that no step waits for the CPU."""

    def __init__(self, members: int, device: torch.device):
        self.nats_M = torch.zeros(members, dtype=torch.float64, device=device)
        self.right_M = torch.zeros(members, dtype=torch.float64, device=device)

    def gradients(
        self, family: Family, parameters: Parameters, inputs: Tensor, labels_MB: Tensor, dropout: Dropout | None
    ) -> Parameters:
        """Gradients of every member's mean loss in nats per example, regularization not included."""
        leaves = [parameter.requires_grad_() for parameter in parameters]
        logits_MBC = family.forward(leaves, inputs, dropout)
        nats_MB = cross_entropy(logits_MBC.reshape(-1, logits_MBC.shape[-1]), labels_MB.reshape(-1), reduction="none")
        nats_MB = nats_MB.view(labels_MB.shape)
        gradients = torch.autograd.grad(nats_MB.sum() / labels_MB.shape[1], leaves)
        for parameter in parameters:
            parameter.requires_grad_(False)
        self.nats_M += nats_MB.detach().sum(1)
        self.right_M += (logits_MBC.detach().argmax(-1) == labels_MB).sum(1)
        return list(gradients)

    def score(self, num_examples: int) -> Score:
        """The sums as a score over that many examples."""
        return Score(self.nats_M.cpu(), (self.right_M / num_examples).cpu())


def _rates(schedules: Sequence[Callable[[float], float]], base_rate_M: Tensor, steps: range, num_steps: int) -> Tensor:
    """Learning rates of all members in these steps; an epoch at once, because a GPU waits for every small copy."""
    factors = {schedule: [schedule(step / num_steps) for step in steps] for schedule in set(schedules)}
    factors_SM = torch.tensor([factors[schedule] for schedule in schedules]).T
    return base_rate_M * factors_SM.to(base_rate_M.device)


def _codable(parameters: Parameters) -> Tensor:
    """Per member, whether all its weights fit into float16: the last step may throw them out after a finite loss."""
    limit = torch.finfo(torch.float16).max
    return torch.stack([(parameter.abs() <= limit).flatten(1).all(1) for parameter in parameters]).all(0).cpu()


def _sparsity(weights: Parameters) -> Tensor:
    zeros_M = sum((weight == 0).flatten(1).sum(1) for weight in weights)
    return torch.as_tensor(zeros_M).cpu() / sum(weight[0].numel() for weight in weights)


def _per_member(values: Sequence[float], device: torch.device) -> Tensor:
    return torch.tensor(values).to(device)


def _strengths(members: Sequence[TrialSpec], device: torch.device) -> dict[str, Tensor]:
    names = [spec.training.regularizer for spec in members]
    for name in names:
        find(REGULARIZERS, "regularizer", name)
    return member_strengths(names, [spec.training.regularizer_strength for spec in members], device)


def _dropout(members: Sequence[TrialSpec]) -> Dropout | None:
    rates = [spec.training.dropout for spec in members]
    generators = [member_generator("dropout", spec.seeds.initialization) for spec in members]
    return Dropout(rates, generators) if any(rates) else None
