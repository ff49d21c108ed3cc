"""The trial as a value: its ids are pinned, bad values are refused in words."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdlray.spec import (
    ADDED_FIELDS,
    CompressionSpec,
    DataSpec,
    ModelSpec,
    StudentSpec,
    TrialSpec,
    canonical_json,
    from_dict,
    replace_fields,
    to_dict,
)


def pruned(ratio: float = 0.9, **more: object) -> TrialSpec:
    return replace_fields(TrialSpec(), {"compression.method": "magnitude", "compression.pruning_ratio": ratio, **more})


def test_ids_are_pinned() -> None:
    """A changed default or field renames every trial: change these only together with SPEC_VERSION, on purpose."""
    assert TrialSpec().trial_id == "0ba9fc5977f50dc8"
    assert pruned(0.98, **{"model.hidden_units": (30,), "seeds.initialization": 4}).trial_id == "32b957ff013b2e4c"


VERSION_1 = """{"compression":{"centroid_epochs":2,"first_pruning_epoch":5,"last_pruning_epoch":70,"method":"magnitude",
"num_pruning_steps":60,"pruning_exponent":12.0,"pruning_ratio":0.98,"quantization_levels":16,"saliency_examples":4096,
"scope":"global"},"data":{"backgrounds":"sample","dataset":"mnist","label_randomization_fraction":0.0,
"pixel_randomization":"none","split":"study"},"model":{"family":"dense","hidden_units":[30]},"seeds":{"data_order":0,
"initialization":4,"randomization":0},"spec_version":1,"training":{"batch_size":128,"dropout":0.0,
"learning_rate":0.1,"learning_rate_schedule":"cosine","momentum":0.9,"num_epochs":100,"optimizer":"sgd",
"regularizer":"none","regularizer_strength":0.0}}""".replace("\n", "")


def test_trials_of_version_1_keep_their_json_and_their_ids() -> None:
    """What stands above was written before there were added fields; the ids are those in tables of then."""
    parts = json.loads(VERSION_1)
    assert parts.pop("spec_version") == 1
    spec = from_dict(parts)
    assert canonical_json(spec) == VERSION_1 and spec.trial_id == "32b957ff013b2e4c"
    assert {name: value for name, value in to_dict(spec)["compression"].items() if name in NEUTRAL} == NEUTRAL


NEUTRAL = to_dict(CompressionSpec(**ADDED_FIELDS["compression"]))
NEUTRAL = {name: NEUTRAL[name] for name in ADDED_FIELDS["compression"]}


def test_added_fields_reach_the_json_only_where_they_are_not_neutral() -> None:
    spec = pruned()
    assert not set(NEUTRAL) & set(json.loads(canonical_json(spec))["compression"])
    for name, value in (("rate_distortion", 1e-6), ("levels_per_layer", (4, 16)), ("remove_dead_units", True)):
        other = replace_fields(spec, {f"compression.{name}": value})
        written = json.loads(canonical_json(other))["compression"]
        assert set(NEUTRAL) & set(written) == {name}
        assert other.trial_id != spec.trial_id and other.cell_id != spec.cell_id
        assert other.training_key == spec.training_key
        assert from_dict(to_dict(other)) == other


def test_a_trial_without_an_added_field_has_its_neutral_value_whatever_the_default() -> None:
    """Neutral values are what version 1 did; today they are the defaults as well."""
    for part, added in ADDED_FIELDS.items():
        for name, value in added.items():
            assert getattr(getattr(from_dict({}), part), name) == value


def test_every_field_reaches_the_id() -> None:
    other = {
        "dataset": "kmnist",
        "split": "usual",
        "pixel_randomization": "shuffled",
        "backgrounds": "sha256:0",
        "family": "conv",
        "hidden_units": (7, 7),
        "optimizer": "adam",
        "learning_rate_schedule": "step",
        "regularizer": None,
        "method": "obd",
        "scope": "per_layer",
        "pruning_ratio": 0.5,
        "quantization_grid": "uniform",
        "unit_order": "sorted",
        "levels_per_layer": (4, 16),
        "codebook_mantissa_bits": 4,
        "bias_mantissa_bits": 4,
        "remove_dead_units": True,
        "bucket_fraction": 0.5,
        "shrink_factor": 0.5,
        "inputs": "true",
        "targets": "logits",
        "start": "largest",
    }
    pruned_trial = pruned(**{"training.num_epochs": 200})
    student = pruned(0.0, **{"training.num_epochs": 200, "student.round": 1})
    seen = {pruned_trial.trial_id, student.trial_id}
    for part in to_dict(pruned_trial):
        start = student if part == "student" else pruned_trial
        for name, value in to_dict(start)[part].items():
            if name in ("regularizer", "regularizer_strength"):
                changes = {"training.regularizer": "l2" if name == "regularizer" else "l1"}
                changes["training.regularizer_strength"] = 0.1
            else:
                changes = {f"{part}.{name}": other[name] if name in other else value + 1}
                if name == "last_pruning_epoch":
                    changes = {f"{part}.{name}": 71}
                if name in ("dropout", "momentum", "label_randomization_fraction"):
                    changes = {f"{part}.{name}": 0.25}
            seen.add(replace_fields(start, changes).trial_id)
    assert len(seen) == 2 + sum(len(fields) for fields in to_dict(pruned_trial).values())


@given(st.integers(0, 1000), st.floats(0, 1), st.lists(st.integers(1, 500), max_size=3))
def test_json_round_trip(seed: int, ratio: float, units: list[int]) -> None:
    spec = pruned(ratio, **{"seeds.initialization": seed, "model.hidden_units": tuple(units)})
    parts = json.loads(canonical_json(spec))
    assert parts.pop("spec_version") == 1
    assert from_dict(parts) == spec and from_dict(parts).trial_id == spec.trial_id


def test_whole_numbers_name_the_same_trial() -> None:
    assert pruned(1) == pruned(1.0) and pruned(1).trial_id == pruned(1.0).trial_id


def test_cell_training_and_stack_keys() -> None:
    spec = pruned()
    seed = replace_fields(spec, {"seeds.initialization": 1})
    levels = replace_fields(spec, {"compression.quantization_levels": 4, "compression.bias_mantissa_bits": 3})
    ratio = replace_fields(spec, {"compression.pruning_ratio": 0.5})
    width = replace_fields(spec, {"model.hidden_units": (30,)})
    assert spec.cell_id == seed.cell_id != ratio.cell_id
    assert spec.training_key == levels.training_key != ratio.training_key
    assert spec.stack_key == seed.stack_key == ratio.stack_key != width.stack_key


def test_students_share_the_lineage_of_their_first_network() -> None:
    teacher = pruned(0.0, **{"model.hidden_units": (512, 100)})
    third = replace_fields(teacher, {"student.round": 3, "student.inputs": "true"})
    assert third.ancestor == teacher == teacher.ancestor
    assert third.lineage_key == teacher.lineage_key == teacher.training_key != third.training_key
    assert third.stack_key == teacher.stack_key
    assert teacher.network == teacher.model
    assert third.network.hidden_units == (262, 51)  # 512, 410, 328, 262 and 100, 80, 64, 51
    assert third.network.architecture == "dense-262-51"
    assert third.student.strategy == "true soft_labels random"
    assert "student" not in json.loads(canonical_json(teacher))


def test_architecture_names_what_is_unusual() -> None:
    assert ModelSpec().architecture == "dense-100"
    assert ModelSpec(family="convnet", hidden_units=(8,), kernel_size=7, pool_size=3).architecture == "convnet-8-k7-p3"
    assert ModelSpec(family="hashed", bucket_fraction=0.01).architecture == "hashed-100-f0.01"
    assert ModelSpec(family="hashed", hash_seed=2**28 - 1).architecture == "hashed-100-h268435455"


def test_strategies_name_what_is_unusual() -> None:
    assert StudentSpec(round=2, temperature=4.0, num_epochs=300).strategy == (
        "noise soft_labels random num_epochs=300 temperature=4"
    )
    assert StudentSpec(round=2, noise_seed=1234567).strategy != StudentSpec(round=2, noise_seed=1234568).strategy


def test_random_pixels_are_shared_only_within_a_seed() -> None:
    spec = pruned(**{"data.pixel_randomization": "shuffled"})
    assert spec.stack_key != replace_fields(spec, {"seeds.randomization": 1}).stack_key


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"compression.pruning_ratio": 1.5}, r"pruning_ratio is 1.5, it must be in \[0, 1\]"),
        ({"compression.method": "none"}, "choose a method such as 'magnitude'"),
        ({"compression.last_pruning_epoch": 101}, r"at most training.num_epochs \(100\)"),
        ({"training.learning_rate": float("nan")}, "positive and finite"),
        ({"training.num_epochs": 2.5}, "num_epochs is 2.5, it must be a int"),
        ({"training.regularizer": "l1"}, "zero exactly when the regularizer is 'none'"),
        ({"model.hidden_units": (0,)}, "positive whole numbers"),
        ({"model.stride": 0}, "stride is 0, it must be at least 1"),
        ({"model.bucket_fraction": 0.0}, r"bucket_fraction is 0.0, it must be in \(0, 1\]"),
        ({"student.round": 1}, "a student is smaller, not pruned"),
        ({"student.inputs": "true"}, "inputs is 'true', it must be 'noise' where student.round is 0"),
        ({"student.round": 1, "student.inputs": "true", "student.noise_seed": 3}, "0 where inputs are 'true'"),
        ({"student.round": 1, "student.start": "best"}, "'random' or 'largest'"),
        (
            {"student.round": 1, "student.targets": "logits", "student.temperature": 2.0},
            "temperature is 2.0, it must be 1 where targets are logits",
        ),
        ({"data.label_randomization_fraction": -0.1}, r"in \[0, 1\]"),
        ({"seeds.data_order": -1}, "from 0 to 2"),
        ({"compression.levels_per_layer": (4, 0)}, r"levels_per_layer is \(4, 0\), it must be whole numbers from 1"),
        ({"compression.levels_per_layer": (4, 4), "compression.quantization_levels": 8}, "left at 16 beside"),
        ({"compression.rate_distortion": -1e-6}, "zero or more, finite"),
        ({"compression.bias_mantissa_bits": 11}, "bias_mantissa_bits is 11, it must be from 0 to 10"),
        ({"compression.remove_dead_units": 1}, "remove_dead_units is 1, it must be a bool"),
        ({"training.speed": 1}, "no field 'training.speed'; its fields are: data.dataset"),
    ],
)
def test_bad_values_say_what_is_allowed(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace_fields(pruned(), changes)


def test_specs_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DataSpec().dataset = "mnist5k"  # type: ignore[misc]
    assert hash(CompressionSpec()) == hash(CompressionSpec())


def test_numpy_numbers_name_the_same_trial_as_pythons() -> None:
    """What `linspace`, `arange` and a search's arithmetic give is a number like any other."""
    plain = pruned(0.7, **{"seeds.initialization": 3, "model.hidden_units": (100, 50), "training.momentum": 0.5})
    numbers = {
        "seeds.initialization": np.arange(4)[3],
        "compression.pruning_ratio": np.linspace(0.5, 0.9, 3)[1],
        "training.momentum": np.float32(0.5),
        "compression.remove_dead_units": np.bool_(False),
        "data.split": np.str_("study"),
    }
    for units in (np.array([100, 50]), (np.int32(100), np.int64(50)), [np.int64(100), 50]):
        spec = pruned(0.7, **numbers | {"model.hidden_units": units})
        assert spec == plain and spec.trial_id == plain.trial_id and canonical_json(spec) == canonical_json(plain)
        assert {type(value) for value in (spec.seeds.initialization, *spec.model.hidden_units)} == {int}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seeds.initialization", np.float64(1.5)),
        ("seeds.data_order", True),
        ("compression.remove_dead_units", np.int64(1)),
        ("training.learning_rate", np.array([0.1, 0.2])),
        ("model.hidden_units", np.array([[1, 2]])),
    ],
)
def test_what_is_no_such_number_is_refused_by_the_name_that_a_sweep_uses(path: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{path} is "):
        replace_fields(pruned(), {path: value})
