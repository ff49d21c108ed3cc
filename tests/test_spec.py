"""The trial as a value: its ids are pinned, bad values are refused in words."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdlray.spec import CompressionSpec, DataSpec, TrialSpec, canonical_json, from_dict, replace_fields, to_dict


def pruned(ratio: float = 0.9, **more: object) -> TrialSpec:
    return replace_fields(TrialSpec(), {"compression.method": "magnitude", "compression.pruning_ratio": ratio, **more})


def test_ids_are_pinned() -> None:
    """A changed default or field renames every trial: change these only together with SPEC_VERSION, on purpose."""
    assert TrialSpec().trial_id == "0ba9fc5977f50dc8"
    assert pruned(0.98, **{"model.hidden_units": (30,), "seeds.initialization": 4}).trial_id == "32b957ff013b2e4c"


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
    }
    start = pruned(**{"training.num_epochs": 200})
    seen = {start.trial_id}
    for part, fields in to_dict(start).items():
        for name, value in fields.items():
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
    assert len(seen) == 1 + sum(len(fields) for fields in to_dict(start).values())


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
    levels = replace_fields(spec, {"compression.quantization_levels": 4})
    ratio = replace_fields(spec, {"compression.pruning_ratio": 0.5})
    width = replace_fields(spec, {"model.hidden_units": (30,)})
    assert spec.cell_id == seed.cell_id != ratio.cell_id
    assert spec.training_key == levels.training_key != ratio.training_key
    assert spec.stack_key == seed.stack_key == ratio.stack_key != width.stack_key


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
        ({"data.label_randomization_fraction": -0.1}, r"in \[0, 1\]"),
        ({"seeds.data_order": -1}, "from 0 to 2"),
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
