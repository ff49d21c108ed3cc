"""Any order of packs and compactions reads as: the ok row, else the latest; with the curves that came with it."""

import os
import shutil
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlray.results import parts as parts_module
from mdlray.results.conversion import to_table
from mdlray.results.parquet import parquet_bytes
from mdlray.results.parts import Parts
from mdlray.results.schema import CURVES, LAYERS, TRIALS, WEIGHTS
from mdlray.results.tables import TABLES
from mdlray.storage.local import LocalFolder

ASSET = Path(__file__).parents[1] / "assets" / "rows_v1.parquet"
TEMPLATE = dict.fromkeys(TRIALS.names) | pq.read_table(ASSET).to_pylist()[0]


def pack(trials: dict[str, str], attempt: int) -> dict[str, pa.Table]:
    """Tables of a pack whose rows and curves tell the attempt they come from."""
    rows = [TEMPLATE | {"trial_id": t, "status": s, "wall_seconds": float(attempt)} for t, s in trials.items()]
    point = dict.fromkeys(CURVES.names, float(attempt))
    curves = [point | {"trial_id": t, "epoch": e} for t, s in trials.items() if s == "ok" for e in (1, 2)]
    bins = {"layer": "output.weight", "num_zero": attempt, "low": -1.0, "high": 1.0, "counts": [attempt] * 64}
    moments = [(t, m) for t, s in trials.items() if s == "ok" for m in ("before_last_pruning", "trained")]
    weights = [bins | {"trial_id": t, "moment": m, "epoch": 1.0} for t, m in moments]
    tables = {"curves": to_table(curves, CURVES), "layers": LAYERS.empty_table(), "weights": to_table(weights, WEIGHTS)}
    return tables | {"trials": to_table(rows, TRIALS)}


def read(parts: Parts) -> tuple[dict[str, tuple[str, float]], dict[str, list[float]]]:
    rows = {r["trial_id"]: (r["status"], r["wall_seconds"]) for r in parts.merged("trials").to_pylist()}
    curves, weights = read_kind(parts, "curves"), read_weights(parts)
    # Two points and two histograms per trial, of the same attempt.
    assert weights == curves
    return rows, curves


def read_kind(parts: Parts, kind: str, column: str = "train_accuracy") -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for row in parts.merged(kind).to_pylist():
        found.setdefault(row["trial_id"], []).append(row[column])
    return found


def read_weights(parts: Parts) -> dict[str, list[float]]:
    assert all(row["counts"] == [row["num_zero"]] * 64 for row in parts.merged("weights").to_pylist())
    return read_kind(parts, "weights", "num_zero")


def make_parts(folder: Path) -> Parts:
    return Parts(LocalFolder(folder))


packs = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["ok", "stopped", "failed"]), min_size=1)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.one_of(packs, st.just("compact")), max_size=8))
def test_every_history_reads_like_the_model(history):
    folder = Path(tempfile.mkdtemp())
    parts, model = make_parts(folder), {}
    for attempt, step in enumerate(history):
        if step == "compact":
            parts.compact()
        else:
            parts.write("samename", pack(step, attempt))
            for trial, status in step.items():
                if status == "ok" or model.get(trial, ("failed",))[0] != "ok":
                    model[trial] = (status, float(attempt))
        rows, curves = read(parts)
        assert rows == model
        assert curves == {trial: [attempt] * 2 for trial, (status, attempt) in model.items() if status == "ok"}
        assert parts.status_by_trial() == {trial: status for trial, (status, _) in model.items()}
    shutil.rmtree(folder)


def test_compaction_changes_no_byte_of_what_is_read_and_leaves_no_part(tmp_path):
    parts = make_parts(tmp_path)
    for attempt, trials in enumerate([{"d": "ok", "a": "ok"}, {"c": "failed"}, {"b": "ok"}]):
        parts.write(f"p{attempt}", pack(trials, attempt))
    before = [parts.merged(kind) for kind in TABLES]
    parts.compact()
    assert [parts.merged(kind) for kind in TABLES] == before
    assert list((tmp_path / "parts").iterdir()) == []
    once = (tmp_path / "trials.parquet").read_bytes()
    parts.compact()
    assert (tmp_path / "trials.parquet").read_bytes() == once


def test_the_order_of_packs_leaves_no_trace(tmp_path):
    trials = [{"d": "ok", "a": "ok"}, {"c": "failed"}, {"b": "ok"}]
    for name, order in (("one", (0, 1, 2)), ("other", (2, 0, 1))):
        parts = make_parts(tmp_path / name)
        for number in order:
            parts.write(f"p{number}", pack(trials[number], number))
        parts.compact()
    for kind in TABLES:
        assert (tmp_path / "one" / f"{kind}.parquet").read_bytes() == (
            tmp_path / "other" / f"{kind}.parquet"
        ).read_bytes()


def test_curves_without_rows_are_not_read_and_are_cleaned(tmp_path):
    parts = make_parts(tmp_path)
    parts.write("p0", pack({"a": "ok"}, 0))
    orphan = tmp_path / "parts" / "00000002-p1.curves.parquet"
    orphan.write_bytes(parquet_bytes(pack({"b": "ok", "a": "ok"}, 5)["curves"]))
    assert set(read(parts)[1]) == {"a"}
    # A new part does not adopt the orphan, not even under the same name and without curves of its own.
    parts.write("p1", pack({"a": "failed"}, 1))
    assert read(parts)[1] == {"a": [0.0, 0.0]}
    parts.clean()
    assert not orphan.exists() and set(read(parts)[0]) == {"a"}


def test_columns_of_older_and_newer_programs_live_together(tmp_path):
    parts = make_parts(tmp_path)
    tables = pack({"a": "ok"}, 0)
    parts.write("older", tables | {"trials": tables["trials"].drop_columns(["lzma_csr_bytes"])})
    tables = pack({"b": "ok"}, 1)
    parts.write("newer", tables | {"trials": tables["trials"].append_column("label_bits", pa.array([7.5]))})
    parts.compact()
    rows = {row["trial_id"]: row for row in parts.merged("trials").to_pylist()}
    assert rows["a"]["lzma_csr_bytes"] is None and rows["b"]["lzma_csr_bytes"] is not None
    assert rows["a"]["label_bits"] is None and rows["b"]["label_bits"] == 7.5


def test_folders_from_before_there_were_weights_are_read_compacted_and_go_on(tmp_path):
    parts = make_parts(tmp_path)
    for attempt, trials in enumerate([{"a": "ok"}, {"b": "failed"}]):
        parts.write(f"p{attempt}", pack(trials, attempt) | {"weights": WEIGHTS.empty_table()})
    assert not list(tmp_path.rglob("*weights*"))
    assert parts.merged("weights").equals(WEIGHTS.empty_table())
    parts.compact()
    assert parts.merged("weights").equals(WEIGHTS.empty_table())
    (tmp_path / "weights.parquet").unlink()
    parts.write("p2", pack({"b": "ok"}, 2))
    for _ in range(2):
        assert read_weights(parts) == {"b": [2, 2]} and set(parts.status_by_trial().values()) == {"ok"}
        parts.compact()
    parts.write("p3", pack({"a": "ok"}, 3))
    assert read_weights(parts) == {"a": [3, 3], "b": [2, 2]}


def test_a_damaged_table_of_weights_is_named(tmp_path):
    parts = make_parts(tmp_path)
    parts.write("p0", pack({"a": "ok"}, 0))
    broken = tmp_path / "parts" / "00000001-p0.weights.parquet"
    broken.write_bytes(broken.read_bytes()[:-9])
    with pytest.raises(ValueError, match="00000001-p0.weights.parquet is damaged"):
        parts.merged("weights")
    assert read_kind(parts, "curves") == {"a": [0.0, 0.0]}


def test_one_damaged_part_is_named(tmp_path):
    parts = make_parts(tmp_path)
    parts.write("p0", pack({"a": "ok"}, 0))
    parts.write("p1", pack({"b": "ok"}, 1))
    broken = tmp_path / "parts" / "00000001-p0.trials.parquet"
    broken.write_bytes(broken.read_bytes()[:-9])
    for look in (parts.status_by_trial, lambda: parts.merged("trials"), parts.compact):
        with pytest.raises(ValueError, match="00000001-p0.trials.parquet is damaged"):
            look()
    assert (tmp_path / "parts" / "00000002-p1.trials.parquet").exists()


def test_many_packs_are_merged_and_nothing_that_is_read_changes(tmp_path, monkeypatch):
    """Retries across merges, a merge killed before it removes anything, and a compaction of all of it."""
    history = [{f"t{n % 40:02d}": "failed" if n % 3 else "ok", f"u{n:02d}": "ok"} for n in range(60)]
    plain, merging = make_parts(tmp_path / "plain"), make_parts(tmp_path / "merging")
    for number, trials in enumerate(history):
        monkeypatch.setattr(parts_module, "MOST_PACKS", 10**6)
        plain.write(f"p{number}", pack(trials, number))
        monkeypatch.setattr(parts_module, "MOST_PACKS", 8)
        covered = {path: path.read_bytes() for path in (tmp_path / "merging" / "parts").glob("*-*")}
        merging.write(f"p{number}", pack(trials, number))
        if number == 31:
            for path, content in covered.items():
                path.write_bytes(content)
        assert len(list((tmp_path / "merging" / "parts").glob("*-*.trials.parquet"))) < 8 + 8 * (number >= 31)
        if number % 10 == 9:
            assert read(merging) == read(plain) and merging.status_by_trial() == plain.status_by_trial()
    assert len(list((tmp_path / "merging" / "parts").glob("*.parquet"))) < 60
    for parts in (merging, plain):
        parts.compact()
    for kind in TABLES:
        name = f"{kind}.parquet"
        assert (tmp_path / "merging" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()
    assert list((tmp_path / "merging" / "parts").iterdir()) == []
    merging.write("last", pack({"t00": "ok"}, 99))
    assert read(merging)[0]["t00"] == ("ok", 99.0)


@pytest.mark.parametrize("year", [1990, 2040])
def test_times_of_files_decide_nothing(tmp_path, year):
    """A clock that was set back or forth between packs."""
    parts = make_parts(tmp_path)
    for attempt, trials in enumerate([{"a": "ok", "b": "failed"}, {"b": "ok"}, {"a": "ok"}]):
        parts.write(f"p{attempt}", pack(trials, attempt))
        for path in [*(tmp_path / "parts").iterdir(), tmp_path / "parts", tmp_path]:
            os.utime(path, (seconds := (year - 1970) * 31_556_952 - attempt * 10**6, seconds))
        if attempt == 1:
            parts.compact()
    assert read(parts)[0] == {"a": ("ok", 2.0), "b": ("ok", 1.0)}
