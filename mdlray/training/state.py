"""The state of training as one value: everything that training changes.

    start -> (an epoch of steps, `drop_members` if members are stopped early)* -> `all_parameters`
    `to_plain` and `from_plain`: the same value as lists, numbers and tensors on the CPU, for a checkpoint

Everything else that a step needs (rates, penalties, orders, labels) follows from the specs of the members. Members are
numbered from 0 as training began with them; a number stays the same when other members leave the stack.

Axes: M members in the stack.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import torch
from torch import Tensor

from mdlray.models import Family, Parameters
from mdlray.models.family import Dropout, initialize
from mdlray.registry import find
from mdlray.spec import TrialSpec
from mdlray.training.batches import member_generator
from mdlray.training.curves import Curves
from mdlray.training.evaluation import Score
from mdlray.training.histograms import Histogram, Histograms
from mdlray.training.isolation import Errors
from mdlray.training.optimizers import OPTIMIZERS, Step

Masks = Parameters
"""One tensor per weight tensor: 1 where a weight is kept, 0 where it is removed."""


@dataclass
class State:
    """The state of training between two epochs."""

    members: list[int]
    """The numbers of the members in the stack, in the order of the leading axis of the tensors."""
    parameters: Parameters
    step: Step
    dropout: Dropout | None
    masks: Masks | None
    """None until a member is pruned."""
    epoch: int
    """Epochs done."""
    left: list[tuple[list[int], Parameters]]
    """The members that were stopped early: per rung, their numbers and their parameters at that time, on the CPU."""
    curves: Curves
    diverged_epoch: list[int | None]
    """Per member the first epoch (from 1) whose loss is not finite; None if there is none."""
    trained_epochs: list[int]
    """Per member the number of epochs for which it was trained, or will be trained if it stays in the stack."""
    failed: Errors
    """The members whose own code (e.g. their saliency) failed. They stay in the stack, so that the results of the
    others are the same, and become failed rows."""
    histograms: Histograms
    """Per member the histograms of its weights around its last pruning step; empty until then."""


def start(
    family: Family,
    sizes: tuple[int, ...],
    specs: Sequence[TrialSpec],
    device: torch.device,
    parameters: Parameters | None = None,
) -> State:
    """The state before the first step, with these parameters, or random ones from each member's own generator."""
    if parameters is None:
        generators = [_initial_generator(spec) for spec in specs]
        shapes, fans = family.shapes(sizes), family.fans and family.fans(sizes)
        parameters = initialize(shapes, generators, fans, family.weight_positions(shapes))
    parameters = [parameter.to(device) for parameter in parameters]
    return State(
        members=list(range(len(specs))),
        parameters=parameters,
        step=_step(specs, parameters),
        dropout=_dropout(specs),
        masks=None,
        epoch=0,
        left=[],
        curves=Curves(),
        diverged_epoch=[None] * len(specs),
        trained_epochs=[spec.training.num_epochs for spec in specs],
        failed={},
        histograms=[[] for _ in specs],
    )


def drop_members(state: State, specs: Sequence[TrialSpec], staying: Sequence[int]) -> None:
    """Drop all members but `staying` from the stack; the results of those that stay are unchanged."""
    kept_places = [place for place, member in enumerate(state.members) if member in staying]
    dropped_places = [place for place, member in enumerate(state.members) if member not in staying]
    if not dropped_places:
        return
    leaving = [state.members[place] for place in dropped_places]
    state.left.append((leaving, [parameter[dropped_places].cpu() for parameter in state.parameters]))
    for member in leaving:
        state.trained_epochs[member] = state.epoch
    state.members = [state.members[place] for place in kept_places]
    state.parameters = [parameter[kept_places] for parameter in state.parameters]
    step = _step([specs[member] for member in state.members], state.parameters)
    step.moments = [[moment[kept_places] for moment in moments] for moments in state.step.moments]
    step.num_steps = state.step.num_steps
    state.step = step
    state.masks = state.masks and [mask[kept_places] for mask in state.masks]
    if state.dropout:
        rates = [state.dropout.rates[place] for place in kept_places]
        state.dropout = (
            Dropout(rates, [state.dropout.generators[place] for place in kept_places]) if any(rates) else None
        )


def all_parameters(state: State) -> Parameters:
    """The parameters of all members in order; those of a member that was stopped early are as they were then."""
    if not state.left:
        return state.parameters
    members = torch.tensor(state.members + [member for leaving, _ in state.left for member in leaving])
    parts = [state.parameters, *(parameters for _, parameters in state.left)]
    device = state.parameters[0].device
    order = members.argsort().to(device)
    return [torch.cat([part.to(device) for part in tensors])[order] for tensors in zip(*parts, strict=True)]


def to_plain(state: State) -> dict[str, Any]:
    """The state as lists, dicts, numbers and tensors on the CPU."""
    curves = state.curves
    return {
        "members": state.members,
        "parameters": _on_cpu(state.parameters),
        "moments": [_on_cpu(moments) for moments in state.step.moments],
        "num_steps": state.step.num_steps,
        "dropout": [generator.get_state() for generator in state.dropout.generators] if state.dropout else None,
        "masks": _on_cpu(state.masks) if state.masks is not None else None,
        "epoch": state.epoch,
        "left": [[leaving, parameters] for leaving, parameters in state.left],
        "train": [[score.nats_M, score.accuracy_M] for score in curves.train],
        "validation": [[score.nats_M, score.accuracy_M] for score in curves.validation],
        "sparsity": curves.sparsity,
        "diverged_epoch": state.diverged_epoch,
        "trained_epochs": state.trained_epochs,
        "failed": dict(state.failed),
        "histograms": [[astuple(histogram) for histogram in member] for member in state.histograms],
    }


def from_plain(plain: dict[str, Any], specs: Sequence[TrialSpec], device: torch.device) -> State:
    """The inverse of `to_plain` for the same members, on any device."""
    parameters = [parameter.to(device) for parameter in plain["parameters"]]
    stack = [specs[member] for member in plain["members"]]
    step = _step(stack, parameters)
    step.moments = [[moment.to(device) for moment in moments] for moments in plain["moments"]]
    step.num_steps = plain["num_steps"]
    dropout = _dropout(stack)
    if dropout:
        for generator, drawn in zip(dropout.generators, plain["dropout"], strict=True):
            generator.set_state(drawn)
    scores = {name: [Score(*score) for score in plain[name]] for name in ("train", "validation")}
    return State(
        members=plain["members"],
        parameters=parameters,
        step=step,
        dropout=dropout,
        masks=[mask.to(device) for mask in plain["masks"]] if plain["masks"] is not None else None,
        epoch=plain["epoch"],
        left=[(leaving, parameters) for leaving, parameters in plain["left"]],
        curves=Curves(scores["train"], scores["validation"], plain["sparsity"]),
        diverged_epoch=plain["diverged_epoch"],
        trained_epochs=plain["trained_epochs"],
        failed=plain["failed"],
        histograms=[[Histogram(*columns) for columns in member] for member in plain["histograms"]],
    )


def _initial_generator(spec: TrialSpec) -> torch.Generator:
    """Each round of students has its own generator, so that a student does not begin with its teacher's numbers."""
    seed, student = spec.seeds.initialization, spec.student
    if student.round:
        return member_generator("student initialization", student.round, seed)
    return member_generator("initialization", seed)


def _step(specs: Sequence[TrialSpec], parameters: Parameters) -> Step:
    momentum_M = torch.tensor([spec.training.momentum for spec in specs]).to(parameters[0].device)
    return find(OPTIMIZERS, "optimizer", specs[0].training.optimizer)(parameters, momentum_M)


def _dropout(specs: Sequence[TrialSpec]) -> Dropout | None:
    rates = [spec.training.dropout for spec in specs]
    generators = [member_generator("dropout", spec.seeds.initialization) for spec in specs]
    return Dropout(rates, generators) if any(rates) else None


def _on_cpu(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensor.cpu() for tensor in tensors]
