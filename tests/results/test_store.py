import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from mdlray.results import Store, load, parts
from mdlray.results.derived.front import front_table
from mdlray.results.pack_result import PackResult, model_file
from mdlray.results.schema import CURVES, LAYERS, TRIALS, WEIGHTS, schema_of
from mdlray.results.tables import TABLES, Table


def curve(row, epoch=1):
    return dict.fromkeys(CURVES.names, 0.5) | {"trial_id": row["trial_id"], "epoch": epoch}


def test_a_pack_lies_where_the_design_says(tmp_path, make_row):
    store, row = Store(tmp_path), make_row()
    store.write_pack(
        "p0",
        PackResult(
            {"trials": [row], "curves": [curve(row, 2), curve(row, 1)]}, {model_file(row["trial_id"]): b"bytes"}
        ),
    )
    assert (tmp_path / "models" / f"{row['trial_id']}.mdl").read_bytes() == b"bytes"
    assert not (tmp_path / "trials.parquet").exists() and len(load(tmp_path)) == 1
    assert list(store.read("curves")["epoch"]) == [1, 2]
    store.compact()
    store.write_derived({"front": front_table(store.read_trials())})
    store.write_manifest({"sweep": "made"})
    names = {"trials.parquet", "curves.parquet", "layers.parquet", "weights.parquet"}
    names |= {"front.parquet", "manifest.json", "models", "parts"}
    assert set(os.listdir(tmp_path)) == names
    assert store.read_manifest() == {"sweep": "made"}
    # A column of text in which all is null has no type of its own in pandas.
    read = pd.read_parquet(store.path("front.parquet"))
    pd.testing.assert_frame_equal(read, front_table(load(tmp_path)), check_dtype=False)
    for path in (store.path("figures"), store.path("report.html")):
        assert path.parent == tmp_path


def test_weights_come_back_as_they_were_compacted_or_not(tmp_path, make_row):
    store, row = Store(tmp_path), make_row()
    about = {"trial_id": row["trial_id"], "layer": "hidden_1.weight", "num_zero": 7, "low": -0.5, "high": 0.5}
    before = about | {"moment": "before_last_pruning", "epoch": 74.5, "counts": list(range(64))}
    trained = about | {"moment": "trained", "epoch": 100.0, "counts": [10**12, *[0] * 63]}
    store.write_pack("p0", PackResult({"trials": [row], "weights": [trained, before]}))
    for _ in range(2):
        read = store.read("weights")
        assert list(read.columns) == WEIGHTS.names
        rows = [one | {"counts": list(one["counts"])} for one in read.to_dict("records")]
        assert rows == [before, trained]
        store.compact()
    with pytest.raises(ValueError, match="weights of trial .*, but no row of it"):
        store.write_pack("p1", PackResult({"trials": [make_row(seed=1)], "weights": [trained]}))


def test_an_unknown_table_is_named_when_it_is_written_and_when_it_is_read(tmp_path, make_row):
    store = Store(tmp_path)
    with pytest.raises(ValueError, match="rows of table 'codes'; the tables are: trials, curves, layers, weights"):
        store.write_pack("p0", PackResult({"trials": [make_row()], "codes": [{"trial_id": "x"}]}))
    with pytest.raises(ValueError, match="no table 'codes' in .*; there are: curves, layers, trials, weights"):
        store.read("codes")


def test_a_table_of_ones_own_is_kept_by_programs_that_do_not_know_it(tmp_path, make_row, monkeypatch):
    """Written, merged and compacted like ours, also after its line in `TABLES` is gone again."""
    monkeypatch.setattr(parts, "MOST_PACKS", 3)
    codes = Table("codes", schema_of({"trial_id": "str", "code": "str", "bits": "f64?"}), ("trial_id", "bits"))
    store, rows = Store(tmp_path), [make_row(seed=seed) for seed in range(4)]
    with monkeypatch.context() as patch:
        patch.setitem(TABLES, "codes", codes)
        for number, row in enumerate(rows[:2]):
            own = [{"trial_id": row["trial_id"], "code": "uniform", "bits": bits} for bits in (2.5, 1.5)]
            store.write_pack(f"p{number}", PackResult({"trials": [row], "codes": own}))
        known = store.read("codes")
        assert known["bits"].tolist() == [1.5, 2.5] * 2
    for number, row in enumerate(rows[2:]):
        store.write_pack(f"q{number}", PackResult({"trials": [row]}))
        assert store.read("codes").groupby("trial_id")["bits"].apply(set).tolist() == [{1.5, 2.5}] * 2
    store.compact()
    pd.testing.assert_frame_equal(store.read("codes"), pd.read_parquet(tmp_path / "codes.parquet"))
    assert len(store.read("codes")) == 4 and not list((tmp_path / "parts").iterdir())


def test_a_store_that_never_was_is_empty(tmp_path):
    store = Store(tmp_path / "none")
    assert store.status_by_trial() == {} and not store.has_results() and store.read_manifest() == {}
    assert list(store.read_trials().columns) == TRIALS.names and len(store.read_trials()) == 0
    assert list(store.read("layers").columns) == LAYERS.names
    assert list(store.read("weights").columns) == WEIGHTS.names
    store.compact()
    store.clean()
    assert not (tmp_path / "none").exists()


def test_load_names_the_folder_and_the_command(tmp_path):
    folder = tmp_path / "compare_pruning-quick"
    with pytest.raises(
        FileNotFoundError, match=r"compare_pruning-quick; `python -m mdlray.sweep compare_pruning --quick` makes"
    ):
        load(folder)


def test_a_pack_that_does_not_fit_leaves_nothing(tmp_path, make_row):
    store, row, other = Store(tmp_path / "s"), make_row(), make_row(seed=1)
    wrong = {
        "at least one row": ([], [], {}),
        "one per trial": ([row, row], [], {}),
        "curves of trial": ([row], [curve(other)], {}),
        "models of trial": ([row], [], {model_file(other["trial_id"]): b""}),
        "must look like 'models/": ([row], [], {row["trial_id"]: b""}),
        "no column 'epoch'": ([row], [{"trial_id": row["trial_id"]}], {}),
    }
    for message, (rows, curves, files) in wrong.items():
        with pytest.raises(ValueError, match=message):
            store.write_pack("p", PackResult({"trials": rows, "curves": curves}, files))
    for name in ("../p", "a/b", "", "a.b"):
        with pytest.raises(ValueError, match="cannot name a file"):
            store.write_pack(name, PackResult({"trials": [row]}))
    with pytest.raises(ValueError, match="cannot name a file"):
        store.model_path("../../x")
    assert not (tmp_path / "s").exists()


def test_a_retried_trial_is_ok(tmp_path, make_row):
    store = Store(tmp_path)
    store.write_pack("p0", PackResult({"trials": [make_row(), make_row(seed=1, status="failed")]}))
    store.write_pack("p0", PackResult({"trials": [make_row(seed=1)]}))
    assert set(store.status_by_trial().values()) == {"ok"} and len(load(tmp_path)) == 2


def test_leftovers_are_not_read_and_are_cleaned_except_those_of_a_report_at_work(tmp_path, make_row):
    store = Store(tmp_path)
    store.write_pack("p0", PackResult({"trials": [make_row()]}))
    left = [tmp_path / ".tmp-7-trials.parquet", store.path("parts") / ".tmp-7-00000009-p.trials.parquet"]
    store.path("models").mkdir()
    left.append(store.path("models") / ".tmp-7-abc.mdl")
    page = tmp_path / ".tmp-8-report.html"
    for path in (*left, page):
        path.write_bytes(b"half")
    assert len(load(tmp_path)) == 1
    store.clean()
    assert not any(path.exists() for path in left) and page.exists() and len(load(tmp_path)) == 1


def test_status_of_ten_thousand_trials_is_quick(tmp_path, make_row):
    store, row = Store(tmp_path), make_row()
    for pack in range(10):
        rows = [row | {"trial_id": f"{pack:02d}-{member:04d}"} for member in range(1000)]
        store.write_pack(f"p{pack}", PackResult({"trials": rows}))
        if pack == 7:
            store.compact()
    start = time.perf_counter()
    status = store.status_by_trial()
    seconds = time.perf_counter() - start
    assert len(status) == 10_000
    assert seconds < 0.3


def test_a_second_writer_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    store = Store(tmp_path / "toy")
    code = (
        "import sys, time; from pathlib import Path; from mdlray.results import Store\n"
        f"with Store(Path({str(store.folder)!r})).writing(): print('writing', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None and first.stdout.readline() == "writing\n"
        with (
            pytest.raises(ValueError, match=r"writing to .*toy: process \d+ on .*, since 20.* Wait for it"),
            store.writing(),
        ):
            pass
        first.kill()
    with store.writing():
        assert (store.folder / ".lock").exists()


def test_a_folder_that_cannot_be_made_is_an_error_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError), Store(tmp_path / "file" / "toy").writing():
        pass
