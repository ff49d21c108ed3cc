"""What a search moves in: a function from an Optuna trial to the fields that it sets, and where it begins.

`suggest_fields` is the space of every sweep that has none of its own:

    architecture     depth and 2^k units in each hidden layer: few shapes, so that equal ones meet in a pack
    method           which weights go; unless it is `none`, the fraction that is kept (log), steps and exponent (log)
    regularizer      and, unless it is `none`, its strength (log)
    levels           2^k values of a codebook
    learning rate    log

Parameters that would have no effect are not suggested (conditional parameters, as Optuna means them). The trial is
anything with Optuna's `suggest_...` methods; Optuna itself is not imported here.
"""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Fields = Mapping[str, Any]
Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Space:
    """Where a search looks, how long, and in how large steps."""

    suggest: Callable[[Any], Fields]
    """An Optuna trial to the fields of a `TrialSpec` that it sets, by their paths."""
    strata: tuple[Fields, ...] = ({},)
    """One search, and one front, for each of these: data sets and levels of randomization."""
    first_points: tuple[Mapping[str, Any], ...] = ()
    """Parameters of the first trials of each stratum (corners); what a point leaves out is suggested."""
    num_trials: int = 300
    """Over all strata, unless `--trials` says otherwise."""
    trials_per_batch: int = 32
    """Trials of a stratum that are asked for at once, and told together when all are done."""


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
) -> Fields:
    """The fields of one trial; ranges are inclusive."""
    depth = trial.suggest_categorical("depth", list(depths)) if len(depths) > 1 else depths[0]
    fields: dict[str, Any] = {
        "model.hidden_units": (2 ** trial.suggest_int("log2_units", *log2_units),) * depth,
        "training.learning_rate": trial.suggest_float("learning_rate", *learning_rate, log=True),
        "compression.quantization_levels": 2 ** trial.suggest_int("log2_levels", *log2_levels),
    }
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
) -> Space:
    """`suggest_fields` with these ranges, beginning at its corners.

    The corners are the ends of the front: the smallest and the largest network, kept whole and pruned to the end, with
    the first and the last of the regularizers and the last of the methods; everything else is suggested.
    """
    names: dict[str, Any] = {"methods": methods, "regularizers": regularizers, "depths": depths}
    ranges: dict[str, Any] = {"log2_units": log2_units, "kept_fraction": kept_fraction}
    corners = itertools.product(
        (depths[0],), log2_units, kept_fraction, methods[-1:], (regularizers[0], regularizers[-1])
    )
    parameters = ("depth", "log2_units", "kept_fraction", "method", "regularizer")
    return Space(
        suggest=functools.partial(suggest_fields, **names, **ranges),
        strata=strata,
        first_points=tuple(dict(zip(parameters, corner, strict=True)) for corner in corners),
        num_trials=num_trials,
        trials_per_batch=trials_per_batch,
    )
