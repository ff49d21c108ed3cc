"""Damaged files are moved aside, with a word, and never deleted; what is sound stays where it is."""

from pathlib import Path

import pytest

from mdlray.results import Store, load
from mdlray.results.asked import note_asked, read_asked
from mdlray.results.damage import move_damaged_aside
from mdlray.results.pack_result import PackResult
from mdlray.results.parquet import DamagedFileError
from mdlray.results.schema import CURVES, WEIGHTS


def write_packs(store: Store, make_row, seeds) -> None:
    """One pack per seed, with a curve of one epoch."""
    for seed in seeds:
        row = make_row(seed=seed)
        curve = dict.fromkeys(CURVES.names, 0.5) | {"trial_id": row["trial_id"], "epoch": 1}
        store.write_pack(f"p{seed}", PackResult({"trials": [row], "curves": [curve]}))


def cut(path: Path) -> bytes:
    content = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(content)
    return content


def aside(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "damaged").iterdir()} if folder.exists() else {}


def test_nothing_happens_to_a_sound_folder(tmp_path, make_row):
    store = Store(tmp_path)
    assert move_damaged_aside(Store(tmp_path / "none")) == [] and not (tmp_path / "none").exists()
    write_packs(store, make_row, [0, 1])
    store.compact()
    write_packs(store, make_row, [2])
    store.write_manifest({"runs": []})
    store.write_journal(b"{}\n")
    note_asked(store, "", store.status_by_trial())
    (tmp_path / "of_a_person.parquet").write_bytes(b"nonsense")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert move_damaged_aside(store) == []
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_trials_go_aside_with_the_tables_beside_them_and_are_missing(tmp_path, make_row):
    store = Store(tmp_path)
    write_packs(store, make_row, [0, 1])
    store.compact()
    write_packs(store, make_row, [2])
    content, curves = cut(tmp_path / "trials.parquet"), (tmp_path / "curves.parquet").read_bytes()
    with pytest.raises(DamagedFileError, match="trials.parquet is damaged: .* Run the sweep again"):
        load(tmp_path)
    assert not (tmp_path / "damaged").exists(), "a reader moves nothing"
    (note,) = move_damaged_aside(store)
    assert note.startswith(f"{tmp_path / 'trials.parquet'} is damaged (all its {len(content):,} bytes were read")
    assert f"moved to {tmp_path / 'damaged' / '1-trials.parquet'}" in note and "are run anew by the commands" in note
    assert list(store.status_by_trial()) == [make_row(seed=2)["trial_id"]] == list(store.read("curves")["trial_id"])
    moved = aside(tmp_path)
    assert moved.pop("1-trials.parquet") == content and curves in moved.values()
    write_packs(store, make_row, [0, 1])
    store.compact()
    assert len(load(tmp_path)) == len(store.read("curves")) == 3
    assert aside(tmp_path)["1-trials.parquet"] == content


@pytest.mark.parametrize("table", ["trials", "curves"])
def test_a_part_goes_aside_like_a_table(table, tmp_path, make_row):
    store = Store(tmp_path)
    write_packs(store, make_row, [0, 1, 2])
    content = cut(tmp_path / "parts" / f"00000002-p1.{table}.parquet")
    notes = move_damaged_aside(store)
    assert aside(tmp_path)[f"1-00000002-p1.{table}.parquet"] == content
    store.compact()
    assert len(store.status_by_trial()) == (2 if table == "trials" else 3) and len(store.read("curves")) == 2
    assert set(aside(tmp_path)) == {f"1-00000002-p1.{table}.parquet"} | (
        {"2-00000002-p1.curves.parquet"} if table == "trials" else set()
    )
    assert table == "trials" or notes[1].startswith("1 of 3 trials have no curves now.")


def test_another_table_goes_aside_and_it_is_said_what_lacks(tmp_path, make_row):
    store = Store(tmp_path)
    write_packs(store, make_row, [0, 1, 2])
    store.write_pack("p3", PackResult({"trials": [make_row(seed=3, status="failed")]}))
    store.compact()
    write_packs(store, make_row, [4])
    content = cut(tmp_path / "curves.parquet")
    with pytest.raises(DamagedFileError):
        store.read("curves")
    moved, missing = move_damaged_aside(store)
    assert "curves.parquet is damaged" in moved and aside(tmp_path) == {"1-curves.parquet": content}
    assert missing.startswith("3 of 4 trials have no curves now.") and "another --results makes all of them" in missing
    assert len(load(tmp_path)) == 5 and list(store.read("curves")["trial_id"]) == [make_row(seed=4)["trial_id"]]
    store.compact()
    assert list(store.read("weights").columns) == WEIGHTS.names and move_damaged_aside(store) == []


def test_notes_about_runs_go_aside_too(tmp_path, make_row):
    store = Store(tmp_path)
    write_packs(store, make_row, [0])
    note_asked(store, "", store.status_by_trial())
    damaged = {"manifest.json": b'{"runs": [', "asked.parquet": b"PAR1"}
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
    notes = move_damaged_aside(store)
    assert len(notes) == 2 and all(
        f"{tmp_path / name} is damaged (" in note for name, note in zip(damaged, notes, strict=True)
    )
    assert {name.partition("-")[2]: content for name, content in aside(tmp_path).items()} == damaged
    assert store.read_manifest() == {} and read_asked(store) is None


def test_what_cannot_be_read_is_no_damage(tmp_path, make_row):
    store = Store(tmp_path)
    write_packs(store, make_row, [0])
    store.compact()
    (tmp_path / "curves.parquet").unlink()
    (tmp_path / "curves.parquet").mkdir()
    with pytest.raises(IsADirectoryError, match="Nothing is lost"):
        move_damaged_aside(store)
    assert (tmp_path / "curves.parquet").is_dir() and not (tmp_path / "damaged").exists()


@pytest.mark.slow
def test_files_of_a_bucket_go_aside_as_well(s3, make_row):
    store = Store("s3://bucket/results/toy")
    with store.writing():
        write_packs(store, make_row, [0, 1])
        store.compact()
        store.storage.write({"curves.parquet": b"PAR1 nonsense", "manifest.json": b"{"})
        notes = move_damaged_aside(store)
        assert "s3://bucket/results/toy/damaged/1-curves.parquet" in notes[0] and notes[1].startswith("2 of 2 trials")
        assert store.storage.names("damaged") == {"1-curves.parquet", "2-manifest.json"}
        assert len(store.status_by_trial()) == 2 and len(store.read("curves")) == 0
