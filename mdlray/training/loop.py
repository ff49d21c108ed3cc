"""The stacked loop: all members are trained together, as one model whose tensors have a member axis.

Each member has its own seeds, data order, labels, learning rate, momentum, penalty and its strength, dropout, and
whatever the `prune` hook does to it. All members share shapes, images, batch size, number of epochs and optimizer
(`TrialSpec.stack_key`). The loss is the cross-entropy of the labels, or another `objective` if students are fitted.

The losses of the members are added. No loss depends on the weights of another member, so the gradient of the sum is
every member's own gradient. A member has diverged if its loss is not finite or its weights leave the range of float16:
the epoch is noted, and the other members are unaffected. With `halving`, members are stopped early
(`mdlray.training.halving`), and then the steps of the others cost less.

Axes: M members, S steps, B examples of a batch, C classes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mdlray.models import Family, Parameters
from mdlray.models.family import Dropout
from mdlray.planning import Halving
from mdlray.registry import find
from mdlray.spec import TrialSpec
from mdlray.training.batches import Examples, epoch_batches, num_batches
from mdlray.training.curves import Curves
from mdlray.training.evaluation import Score, evaluate
from mdlray.training.halving import bracket, rung_epochs, survivors
from mdlray.training.histograms import Histograms
from mdlray.training.isolation import Errors
from mdlray.training.objectives import Objective, label_objective
from mdlray.training.regularizers import REGULARIZERS, add_penalty_gradient, member_strengths
from mdlray.training.schedules import LEARNING_RATE_SCHEDULES
from mdlray.training.state import Masks, State, all_parameters, drop_members, start

Prune = Callable[[int, Sequence[int], Parameters, Masks | None, Histograms, Errors], Masks | None]
"""(steps done, members in the stack, their parameters, their masks, histograms and failures of all members) -> masks.

It is called after every step. It may set weights to zero, and must then keep them there. It may add histograms and
failures."""


@dataclass(frozen=True)
class Fitted:
    """A trained stack in the order of `members`; a member that was stopped early is as it was at that time."""

    parameters: Parameters
    curves: Curves
    diverged_epoch: list[int | None]
    """Per member the first epoch (from 1) whose loss or weights are out of range; None if there is none."""
    trained_epochs: list[int]
    """Per member the number of epochs; fewer than in its spec if it was stopped early."""
    examples_per_epoch: int
    """The number of examples that the sums of `curves.train` run over: whole batches only."""
    histograms: Histograms
    """Per member the histograms of its weights around its last pruning step."""
    failed: Errors = field(default_factory=dict)
    """The members whose own code (e.g. their saliency) failed, each with the traceback."""

    def error(self, member: int) -> str | None:
        """The reason why this member has no usable network; None if it has one."""
        if member in self.failed:
            return self.failed[member]
        epoch = self.diverged_epoch[member]
        if epoch is None:
            return None
        return f"diverged: loss or weights out of range in epoch {epoch}; try a lower learning_rate."


def fit(
    family: Family,
    sizes: tuple[int, ...],
    members: Sequence[TrialSpec],
    train: Examples,
    validation: Examples,
    prune: Prune,
    *,
    halving: Halving | None = None,
    begin: State | None = None,
    after_epoch: Callable[[State], None] | None = None,
    objective: Objective = label_objective,
) -> Fitted:
    """Train the members together; `sizes` are layer sizes from input to output, e.g. (784, 100, 10).

    `begin` is the state to continue from. `after_epoch` gets the state after every epoch, and must not change it.
    `objective` is the loss; it compares logits with the labels or targets of `train`.
    """
    shared = members[0].training
    state = begin or start(family, sizes, members, train.pixels_NP.device)
    steps_per_epoch = num_batches(train.pixels_NP.shape[0], shared.batch_size)
    shapes = family.shapes(sizes)
    num_weights = sum(math.prod(shapes[index]) for index in family.weight_positions(shapes))
    brackets = [bracket(spec, num_weights) for spec in members]
    rungs = rung_epochs(halving, shared.num_epochs)
    stack_inputs = _StackInputs(members, state.members, train, validation)
    while state.epoch < shared.num_epochs:
        _train_epoch(family, state, stack_inputs, prune, steps_per_epoch, objective)
        if halving and state.epoch in rungs:
            accuracy_M = state.curves.validation[-1].accuracy_M
            unusable = {m for m in state.members if state.diverged_epoch[m] or m in state.failed}
            accuracies = [math.nan if m in unusable else float(accuracy_M[m]) for m in state.members]
            staying = survivors([brackets[m] for m in state.members], accuracies, halving.keep)
            drop_members(state, members, [state.members[place] for place in staying])
            stack_inputs = _StackInputs(members, state.members, train, validation)
        if after_epoch:
            after_epoch(state)
    parameters = all_parameters(state)
    diverged = list(state.diverged_epoch)
    for member in (~_codable(parameters)).nonzero().flatten().tolist():
        diverged[member] = diverged[member] or state.trained_epochs[member]
    examples = steps_per_epoch * shared.batch_size
    return Fitted(parameters, state.curves, diverged, state.trained_epochs, examples, state.histograms, state.failed)


class _StackInputs:
    """What the members in the stack are trained with: it follows from their specs and does not change."""

    def __init__(self, specs: Sequence[TrialSpec], members: Sequence[int], train: Examples, validation: Examples):
        stack = [specs[member] for member in members]
        device = train.pixels_NP.device
        whole = len(stack) == len(specs)
        self.train = train if whole else train.of_members(members)
        self.validation = validation if whole else validation.of_members(members)
        self.training = stack[0].training
        self.order_seeds = [spec.seeds.data_order for spec in stack]
        self.student_round = stack[0].student.round
        self.base_rate_M = torch.tensor([spec.training.learning_rate for spec in stack]).to(device)
        names = [spec.training.learning_rate_schedule for spec in stack]
        self.schedules = [find(LEARNING_RATE_SCHEDULES, "learning_rate_schedule", name) for name in names]
        penalties = [spec.training.regularizer for spec in stack]
        for name in penalties:
            find(REGULARIZERS, "regularizer", name)
        self.strengths = member_strengths(penalties, [spec.training.regularizer_strength for spec in stack], device)


def _train_epoch(
    family: Family, state: State, stack_inputs: _StackInputs, prune: Prune, steps_per_epoch: int, objective: Objective
) -> None:
    shared, parameters = stack_inputs.training, state.parameters
    weights = family.prunable(parameters)
    running = _EpochTotals(objective, len(state.members), parameters[0].device)
    done = state.epoch * steps_per_epoch
    steps, num_steps = range(done, done + steps_per_epoch), steps_per_epoch * shared.num_epochs
    rates_SM = _rates(stack_inputs.schedules, stack_inputs.base_rate_M, steps, num_steps)
    epoch = state.epoch + 1
    batches = epoch_batches(
        stack_inputs.train, stack_inputs.order_seeds, epoch, shared.batch_size, stack_inputs.student_round
    )
    for rate_M, (inputs, answers) in zip(rates_SM, batches, strict=True):
        gradients = running.gradients(family, parameters, inputs, answers, state.dropout)
        with torch.no_grad():
            for index in weights:
                add_penalty_gradient(gradients[index], parameters[index], stack_inputs.strengths)
            state.step(parameters, gradients, rate_M)
            done += 1
            state.masks = prune(done, state.members, parameters, state.masks, state.histograms, state.failed)
    state.epoch += 1
    score = running.score(steps_per_epoch * shared.batch_size)
    sparsity_M = _sparsity([parameters[index] for index in weights])
    of = len(state.trained_epochs)
    state.curves.add(state.members, of, score, evaluate(family, parameters, stack_inputs.validation), sparsity_M)
    for place in (~score.nats_M.isfinite()).nonzero().flatten().tolist():
        member = state.members[place]
        state.diverged_epoch[member] = state.diverged_epoch[member] or state.epoch


class _EpochTotals:
    """The sums of losses and right answers in an epoch, on the device, so that no step waits for the CPU."""

    def __init__(self, objective: Objective, members: int, device: torch.device):
        self.objective = objective
        self.nats_M = torch.zeros(members, dtype=torch.float64, device=device)
        self.right_M = torch.zeros(members, dtype=torch.float64, device=device)

    def gradients(
        self, family: Family, parameters: Parameters, inputs: Tensor, answers: Tensor, dropout: Dropout | None
    ) -> Parameters:
        """The gradients of every member's mean loss per example, without penalties."""
        leaves = [parameter.requires_grad_() for parameter in parameters]
        logits_MBC = family.forward(leaves, inputs, dropout)
        batch = self.objective(logits_MBC, answers)
        gradients = torch.autograd.grad(batch.loss_MB.sum() / batch.loss_MB.shape[1], leaves)
        for parameter in parameters:
            parameter.requires_grad_(False)
        self.nats_M += batch.nats_MB.sum(1)
        self.right_M += batch.right_MB.sum(1)
        return list(gradients)

    def score(self, num_examples: int) -> Score:
        """The sums as a score over that many examples."""
        return Score(self.nats_M.cpu(), (self.right_M / num_examples).cpu())


def _rates(schedules: Sequence[Callable[[float], float]], base_rate_M: Tensor, steps: range, num_steps: int) -> Tensor:
    """The learning rates of all members in these steps: a whole epoch, because a GPU waits for every small copy."""
    factors = {schedule: [schedule(step / num_steps) for step in steps] for schedule in set(schedules)}
    factors_SM = torch.tensor([factors[schedule] for schedule in schedules]).T
    return base_rate_M * factors_SM.to(base_rate_M.device)


def _codable(parameters: Parameters) -> Tensor:
    """Per member, whether all parameters fit into float16; the last step may move them out after a finite loss."""
    limit = torch.finfo(torch.float16).max
    return torch.stack([(parameter.abs() <= limit).flatten(1).all(1) for parameter in parameters]).all(0).cpu()


def _sparsity(weights: Parameters) -> Tensor:
    zeros_M = sum((weight == 0).flatten(1).sum(1) for weight in weights)
    return torch.as_tensor(zeros_M).cpu() / sum(weight[0].numel() for weight in weights)
