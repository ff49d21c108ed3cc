from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mdlray.results.conversion import to_frame, to_table
from mdlray.results.schema import CURVES, LAYERS, TRIALS

ASSET = Path(__file__).parents[1] / "assets" / "rows_v1.parquet"


def test_a_row_comes_back_as_it_went_in(make_row):
    rows = [make_row(seed=0), make_row(seed=1, status="failed")]
    assert to_table(rows, TRIALS).to_pylist() == rows


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


def test_whole_numbers_stay_whole_beside_nulls(make_row):
    frame = to_frame(to_table([make_row(compressed_bytes=2**60 + 1), make_row(seed=1, status="failed")], TRIALS))
    assert frame["compressed_bytes"].dtype == "Int64" and frame["compressed_bytes"][0] == 2**60 + 1
    assert frame["compressed_bytes"][1] is pd.NA
    assert frame["seed"].dtype == "int64" and frame["decoded_ok"].dtype == "boolean"
