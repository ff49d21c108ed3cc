"""Students: networks fitted to the outputs of larger ones, in rounds (Hinton et al. 2015; Ba and Caruana 2014).

    plan_stages:   the trials of a pack -> stages: round 0, then per strategy rounds 1, 2, ... up to the last one needed
    fit_students:  the networks of one stage, as teachers -> the networks of the next stage, as one stack

A student sees images (uniform noise, one set for all members and rounds, or the training images) and its teacher's
logits for them, which are computed once. It never sees a label. Its initial weights and data orders come from its own
seeds and its round. Optimizer, batch size, learning rate and schedule are those of `TrainingSpec`; penalties, pruning,
dropout and shifts of images are left out. The teacher is the network before quantization.

With `start="largest"`, a student begins with its teacher's largest units and the weights between them. The size of a
unit is computed layer after layer,

    ‖weights from the units kept of the layer before (or the input)‖ · ‖weights to the layer after‖

It does not change if the incoming weights of a ReLU unit are multiplied by a number and its outgoing weights are
divided by it. Among equal units the first is kept.

Axes: M members, N images, P pixels, C classes, O units out, K units kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mdlray.models import Family, Parameters, chains, get_family
from mdlray.spec import StudentSpec, TrialSpec, replace_fields
from mdlray.training.batches import Examples, member_generator
from mdlray.training.evaluation import CHUNK
from mdlray.training.histograms import Histograms
from mdlray.training.isolation import Errors
from mdlray.training.loop import Fitted, fit
from mdlray.training.objectives import student_objective
from mdlray.training.state import Masks, State, start


@dataclass(frozen=True)
class Stage:
    """Networks that are trained as one stack; no two of them have the same training."""

    specs: tuple[TrialSpec, ...]
    teacher: int | None
    """The number of the stage that their teachers come from; None for round 0."""


@dataclass(frozen=True)
class Teachers:
    """The networks of a stage that students are fitted to: plain values and tensors on the CPU, for checkpoints."""

    sizes: tuple[int, ...]
    parameters: Parameters
    lineages: list[str]
    """The lineage keys of the members, in order."""
    lost: dict[str, str]
    """The lineages that have no further students, each with the reason."""

    def with_teacher(self, specs: Sequence[TrialSpec]) -> list[TrialSpec]:
        """Those of the students `specs` whose teacher is among these networks."""
        return [spec for spec in specs if spec.lineage_key in self.lineages]


def plan_stages(ancestors: Sequence[TrialSpec], trials: Sequence[TrialSpec]) -> list[Stage]:
    """Round 0 of these ancestors, then the rounds of each strategy.

    A lineage takes part up to the last round that a trial of it needs: round 3 needs rounds 1 and 2.
    """
    last: dict[StudentSpec, dict[str, TrialSpec]] = {}
    for spec in trials:
        if spec.student.round:
            chain = last.setdefault(replace(spec.student, round=1), {})
            last_spec = chain.setdefault(spec.lineage_key, spec)
            if spec.student.round > last_spec.student.round:
                chain[spec.lineage_key] = spec
    stages = [Stage(tuple(ancestors), None)]
    for chain in last.values():
        teacher = 0
        for number in range(1, max(spec.student.round for spec in chain.values()) + 1):
            members = [spec for spec in chain.values() if spec.student.round >= number]
            stages.append(Stage(tuple(replace_fields(spec, {"student.round": number}) for spec in members), teacher))
            teacher = len(stages) - 1
    return stages


def teachers_of(
    specs: Sequence[TrialSpec], sizes: tuple[int, ...], fitted: Fitted, lost: dict[str, str] | None = None
) -> Teachers:
    """The networks of a stage as teachers, without failed ones; `lost` are the lost lineages of earlier rounds."""
    lost = dict(lost or {})
    teachers = [member for member in range(len(specs)) if fitted.error(member) is None]
    for member in set(range(len(specs))) - set(teachers):
        spec, epoch = specs[member], fitted.diverged_epoch[member]
        reason = f"diverged in epoch {epoch}" if epoch is not None else "failed"
        remedy = "try a lower learning_rate" if epoch is not None else "its row has the error"
        lost[spec.lineage_key] = f"round {spec.student.round} {reason}, so that later rounds have no teacher; {remedy}."
    parameters = [parameter[teachers].cpu() for parameter in fitted.parameters]
    return Teachers(sizes, parameters, [specs[member].lineage_key for member in teachers], lost)


def fit_students(
    family: Family,
    sizes: tuple[int, ...],
    specs: Sequence[TrialSpec],
    teachers: Teachers,
    train: Examples,
    validation: Examples,
    resume: Callable[[Sequence[TrialSpec]], State | None] | None = None,
    after_epoch: Callable[[State], None] | None = None,
) -> Fitted:
    """Fit the members together, each to its own teacher; all share a strategy and a round.

    `train` gives the number of images, and with `inputs="true"` the images themselves; its labels are not used.
    `resume` maps the members (as `as_fit` makes them) to the state to continue from, or to None.
    """
    student, device = specs[0].student, train.pixels_NP.device
    fits = [as_fit(spec) for spec in specs]
    places = [teachers.lineages.index(spec.lineage_key) for spec in specs]
    before = [parameter[places].to(device) for parameter in teachers.parameters]
    pixels_NP = train.pixels_NP if student.inputs == "true" else noise(student.noise_seed, train.pixels_NP)
    answers = ask(family.for_sizes(teachers.sizes), before, pixels_NP, train.mean, train.std)
    begin = resume(fits) if resume else None
    if begin is None:
        first = largest_units(family, sizes, before) if student.start == "largest" else None
        begin = start(family, sizes, fits, device, first)
    return fit(
        family.for_sizes(sizes),
        sizes,
        fits,
        answers,
        validation,
        _never,
        begin=begin,
        after_epoch=after_epoch,
        objective=student_objective(student),
    )


def as_fit(spec: TrialSpec) -> TrialSpec:
    """The student with the training of its fit: its own epochs, and no penalty, dropout or shifts of images."""
    changes = {"num_epochs": spec.student.num_epochs, "regularizer": "none", "regularizer_strength": 0.0}
    changes |= {"dropout": 0.0, "max_shift": 0}
    return replace_fields(spec, {f"training.{name}": value for name, value in changes.items()})


def noise(seed: int, like_NP: Tensor) -> Tensor:
    """Images of the shape of `like_NP` with independent, uniform bytes; they are the same on every device."""
    generator = member_generator("student noise", seed)
    return torch.randint(0, 256, like_NP.shape, generator=generator, dtype=torch.uint8).to(like_NP.device)


@torch.no_grad()
def ask(family: Family, teachers: Parameters, pixels_NP: Tensor, mean: float, std: float) -> Examples:
    """The images, with each teacher's logits as targets, and the class of its largest logit as label."""
    zeros_MN = torch.zeros((teachers[0].shape[0], pixels_NP.shape[0]), dtype=torch.int64)
    examples = Examples(pixels_NP, zeros_MN, mean, std)
    chunks = [slice(begin, begin + CHUNK) for begin in range(0, pixels_NP.shape[0], CHUNK)]
    targets_MNC = torch.cat([family.forward(teachers, examples.inputs(chunk), None) for chunk in chunks], dim=1)
    return replace(examples, labels_MN=targets_MNC.argmax(-1), targets_MNC=targets_MNC)


def check_start(spec: TrialSpec) -> None:
    """ValueError for a student that shall begin with its teacher's largest units if the family is not a chain."""
    if spec.student.start == "largest" and not get_family(spec.model.family).chain:
        raise ValueError(
            f"start is 'largest' and family {spec.model.family!r}; the largest units are known in "
            f"{chains()} only. Set student.start to 'random'."
        )


def largest_units(family: Family, smaller: tuple[int, ...], parameters: Parameters) -> Parameters:
    """Weights and biases of the largest units of each hidden layer, as many as the smaller network has, in order."""
    wanted = family.shapes(smaller)
    weights, biases = list(parameters[::2]), parameters[1::2]
    chosen: Parameters = []
    for layer, bias_MO in enumerate(biases[:-1]):
        weight, after = weights[layer], weights[layer + 1]
        incoming_MO = weight.flatten(2).norm(dim=2)
        # A unit may stand for several inputs of the next layer: the weights of a kernel, the positions of a flat map.
        by_unit = after.reshape(*after.shape[:2], bias_MO.shape[1], -1)
        outgoing_MO = by_unit.square().sum(dim=(1, 3)).sqrt()
        order_MO = (incoming_MO * outgoing_MO).argsort(dim=1, descending=True, stable=True)
        kept_MK = order_MO[:, : wanted[2 * layer][0]].sort(1).values
        member_M1 = torch.arange(weight.shape[0], device=weight.device)[:, None]
        chosen += [weight[member_M1, kept_MK], bias_MO[member_M1, kept_MK]]
        fewer = by_unit.transpose(1, 2)[member_M1, kept_MK].transpose(1, 2)
        weights[layer + 1] = fewer.reshape(*after.shape[:2], *wanted[2 * layer + 2][1:])
    return [*chosen, weights[-1], biases[-1]]


def _never(
    steps: int,
    stack: Sequence[int],
    parameters: Parameters,
    masks: Masks | None,
    histograms: Histograms,
    failed: Errors,
) -> Masks | None:
    """The `prune` hook of a fit: it prunes nothing."""
    return masks
