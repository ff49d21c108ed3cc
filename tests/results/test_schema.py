import json
import shutil
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlray.results import load
from mdlray.results.conversion import to_table
from mdlray.results.derived.front import front_table
from mdlray.results.schema import OF_PACK, TRIALS, failed_row
from mdlray.results.trial_columns import COLUMN_NAMES, TRIAL_COLUMNS, columns_of_part, trial_columns
from mdlray.spec import ADDED_FIELDS, ModelSpec, TrialSpec, from_dict, replace_fields

ASSET = Path(__file__).parents[1] / "assets" / "rows_v1.parquet"
REFERENCE = Path(__file__).parents[2] / "results" / "reference" / "compare_pruning"


def test_columns_other_rooms_and_notebooks_rely_on_are_there():
    promised = """trial_id status error sweep dataset label_randomization_fraction pixel_randomization architecture
    num_weights num_nonzero method regularizer regularizer_strength pruning_ratio quantization_levels seed
    train_accuracy validation_accuracy test_accuracy train_nats compressed_bytes header_bytes mask_bytes values_bytes
    codebook_bytes ideal_entropy_bits lzma_csr_bytes zstd_csr_bytes zlib_csr_bytes decoded_ok wall_seconds device
    num_members_in_pack row_version"""
    assert set(promised.split()) <= set(TRIALS.names)


@settings(deadline=None)
@given(st.integers(0, 2**31 - 1), st.floats(0, 1), st.integers(1, 4096))
def test_the_spec_column_is_the_trial(seed, ratio, levels):
    fields = {"compression.method": "obd", "compression.pruning_ratio": ratio, "seeds.data_order": seed}
    spec = replace_fields(TrialSpec(), fields | {"compression.quantization_levels": levels})
    columns = trial_columns(spec)
    parts = json.loads(columns["spec"])
    assert parts.pop("spec_version") >= 1
    assert from_dict(parts) == spec
    assert (columns["trial_id"], columns["pruning_ratio"], columns["data_order_seed"]) == (spec.trial_id, ratio, seed)


def test_a_failed_row_measures_nothing_and_fits_the_schema():
    row = failed_row(TrialSpec(), "broke")
    assert all(row[name] is None for name in OF_PACK)
    row |= {"sweep": "s", "pack_id": "p", "num_members_in_pack": 1, "device": "cpu", "wall_seconds": 0.5}
    table = to_table([row], TRIALS)
    assert (row["status"], row["error"]) == ("failed", "broke")
    assert {field.name for field in table.schema if row[field.name] is None} <= {
        field.name for field in TRIALS if field.nullable
    }
    assert row["compressed_bytes"] is None and row["test_accuracy"] is None


def test_rows_of_version_1_stay_readable(tmp_path):
    """The asset was written by the first version of the schema and is never written again."""
    shutil.copy(ASSET, tmp_path / "trials.parquet")
    frame = load(tmp_path).set_index("trial_id")
    assert sorted(frame["status"]) == ["failed", "ok", "ok", "ok", "ok"]
    row = frame.loc["8155a30ff442d03c"]
    assert (row["compressed_bytes"], row["num_nonzero"], row["pruning_ratio"], row["seed"]) == (5697, 7951, 0.9, 0)
    assert row["test_accuracy"] == pytest.approx(0.93) and row["row_version"] == 1
    failed = frame.loc["421ecc2884660bbb"]
    assert failed["error"] == "RuntimeError: out of memory" and pd.isna(failed["compressed_bytes"])
    ok = frame[frame["status"] == "ok"]
    parts = ok[["header_bytes", "mask_bytes", "values_bytes", "codebook_bytes"]].sum(axis=1)
    assert (parts == ok["compressed_bytes"]).all()
    assert set(pq.read_schema(ASSET).names) <= set(frame.reset_index().columns)


def test_older_rows_say_what_was_done_then(tmp_path, make_row):
    """Files lack the columns of added fields; readers see the neutral values, beside those of new rows."""
    columns = {"levels_per_layer": "", "quantization_grid": "kmeans", "rate_distortion": 0.0, "unit_order": "trained"}
    columns |= {"codebook_mantissa_bits": 10, "bias_mantissa_bits": 10, "remove_dead_units": False}
    assert not set(columns) & set(pq.read_schema(ASSET).names)
    shutil.copy(ASSET, tmp_path / "trials.parquet")
    frame = load(tmp_path)
    for name, value in columns.items():
        assert list(frame[name]) == [value] * 5, name
    assert {name: make_row()[name] for name in columns} == columns
    assert frame["remove_dead_units"].dtype == "boolean" and frame["bias_mantissa_bits"].dtype == "Int64"
    front = front_table(frame)
    assert len(front) and set(front["quantization_grid"]) == {"kmeans"}


def test_levels_per_layer_are_one_text():
    fields = {"levels_per_layer": (4, 16), "rate_distortion": 1e-6, "remove_dead_units": True}
    spec = replace_fields(TrialSpec(), {f"compression.{name}": value for name, value in fields.items()})
    columns = trial_columns(spec)
    assert (columns["levels_per_layer"], columns["rate_distortion"], columns["remove_dead_units"]) == (
        "4-16",
        1e-6,
        True,
    )


def test_the_columns_of_trials_are_those_of_committed_files_in_their_order():
    """Both the oldest rows and a committed folder: names, types, nullability; younger columns are nullable."""
    for path in (ASSET, REFERENCE / "trials.parquet"):
        written = pq.read_schema(path)
        assert [name for name in TRIALS.names if name in written.names] == written.names
        assert all(TRIALS.field(name).equals(written.field(name)) for name in written.names)
        assert all(field.nullable for field in TRIALS if field.name not in written.names)
    younger = [name for name in TRIALS.names if name not in pq.read_schema(REFERENCE / "trials.parquet").names]
    assert younger == ["sweep_version"]


def test_every_field_of_a_trial_has_its_column_or_is_said_to_have_none():
    paths = {f"{part.name}.{f.name}" for part in fields(TrialSpec) for f in fields(part.default_factory)}
    assert set(COLUMN_NAMES) < paths
    columns = [column for path in paths if (column := COLUMN_NAMES.get(path, path.partition(".")[2]))]
    assert len(columns) == len(set(columns)) and set(columns) <= set(TRIAL_COLUMNS)
    assert trial_columns(TrialSpec()).keys() == TRIAL_COLUMNS.keys()


def test_a_new_field_has_a_nullable_column_of_its_type_without_another_line():
    @dataclass(frozen=True, kw_only=True)
    class WiderModel(ModelSpec):
        width_factor: float = 1.0
        widths: tuple[int, ...] = ()

    columns = columns_of_part("model", WiderModel, ADDED_FIELDS["model"] | {"width_factor": 1.0, "widths": ()})
    known = columns_of_part("model", ModelSpec, ADDED_FIELDS["model"])
    assert columns == known | {"width_factor": ("width_factor", "f64?"), "widths": ("widths", "str?")}
