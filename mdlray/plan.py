"""A sweep as a value, and its way to packs: axes -> `TrialSpec`s -> packs, minus what is done.

A grid is a mapping from an axis to its options; an option is the set of fields it changes, so that one axis may move
several fields at once (`Mag-L1` = method and regularizer). The first axis varies slowest. A sweep is the union of its
grids, without doubles.

Packs are cut from the whole sweep, never from what happens to be missing, and a pack's rows are stored at once; so a
resumed sweep trains the same packs as an undisturbed one. Within a pack members share shapes and steps (`stack_key`),
and where possible the data order, which makes the first layer one product for all of them.
"""

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mdlray.space import Space, usual_space
from mdlray.spec import TrialSpec, replace_fields, to_dict

Option = Mapping[str, Any]
Grid = Mapping[str, Sequence[Option]]

_SEARCHED = ("model", "training", "compression", "student", "seeds")
"""The parts of a trial that a search moves or holds fixed; what is left, the data, is a stratum."""


@dataclass(frozen=True, kw_only=True)
class Halving:
    """Early stopping inside a pack: where members are compared, and who goes on (`mdlray.training.halving`)."""

    rungs: tuple[float, ...] = (0.25, 0.5)
    """Fractions of the epochs after which the members of a bracket are compared."""
    keep: float = 0.5
    """Fraction of a bracket that stays, at least one."""

    def __post_init__(self) -> None:
        if not self.rungs or any(not 0 < rung < 1 for rung in self.rungs):
            raise ValueError(f"rungs is {self.rungs!r}, it must be fractions between 0 and 1, e.g. (0.25, 0.5).")
        if not 0 < self.keep < 1:
            raise ValueError(f"keep is {self.keep!r}, it must lie between 0 and 1, e.g. 0.5.")


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A question to many networks."""

    name: str
    question: str
    """One line, shown by `--list`."""
    base: TrialSpec
    """Every field that no axis changes."""
    grids: tuple[Grid, ...] = ()
    """Empty for a sweep that is a search by nature."""
    space: Space | None = None
    """Where `--search` looks; without it, in `space_of` the sweep."""
    quick: "Sweep | None" = None
    """The same question in a minute on a CPU, on embedded data."""
    learners_per_pack: int = 256
    """At most this many networks are trained in a pack on a GPU, where only large products keep the device busy."""
    learners_per_pack_cpu: int = 15
    """The same on a CPU, where more than this gain nothing (`benchmarks/packing.py`)."""
    halving: Halving | None = None
    """Stop the worse members of a pack early; the default trains all to the end."""

    def __post_init__(self) -> None:
        grids_are_right = not isinstance(self.grids, Mapping) and all(
            isinstance(grid, Mapping) and all(isinstance(option, Mapping) for axis in grid.values() for option in axis)
            for grid in self.grids
        )
        if not grids_are_right:
            raise ValueError(
                f"sweep {self.name!r} has {self.grids!r:.200} as grids; they must be a tuple of mappings from an axis "
                'to options, e.g. grids=({"ratio": vary("compression.pruning_ratio", 0.5, 0.9)},) with the comma.'
            )
        options = [option for grid in self.grids for axis in grid.values() for option in axis]
        if self.halving and (self.base.student.round or any(option.get("student.round") for option in options)):
            raise ValueError(
                f"sweep {self.name!r} has halving and students; a network that is stopped early has no students. "
                "Leave out halving, or the axis student.round."
            )


@dataclass(frozen=True)
class Pack:
    """Trials that are trained together; `sweep` goes into their rows."""

    sweep: str
    members: tuple[TrialSpec, ...]

    def __repr__(self) -> str:
        return f"Pack({self.sweep}, {self.pack_id}, {len(self.members)} members)"

    @property
    def pack_id(self) -> str:
        """Derived from the members, in order."""
        return hashlib.sha256(":".join(spec.trial_id for spec in self.members).encode()).hexdigest()[:16]


def vary(field: str, *values: Any) -> tuple[Option, ...]:
    """The options of an axis that changes one field."""
    return tuple({field: value} for value in values)


def cross(*axes: Sequence[Option]) -> tuple[Option, ...]:
    """One axis out of several: every combination of their options, the first varying slowest."""
    return tuple({k: v for option in options for k, v in option.items()} for options in itertools.product(*axes))


def vary_seeds(count: int) -> tuple[Option, ...]:
    """Repetitions 0 .. count - 1 that differ in initial weights, data order and randomization together."""
    names = ("seeds.initialization", "seeds.data_order", "seeds.randomization")
    return tuple(dict.fromkeys(names, seed) for seed in range(count))


def expand(
    sweep: Sweep, *, changes: Mapping[str, Any] | None = None, seed: int = 0, num_trials: int | None = None
) -> list[TrialSpec]:
    """All trials of the sweep in order, without doubles, at most the first `num_trials`.

    `changes` overrides fields of every trial (`{"data.dataset": "kmnist"}`), `seed` is added to every seed.
    """
    trials: dict[str, TrialSpec] = {}
    for option in (option for grid in sweep.grids for option in cross(*grid.values())):
        if len(trials) == num_trials:
            break
        spec = replace_seeds(replace_fields(sweep.base, {**option, **(changes or {})}), seed)
        trials.setdefault(spec.trial_id, spec)
    return list(trials.values())


def replace_seeds(spec: TrialSpec, added: int) -> TrialSpec:
    """The trial with a number added to every seed."""
    if not added:
        return spec
    return replace_fields(spec, {f"seeds.{name}": added + seed for name, seed in to_dict(spec.seeds).items()})


def space_of(sweep: Sweep) -> Space:
    """The sweep's own space, or the usual one with the data, methods and penalties of its grids.

    ValueError where the grids ask what the usual space does not move in: other families of networks, students.
    """
    if sweep.space:
        return sweep.space
    trials = expand(sweep)
    families = {spec.model.family for spec in trials} - {sweep.base.model.family}
    if families or any(spec.student.round for spec in trials):
        what = ", ".join(sorted(families)) or "students"
        raise ValueError(
            f"sweep {sweep.name!r} has {what} in its grids; a search covers {sweep.base.model.family} networks without "
            "students only, unless the sweep has a space (see sweeps/convnet_grid.py). Give it one, or do not search."
        )
    strata = {replace(spec, **{part: getattr(sweep.base, part) for part in _SEARCHED}): None for spec in trials}
    return usual_space(
        methods=tuple(dict.fromkeys(spec.compression.method for spec in trials)),
        regularizers=tuple(dict.fromkeys(spec.training.regularizer for spec in trials)),
        depths=tuple(dict.fromkeys(len(spec.model.hidden_units) for spec in trials)),
        strata=tuple({f"data.{name}": value for name, value in to_dict(spec.data).items()} for spec in strata),
    )


def plan_packs(sweep: str, trials: Iterable[TrialSpec], learners_per_pack: int) -> list[Pack]:
    """Packs in which at most `learners_per_pack` networks are trained, as even as possible.

    Trials that share a training stay together, and so do students of one network. A pack has one data order where
    enough trials share it; smaller groups of one stack are put together.
    """
    stacks: dict[str, dict[int, dict[str, list[TrialSpec]]]] = {}
    for spec in trials:
        orders = stacks.setdefault(spec.stack_key, {})
        orders.setdefault(spec.seeds.data_order, {}).setdefault(spec.lineage_key, []).append(spec)
    packs = []
    for orders in stacks.values():
        groups: list[list[list[TrialSpec]]] = []
        for learners in orders.values():
            if groups and len(groups[-1]) + len(learners) <= learners_per_pack:
                groups[-1] += learners.values()
            else:
                groups.append(list(learners.values()))
        for group in groups:
            num_packs = -(-len(group) // learners_per_pack)
            cuts = [len(group) * cut // num_packs for cut in range(num_packs + 1)]
            for start, stop in itertools.pairwise(cuts):
                packs.append(Pack(sweep, tuple(itertools.chain.from_iterable(group[start:stop]))))
    return packs


def plan_grid(sweep: Sweep, trials: Sequence[TrialSpec], *, on_gpu: bool, num_parallel: int) -> list[Pack]:
    """Packs no larger than the sweep wants on this kind of device, nor than a device's share of all learners."""
    num_learners = len({spec.lineage_key for spec in trials})
    most = sweep.learners_per_pack if on_gpu else sweep.learners_per_pack_cpu
    return plan_packs(sweep.name, trials, min(most, -(-num_learners // num_parallel)))


def missing_trials(
    trials: Iterable[TrialSpec],
    status_by_trial: Mapping[str, str],
    *,
    retry_failed: bool,
    halving: Halving | None = None,
) -> tuple[TrialSpec, ...]:
    """Trials without a row that answers for them.

    A failed row does unless it is retried; a stopped one does where the sweep stops members itself (`halving`),
    otherwise the trial is trained to its end.
    """
    finished = {"ok"} | (set() if retry_failed else {"failed"}) | ({"stopped"} if halving else set())
    return tuple(spec for spec in trials if status_by_trial.get(spec.trial_id) not in finished)


def missing_packs(
    packs: Iterable[Pack],
    status_by_trial: Mapping[str, str],
    *,
    retry_failed: bool,
    halving: Halving | None = None,
) -> list[Pack]:
    """What is left to do: packs without the members that have a row which answers for them."""
    left = [
        Pack(p.sweep, missing_trials(p.members, status_by_trial, retry_failed=retry_failed, halving=halving))
        for p in packs
    ]
    return [pack for pack in left if pack.members]


def work(spec: TrialSpec) -> float:
    """A trial's training effort: epochs times hidden units, the unit in which durations are compared."""
    return spec.num_epochs * float(sum(spec.network.hidden_units) or 1)
