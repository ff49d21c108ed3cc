import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlray.spec import TrialSpec, from_dict, replace_fields
from mdlray.tables import load
from mdlray.tables.front import front_table
from mdlray.tables.schema import CURVES, LAYERS, TRIALS, failed_row, spec_columns, to_frame, to_table

ASSET = Path(__file__).parents[1] / "assets" / "rows_v1.parquet"


def test_a_row_comes_back_as_it_went_in(make_row):
    rows = [make_row(seed=0), make_row(seed=1, status="failed")]
    assert to_table(rows, TRIALS).to_pylist() == rows


def test_columns_other_rooms_and_notebooks_rely_on_are_there():
    promised = """trial_id status error sweep dataset label_randomization_fraction pixel_randomization architecture
    num_weights num_nonzero method regularizer regularizer_strength pruning_ratio quantization_levels seed
    train_accuracy validation_accuracy test_accuracy train_nats compressed_bytes header_bytes mask_bytes values_bytes
    codebook_bytes ideal_entropy_bits lzma_csr_bytes zstd_csr_bytes zlib_csr_bytes decoded_ok wall_seconds device
    num_members_in_pack row_version"""
    assert set(promised.split()) <= set(TRIALS.names)


@pytest.mark.parametrize(
    ("column", "value", "wanted"),
    [
        ("num_epochs", "ten", "i64"),
        ("num_epochs", 1.0, "i64"),
        ("num_epochs", True, "i64"),
        ("num_epochs", None, "i64"),
        ("dropout", "0", "f64"),
        ("dropout", False, "f64"),
        ("test_accuracy", "0.9", "f64 or null"),
        ("dataset", 3, "str"),
        ("dataset", None, "str"),
        ("decoded_ok", 1, "bool or null"),
    ],
)
def test_a_wrong_type_is_named(make_row, column, value, wanted):
    rows = [make_row(seed=0), make_row(seed=1) | {column: value}]
    with pytest.raises(ValueError, match=rf"row 1 \(trial '.*'\): column '{column}' is .*, it must be {wanted}\."):
        to_table(rows, TRIALS)


def test_unknown_and_missing_columns_are_named(make_row):
    row = make_row()
    with pytest.raises(ValueError, match="row 0 .* has unknown column 'acuracy'; the columns are: .*test_accuracy"):
        to_table([row | {"acuracy": 1.0}], TRIALS)
    del row["seed"]
    with pytest.raises(ValueError, match="row 0 .* has no column 'seed'"):
        to_table([row], TRIALS)


def test_a_number_too_large_is_a_value_error(make_row):
    with pytest.raises(ValueError, match="64 bits"):
        to_table([make_row(compressed_bytes=2**70)], TRIALS)


def test_numpy_scalars_and_whole_reals_are_welcome(make_row):
    row = make_row(compressed_bytes=np.int32(7), train_nats=np.float32(0.5), decoded_ok=np.bool_(False), dropout=0)
    back = to_table([row], TRIALS).to_pylist()[0]
    values = [back[name] for name in ("compressed_bytes", "train_nats", "decoded_ok", "dropout")]
    assert values == [7, 0.5, False, 0.0]
    assert [type(value) for value in values] == [int, float, bool, float]


def test_shapes_are_lists_of_whole_numbers():
    row = {"trial_id": "t", "layer": "0.weight", "shape": (784, 100)}
    row |= dict.fromkeys(["num_weights", "num_nonzero", "mask_bytes", "values_bytes", "codebook_bytes"], 1)
    assert to_table([row], LAYERS)["shape"].to_pylist() == [[784, 100]]
    with pytest.raises(ValueError, match="column 'shape' is .* it must be list<i64>"):
        to_table([row | {"shape": [1.5]}], LAYERS)


def test_no_rows_are_an_empty_table_with_all_columns():
    assert to_table([], CURVES).schema.equals(CURVES)
    assert list(to_frame(CURVES.empty_table()).columns) == CURVES.names


@settings(deadline=None)
@given(st.integers(0, 2**31 - 1), st.floats(0, 1), st.integers(1, 4096))
def test_the_spec_column_is_the_trial(seed, ratio, levels):
    fields = {"compression.method": "obd", "compression.pruning_ratio": ratio, "seeds.data_order": seed}
    spec = replace_fields(TrialSpec(), fields | {"compression.quantization_levels": levels})
    columns = spec_columns(spec)
    parts = json.loads(columns["spec"])
    assert parts.pop("spec_version") >= 1
    assert from_dict(parts) == spec
    assert (columns["trial_id"], columns["pruning_ratio"], columns["data_order_seed"]) == (spec.trial_id, ratio, seed)


def test_a_failed_row_measures_nothing_and_fits_the_schema():
    row = failed_row(TrialSpec(), sweep="s", error="broke", pack_id="p", num_members_in_pack=1)
    table = to_table([row], TRIALS)
    assert (row["status"], row["error"]) == ("failed", "broke")
    assert {field.name for field in table.schema if row[field.name] is None} <= {
        field.name for field in TRIALS if field.nullable
    }
    assert row["compressed_bytes"] is None and row["test_accuracy"] is None


def test_whole_numbers_stay_whole_beside_nulls(make_row):
    frame = to_frame(to_table([make_row(compressed_bytes=2**60 + 1), make_row(seed=1, status="failed")], TRIALS))
    assert frame["compressed_bytes"].dtype == "Int64" and frame["compressed_bytes"][0] == 2**60 + 1
    assert frame["compressed_bytes"][1] is pd.NA
    assert frame["seed"].dtype == "int64" and frame["decoded_ok"].dtype == "boolean"


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
    columns = spec_columns(spec)
    assert (columns["levels_per_layer"], columns["rate_distortion"], columns["remove_dead_units"]) == (
        "4-16",
        1e-6,
        True,
    )
