"""Spaces: what is suggested, conditions, corners."""

from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FixedTrial

from mdlray.plan import Sweep, space_of, vary, vary_seeds
from mdlray.space import suggest_fields, usual_space
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
