"""Tables and columns of one's own follow from finished rows through the command's own end, and are read back."""

import math
from pathlib import Path

import pandas as pd
import pytest

from mdlray.planning import Pack
from mdlray.results import Store, load
from mdlray.results.derived import DERIVED_COLUMNS, DERIVED_TABLES, DerivedTable, derive
from mdlray.results.pack_result import PackResult, failed_pack
from mdlray.results.schema import schema_of
from mdlray.results.tables import TABLES, Table
from mdlray.spec import TrialSpec, replace_fields
from mdlray.sweep import write_tables
from mdlray.worker.measurements import MEASUREMENTS, Measurement
from mdlray.worker.run_pack import WorkerConfig, run_pack


def choice_bits(trials: pd.DataFrame) -> pd.DataFrame:
    """What it costs to say which of all trials was chosen; a failed one could not be."""
    ok = trials[trials["status"] == "ok"]
    return ok[["trial_id"]].assign(choice_bits=math.log2(len(trials)), num_rivals=len(ok) - 1)


def test_a_table_and_a_derived_column_are_added_without_another_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a real pack through the store and the end of a run to what a notebook reads."""
    codes = Table("codes", schema_of({"trial_id": "str", "code": "str", "bits": "f64"}), ("trial_id", "bits"))
    monkeypatch.setitem(TABLES, "codes", codes)
    monkeypatch.setitem(
        MEASUREMENTS,
        "codes",
        Measurement(
            lambda measured: [
                {"code": "uniform", "bits": measured.images.num_train * math.log2(10)},
                {"code": "two_part", "bits": 8.0 * len(measured.file.blob)},
            ],
            table="codes",
        ),
    )
    monkeypatch.setitem(DERIVED_COLUMNS, "choice", choice_bits)
    counts = DerivedTable(lambda trials: trials.groupby("status", as_index=False)["trial_id"].count())
    monkeypatch.setitem(DERIVED_TABLES, "counts", counts)
    fields = {"data.dataset": "mnist5k", "model.hidden_units": (4,), "training.num_epochs": 1}
    fields |= {"compression.centroid_epochs": 0}
    specs = [replace_fields(TrialSpec(), fields | {"seeds.initialization": seed}) for seed in range(3)]
    store, pack = Store(tmp_path), Pack("own", tuple(specs[:2]))
    store.write_pack(pack.pack_id, run_pack(pack, WorkerConfig()))
    store.write_pack("lost", failed_pack(Pack("own", (specs[2],)), "lost"))
    before = load(tmp_path)
    trials, _ = write_tables(store)
    assert store.read("codes").groupby("trial_id")["bits"].size().tolist() == [2, 2]
    frame = load(tmp_path)
    pd.testing.assert_frame_equal(frame[before.columns], before)
    assert list(frame.columns) == [*trials.columns, "choice_bits", "num_rivals"]
    ok = frame[frame["status"] == "ok"]
    assert ok["choice_bits"].tolist() == [math.log2(3)] * 2 and ok["num_rivals"].tolist() == [1, 1]
    assert frame["num_rivals"].dtype == "Int64" and frame.loc[frame["status"] == "failed", "num_rivals"].isna().all()
    assert store.read("counts")["trial_id"].tolist() == [1, 2] and len(store.read("front")) == 1
    # A second end of a run starts from the trials, not from what was derived of them.
    write_tables(store)
    pd.testing.assert_frame_equal(load(tmp_path), frame)


def test_without_derived_columns_a_folder_has_no_such_file_and_loads_as_ever(tmp_path: Path, make_row) -> None:
    store = Store(tmp_path)
    store.write_pack("p0", PackResult({"trials": [make_row()]}))
    trials, front = write_tables(store)
    assert not (tmp_path / "derived.parquet").exists() and store.read_derived() is None
    pd.testing.assert_frame_equal(load(tmp_path), trials)
    pd.testing.assert_frame_equal(store.read("front"), front, check_dtype=False)
    with pytest.raises(ValueError, match="no table 'front' in .* yet"):
        Store(tmp_path / "new").read("front")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda trials: trials["no such column"], "'own', which is derived from the trials, failed: KeyError"),
        (lambda trials: trials[["status"]], "'own' must have one row per trial, with its trial_id"),
        (lambda trials: pd.concat([trials[["trial_id"]]] * 2), "'own' must have one row per trial"),
        (lambda trials: trials[["trial_id", "status"]], "'own' have 'status', which there is already"),
    ],
)
def test_a_function_that_fails_is_named(make, message: str, make_row, as_trials, monkeypatch) -> None:
    monkeypatch.setitem(DERIVED_COLUMNS, "own", make)
    with pytest.raises(ValueError, match=message):
        derive(as_trials([make_row()]))
