"""A sweep as a value: axes -> `TrialSpec`s.

A grid maps the name of an axis to its options. An option is a set of fields and their values, so one axis may change
several fields at once: the option `Mag-L1` sets the method and the regularizer. A grid has a trial for each combination
of options, and its first axis varies slowest. The trials of a sweep are those of all its grids; each trial counts once.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mdlray.planning.space import Space, usual_space
from mdlray.spec import SharedParts, TrialSpec, replace_fields, to_dict

Option = Mapping[str, Any]
Grid = Mapping[str, Sequence[Option]]

_SEARCHED = ("model", "training", "compression", "student", "seeds")
"""The parts of a trial that are equal in all strata of a search; strata differ in the remaining part, the data."""


@dataclass(frozen=True, kw_only=True)
class Halving:
    """Early stopping in a pack: when its networks are compared, and how many go on (`mdlray.training.halving`)."""

    rungs: tuple[float, ...] = (0.25, 0.5)
    """Fractions of the epochs after which the networks of a bracket are compared."""
    keep: float = 0.5
    """Fraction of a bracket's networks that go on, at least one network."""

    def __post_init__(self) -> None:
        if not self.rungs or any(not 0 < rung < 1 for rung in self.rungs):
            raise ValueError(f"rungs is {self.rungs!r}, it must be fractions between 0 and 1, e.g. (0.25, 0.5).")
        if not 0 < self.keep < 1:
            raise ValueError(f"keep is {self.keep!r}, it must lie between 0 and 1, e.g. 0.5.")


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A question that many networks answer: a set of trials, or a space that a search moves in."""

    name: str
    question: str
    """One line, which `--list` shows."""
    base: TrialSpec
    """A trial with the values of all fields that no axis changes."""
    grids: tuple[Grid, ...] = ()
    """Empty for a sweep that can only be searched."""
    space: Space | None = None
    """The space of `--search`; None for the usual space with the grids' values (`space_of`)."""
    study: str = ""
    """A name in `mdlray.studies.registry.STUDIES`; the report adds the printed numbers and claims of that paper."""
    quick: "Sweep | None" = None
    """A variant that takes about a minute on a CPU, on data that comes with the package."""
    networks_per_pack: int = 256
    """The most networks of a pack on a GPU, where only large products keep the device busy."""
    networks_per_pack_cpu: int = 15
    """The most networks of a pack on a CPU, where larger packs gain nothing (`benchmarks/packing.py`)."""
    halving: Halving | None = None
    """How the worse networks of a pack are stopped early; None trains all of them to the end."""

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
        if empty := [name for grid in self.grids for name, axis in grid.items() if not len(axis)]:
            raise ValueError(
                f"sweep {self.name!r} has no options on the axis {empty[0]!r}, so that its grid has no trials; give "
                'it one option or more, e.g. vary("compression.pruning_ratio", 0.5, 0.9), or leave the axis out.'
            )
        for name in ("networks_per_pack", "networks_per_pack_cpu"):
            if (given := getattr(self, name)) < 1:
                raise ValueError(f"sweep {self.name!r} has {name} {given!r}, it must be at least 1.")
        options = [option for grid in self.grids for axis in grid.values() for option in axis]
        if self.halving and (self.base.student.round or any(option.get("student.round") for option in options)):
            raise ValueError(
                f"sweep {self.name!r} has halving and students; a network that is stopped early has no students. "
                "Leave out halving, or the axis student.round."
            )


def vary(field: str, *values: Any) -> tuple[Option, ...]:
    """The options of an axis that changes one field."""
    return tuple({field: value} for value in values)


def cross(*axes: Sequence[Option]) -> tuple[Option, ...]:
    """One axis made of several: every combination of their options; the first axis varies slowest."""
    return tuple(
        {field: value for option in options for field, value in option.items()} for options in itertools.product(*axes)
    )


def vary_seeds(count: int) -> tuple[Option, ...]:
    """An axis of `count` repetitions, each with other initial weights, another data order and another randomization.

    Repetition 3 has the value 3 in all three seeds.
    """
    names = ("seeds.initialization", "seeds.data_order", "seeds.randomization")
    return tuple(dict.fromkeys(names, seed) for seed in range(count))


def expand(
    sweep: Sweep, *, changes: Mapping[str, Any] | None = None, seed: int = 0, num_trials: int | None = None
) -> list[TrialSpec]:
    """The trials of the sweep in their order, each once; at most the first `num_trials`.

    `changes` overrides fields of every trial, e.g. `{"data.dataset": "kmnist"}`. `seed` is added to every seed.
    """
    trials: dict[str, TrialSpec] = {}
    parts: SharedParts = {}
    for option in (option for grid in sweep.grids for option in cross(*grid.values())):
        if len(trials) == num_trials:
            break
        spec = replace_seeds(replace_fields(sweep.base, {**option, **(changes or {})}, parts), seed)
        trials.setdefault(spec.trial_id, spec)
    return list(trials.values())


def replace_seeds(spec: TrialSpec, added: int) -> TrialSpec:
    """The trial with a number added to every seed."""
    if not added:
        return spec
    return replace_fields(spec, {f"seeds.{name}": added + seed for name, seed in to_dict(spec.seeds).items()})


def space_of(sweep: Sweep) -> Space:
    """The sweep's own space, or the usual space with the data, methods, penalties and depths of its grids.

    ValueError if the sweep has no space and its grids have several families of networks, or students, which the usual
    space does not have.
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
