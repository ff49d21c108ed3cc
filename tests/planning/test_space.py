"""Spaces: what is suggested, conditions, corners."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import distribution_to_json
from optuna.trial import FixedTrial

from mdlray.planning import Sweep, space_of, vary, vary_seeds
from mdlray.planning.space import LossySpace, Space, suggest_fields, usual_space
from mdlray.spec import TrialSpec, replace_fields

METHODS, REGULARIZERS = ("none", "magnitude", "obd"), ("none", "l1", "l2")


@given(
    method=st.sampled_from(METHODS),
    regularizer=st.sampled_from(REGULARIZERS),
    log2_units=st.integers(3, 8),
    kept=st.floats(0.002, 1.0),
)
def test_every_suggestion_is_a_trial(method: str, regularizer: str, log2_units: int, kept: float) -> None:
    parameters = {"method": method, "regularizer": regularizer, "log2_units": log2_units, "kept_fraction": kept}
    parameters |= {"regularizer_strength": 1e-4, "learning_rate": 0.1, "log2_levels": 3}
    trial = FixedTrial(parameters | {"num_pruning_steps": 20, "pruning_exponent": 12.0})
    spec = replace_fields(TrialSpec(), suggest_fields(trial, methods=METHODS, regularizers=REGULARIZERS))
    assert spec.model.hidden_units == (2**log2_units,) and spec.compression.quantization_levels == 8
    assert spec.compression.pruning_ratio == (0.0 if method == "none" else 1.0 - kept)
    assert spec.training.regularizer_strength == (0.0 if regularizer == "none" else 1e-4)
    assert ("kept_fraction" in trial.distributions) == (method != "none")
    assert ("regularizer_strength" in trial.distributions) == (regularizer != "none")


def test_corners_are_the_ends_of_the_front() -> None:
    space = usual_space(methods=METHODS, regularizers=REGULARIZERS, log2_units=(4, 6), kept_fraction=(0.01, 1.0))
    ends = {(point["log2_units"], point["kept_fraction"]) for point in space.first_points}
    assert ends == {(4, 0.01), (4, 1.0), (6, 0.01), (6, 1.0)}
    assert {point["regularizer"] for point in space.first_points} == {"none", "l2"}


def test_a_grid_becomes_a_space_with_a_stratum_per_task() -> None:
    sweep = Sweep(
        name="grid",
        question="?",
        base=TrialSpec(),
        grids=(
            {
                "dataset": vary("data.dataset", "mnist", "kmnist"),
                "labels": vary("data.label_randomization_fraction", 0.0, 1.0),
                "repetition": vary_seeds(2),
                "method": vary("compression.method", "magnitude", "obd"),
                "units": vary("model.hidden_units", (30,), (100, 50)),
            },
        ),
    )
    space = space_of(sweep)
    tasks = [(fields["data.dataset"], fields["data.label_randomization_fraction"]) for fields in space.strata]
    assert tasks == [("mnist", 0.0), ("mnist", 1.0), ("kmnist", 0.0), ("kmnist", 1.0)]
    assert {point["method"] for point in space.first_points} == {"obd"}
    assert {point["depth"] for point in space.first_points} == {1}


@pytest.mark.parametrize(
    ("option", "words"),
    [({"model.family": "hashed", "model.bucket_fraction": 0.1}, "has hashed"), ({"student.round": 1}, "has students")],
)
def test_a_search_does_not_leave_out_in_silence_what_a_grid_asks(option, words) -> None:
    sweep = Sweep(name="grid", question="?", base=TrialSpec(), grids=({"way": ({}, option)},))
    with pytest.raises(ValueError, match=f"sweep 'grid' {words} in its grids; a search covers dense.*Give it one"):
        space_of(sweep)
    own = Space(suggest=lambda trial: {})
    assert space_of(replace(sweep, space=own)) is own


PARAMETERS = {"method": "obd", "regularizer": "none", "log2_units": 5, "kept_fraction": 0.1, "learning_rate": 0.1}
PARAMETERS |= {"num_pruning_steps": 20, "pruning_exponent": 12.0}
NAMES = {"methods": METHODS, "regularizers": REGULARIZERS}


def test_without_lossy_choices_the_space_is_that_of_the_journals_there_are() -> None:
    """Distributions in committed journals: Optuna refuses to go on with others."""
    trial = FixedTrial(PARAMETERS | {"log2_levels": 3})
    fields = suggest_fields(trial, **NAMES)
    assert {name: distribution_to_json(kind) for name, kind in trial.distributions.items()} == {
        "log2_units": '{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 3, "high": 8}}',
        "learning_rate": '{"name": "FloatDistribution", "attributes": '
        '{"step": null, "low": 0.02, "high": 0.4, "log": true}}',
        "log2_levels": '{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 6}}',
        "regularizer": '{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "l1", "l2"]}}',
        "method": '{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "magnitude", "obd"]}}',
        "kept_fraction": '{"name": "FloatDistribution", "attributes": '
        '{"step": null, "low": 0.002, "high": 1.0, "log": true}}',
        "num_pruning_steps": '{"name": "IntDistribution", "attributes": '
        '{"log": true, "step": 1, "low": 5, "high": 80}}',
        "pruning_exponent": '{"name": "FloatDistribution", "attributes": '
        '{"step": null, "low": 2.0, "high": 128.0, "log": true}}',
    }
    assert suggest_fields(FixedTrial(trial.params), **NAMES, lossy=LossySpace()) == fields


@pytest.mark.parametrize("assignment", ["nearest", "rate_distortion"])
def test_lossy_choices_are_suggested_where_a_sweep_asks(assignment: str) -> None:
    lossy = LossySpace(
        levels_per_layer=True,
        grids=("kmeans", "uniform"),
        rate_distortion=(1e-7, 1e-4),
        codebook_mantissa_bits=(2, 10),
        bias_mantissa_bits=(0, 10),
        remove_dead_units=(True,),
        unit_orders=("sorted", "trained"),
    )
    chosen = {"log2_levels_1": 2, "log2_levels_2": 4, "quantization_grid": "uniform", "assignment": assignment}
    chosen |= {"codebook_mantissa_bits": 4, "bias_mantissa_bits": 3, "unit_order": "sorted", "rate_distortion": 1e-6}
    trial = FixedTrial(PARAMETERS | chosen)
    space = usual_space(**NAMES, log2_units=(3, 8), lossy=lossy)
    compression = replace_fields(TrialSpec(), space.suggest(trial)).compression
    assert compression.levels_per_layer == (4, 16) and compression.quantization_grid == "uniform"
    assert (compression.codebook_mantissa_bits, compression.bias_mantissa_bits) == (4, 3)
    assert compression.remove_dead_units and compression.unit_order == "sorted"
    assert "remove_dead_units" not in trial.distributions and "log2_levels" not in trial.distributions
    paid = assignment == "rate_distortion"
    assert compression.rate_distortion == (1e-6 if paid else 0.0)
    assert ("rate_distortion" in trial.distributions) == paid


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trials_per_batch": 0}, "trials_per_batch of a space is 0, it must be at least 1"),
        ({"num_trials": -1}, "num_trials of a space is -1"),
        ({"strata": ()}, "there is one stratum at least"),
        ({"strata": {"data.dataset": "mnist"}}, "both are tuples of mappings"),
        ({"first_points": {"rate": 0.1}}, "both are tuples of mappings"),
        ({"suggest": {"training.learning_rate": 0.1}}, "it must be a function from an Optuna trial to fields"),
    ],
)
def test_spaces_that_cannot_be_searched_say_so(changes, words) -> None:
    with pytest.raises(ValueError, match=words):
        Space(**{"suggest": lambda trial: {}} | changes)


def test_a_space_holds_numbers_that_json_knows() -> None:
    strata = tuple({"data.label_randomization_fraction": value} for value in np.linspace(0, 1, 2))
    space = Space(suggest=lambda trial: {}, strata=strata, first_points=({"depth": np.int64(2)},))
    assert json.dumps([space.strata, space.first_points]) == (
        '[[{"data.label_randomization_fraction": 0.0}, {"data.label_randomization_fraction": 1.0}], [{"depth": 2}]]'
    )


def test_corners_name_only_what_is_suggested() -> None:
    """So that a name which nothing suggests is a slip of whoever wrote the point."""
    for methods in (("none",), ("obd", "none"), ("none", "obd")):
        space = usual_space(methods=methods, regularizers=("none", "l2"), depths=(2,))
        for point in space.first_points:
            trial = FixedTrial(PARAMETERS | {"log2_levels": 3, "regularizer_strength": 1e-4} | point)
            space.suggest(trial)
            assert point.keys() <= trial.params.keys()
