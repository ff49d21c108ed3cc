"""The space of a search: a function from an Optuna trial to fields of a `TrialSpec`, and where the search begins.

`suggest_fields` is the space of every sweep that has no space of its own. It suggests these parameters ("log" marks
those on a logarithmic scale):

    architecture     the depth, and 2^k units in each hidden layer; few shapes, because a pack has networks of one shape
    method           what ranks the weights; unless it is `none`, also the fraction of the weights that is kept (log),
                     the number of pruning steps (log) and the exponent of the pruning schedule (log)
    regularizer      the penalty; unless it is `none`, also its strength (log)
    levels           2^k values of a codebook
    learning rate    log
    lossy choices    those that the sweep asks for (`LossySpace`); all others are fixed by the sweep's base

A parameter that would have no effect is not suggested: Optuna calls such a space conditional. The trial may be any
object with Optuna's `suggest_...` methods; Optuna itself is not imported here.
"""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mdlray.spec import CompressionSpec, to_python

Fields = Mapping[str, Any]
Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Space:
    """What a search may choose, how many trials it has, and how many it asks for at once."""

    suggest: Callable[[Any], Fields]
    """Takes an Optuna trial and returns fields by their paths, e.g. `{"training.learning_rate": 0.1}`."""
    strata: tuple[Fields, ...] = ({},)
    """Fields that are fixed, e.g. a data set and a level of randomization; each stratum has a search and a front."""
    first_points: tuple[Mapping[str, Any], ...] = ()
    """Parameters of the first trials of each stratum; parameters that a point does not set are suggested."""
    num_trials: int = 300
    """The number of trials over all strata; the option `--trials` overrides it."""
    trials_per_batch: int = 32
    """How many trials of a stratum are asked for at once; their results are told to Optuna together."""

    def __post_init__(self) -> None:
        if not callable(self.suggest):
            raise ValueError(
                f"suggest is {self.suggest!r}, it must be a function from an Optuna trial to fields, e.g. "
                'lambda trial: {"training.learning_rate": trial.suggest_float("rate", 0.01, 0.3)}.'
            )
        for name in ("num_trials", "trials_per_batch"):
            if (given := getattr(self, name)) < 1:
                raise ValueError(f"{name} of a space is {given!r}, it must be at least 1.")
        if not self.strata or not all(isinstance(part, Mapping) for part in (*self.strata, *self.first_points)):
            raise ValueError(
                f"strata of a space are {self.strata!r:.200} and first_points {self.first_points!r:.200}; both are "
                'tuples of mappings, and there is one stratum at least, e.g. strata=({"data.dataset": "mnist"},).'
            )
        # The journal is JSON, so NumPy's numbers become Python's.
        for name in ("strata", "first_points"):
            plain = tuple({key: to_python(value) for key, value in part.items()} for part in getattr(self, name))
            object.__setattr__(self, name, plain)


@dataclass(frozen=True, kw_only=True)
class LossySpace:
    """Choices between training and the file that a search may also make; by default it makes none of them.

    Ranges are inclusive. `remove_dead_units` and `unit_order` save bytes at no loss, so a sweep's base should set them.
    They can still be searched; a list of one value sets that value.
    """

    levels_per_layer: bool = False
    """Suggest the number of levels of each weight tensor (`log2_levels_1` …) instead of one number for all tensors."""
    grids: Sequence[str] = ()
    """Names in `mdlray.compression.GRIDS`."""
    rate_distortion: Range | None = None
    """Range of λ in nats per example and bit (log), e.g. (1e-7, 1e-4). `assignment` says first whether λ is used."""
    codebook_mantissa_bits: tuple[int, int] | None = None
    bias_mantissa_bits: tuple[int, int] | None = None
    remove_dead_units: Sequence[bool] = ()
    unit_orders: Sequence[str] = ()
    """Names in `mdlray.compression.UNIT_ORDERS`."""


def suggest_fields(
    trial: Any,
    *,
    methods: Sequence[str],
    regularizers: Sequence[str],
    depths: Sequence[int] = (1,),
    log2_units: tuple[int, int] = (3, 8),
    log2_levels: tuple[int, int] = (1, 6),
    kept_fraction: Range = (0.002, 1.0),
    num_pruning_steps: tuple[int, int] = (5, 80),
    pruning_exponent: Range = (2.0, 128.0),
    regularizer_strength: Range = (1e-6, 1e-2),
    learning_rate: Range = (0.02, 0.4),
    lossy: LossySpace | None = None,
) -> Fields:
    """The fields that an Optuna trial sets, by their paths; ranges are inclusive."""
    lossy = lossy or LossySpace()
    depth = trial.suggest_categorical("depth", list(depths)) if len(depths) > 1 else depths[0]
    fields: dict[str, Any] = {
        "model.hidden_units": (2 ** trial.suggest_int("log2_units", *log2_units),) * depth,
        "training.learning_rate": trial.suggest_float("learning_rate", *learning_rate, log=True),
    }
    if lossy.levels_per_layer:
        exponents = [trial.suggest_int(f"log2_levels_{layer}", *log2_levels) for layer in range(1, depth + 2)]
        levels, per_layer = CompressionSpec.quantization_levels, tuple(2**exponent for exponent in exponents)
    else:
        levels, per_layer = 2 ** trial.suggest_int("log2_levels", *log2_levels), ()
    # Both fields are set, so that the sweep's base decides neither of them.
    fields |= {"compression.quantization_levels": levels, "compression.levels_per_layer": per_layer}
    regularizer = trial.suggest_categorical("regularizer", list(regularizers))
    strength = 0.0
    if regularizer != "none":
        strength = trial.suggest_float("regularizer_strength", *regularizer_strength, log=True)
    method = trial.suggest_categorical("method", list(methods))
    fields |= {"training.regularizer": regularizer, "training.regularizer_strength": strength}
    fields |= {"compression.method": method, "compression.pruning_ratio": 0.0}
    if method != "none":
        fields |= {
            "compression.pruning_ratio": 1.0 - trial.suggest_float("kept_fraction", *kept_fraction, log=True),
            "compression.num_pruning_steps": trial.suggest_int("num_pruning_steps", *num_pruning_steps, log=True),
            "compression.pruning_exponent": trial.suggest_float("pruning_exponent", *pruning_exponent, log=True),
        }
    return {**fields, **_suggest_lossy(trial, lossy)}


def _suggest_lossy(trial: Any, lossy: LossySpace) -> Fields:
    fields: dict[str, Any] = {}
    names = (("quantization_grid", lossy.grids), ("remove_dead_units", lossy.remove_dead_units))
    for name, values in (*names, ("unit_order", lossy.unit_orders)):
        if values:
            chosen = trial.suggest_categorical(name, list(values)) if len(values) > 1 else values[0]
            fields[f"compression.{name}"] = chosen
    bits = (("codebook_mantissa_bits", lossy.codebook_mantissa_bits), ("bias_mantissa_bits", lossy.bias_mantissa_bits))
    fields |= {f"compression.{name}": trial.suggest_int(name, *ends) for name, ends in bits if ends}
    if lossy.rate_distortion:
        assignment = trial.suggest_categorical("assignment", ["nearest", "rate_distortion"])
        is_used = assignment == "rate_distortion"
        price = trial.suggest_float("rate_distortion", *lossy.rate_distortion, log=True) if is_used else 0.0
        fields["compression.rate_distortion"] = price
    return fields


def usual_space(
    *,
    methods: Sequence[str],
    regularizers: Sequence[str],
    depths: Sequence[int] = (1,),
    log2_units: tuple[int, int] = (3, 8),
    kept_fraction: Range = (0.002, 1.0),
    strata: tuple[Fields, ...] = ({},),
    num_trials: int = 300,
    trials_per_batch: int = 32,
    lossy: LossySpace | None = None,
) -> Space:
    """`suggest_fields` with these ranges; `lossy` adds choices between training and the file.

    The first points of the search are corners of the space, near the ends of the front: the smallest and the largest
    network, with all weights and with the fewest, with the first and the last regularizer, and with the last method.
    All other parameters of these points are suggested. A point sets only parameters that `suggest_fields` suggests:
    it sets no depth if there is only one, and no fraction of kept weights if the method is `none`.
    """
    names: dict[str, Any] = {"methods": methods, "regularizers": regularizers, "depths": depths}
    ranges: dict[str, Any] = {"log2_units": log2_units, "kept_fraction": kept_fraction, "lossy": lossy}
    corners = itertools.product(
        (depths[0],), log2_units, kept_fraction, methods[-1:], (regularizers[0], regularizers[-1])
    )
    parameters = ("depth", "log2_units", "kept_fraction", "method", "regularizer")
    never_suggested = {"depth"} if len(depths) == 1 else set()
    never_suggested |= {"kept_fraction"} if list(methods[-1:]) == ["none"] else set()
    points = (dict(zip(parameters, corner, strict=True)) for corner in corners)
    return Space(
        suggest=functools.partial(suggest_fields, **names, **ranges),
        strata=strata,
        first_points=tuple(
            {name: value for name, value in point.items() if name not in never_suggested} for point in points
        ),
        num_trials=num_trials,
        trials_per_batch=trials_per_batch,
    )
