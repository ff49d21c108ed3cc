"""Rows that nobody asks are kept, and are on no front."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mdlray.results import Store
from mdlray.results.asked import OLDER_ROWS, all_ids, asked_notes, asked_rows, count_not_asked, note_asked, read_asked
from mdlray.results.pack_result import PackResult


def write(store: Store, make_row, seeds) -> list[str]:
    rows = [make_row(seed=seed) for seed in seeds]
    store.write_pack(f"p{seeds[0]}", PackResult({"trials": rows}))
    return [row["trial_id"] for row in rows]


def test_a_folder_without_notes_asks_all_its_rows(tmp_path, make_row):
    store = Store(tmp_path)
    write(store, make_row, [0, 1])
    rows = store.read_trials()
    assert read_asked(store) is None and asked_notes(store) == [] and asked_rows(store, rows) is rows


def test_a_variant_replaces_what_it_asked_and_leaves_others_alone(tmp_path, make_row):
    store = Store(tmp_path)
    note_asked(store, "", ["to be replaced"])
    first, second = write(store, make_row, [0, 1]), write(store, make_row, [2, 3])
    note_asked(store, "", first)
    note_asked(store, "--seed 2", second)
    assert read_asked(store) == {"": frozenset(first), "--seed 2": frozenset(second)} and asked_notes(store) == []
    note_asked(store, "", first[:1])
    rows = asked_rows(store, store.read_trials())
    assert sorted(rows["trial_id"]) == sorted([first[0], *second]) and list(rows.index) == [0, 1, 2]
    (note,) = asked_notes(store)
    assert note == "1 row in this folder is of a trial that the sweep does not ask (kept, not on the front)."
    note_asked(store, "", first)
    assert len(asked_rows(store, store.read_trials())) == 4


def test_older_rows_count_until_a_variant_that_asked_them_stops(tmp_path, make_row):
    store = Store(tmp_path)
    first, second = write(store, make_row, [0, 1]), write(store, make_row, [2, 3])
    note_asked(store, "", first)
    assert read_asked(store) == {"": frozenset(first), OLDER_ROWS: frozenset(second)}
    assert asked_notes(store) == ["2 rows are older than the notes of what is asked here; they count as asked."]
    note_asked(store, "--seed 2", second)
    note_asked(store, "--seed 2", second[:1])
    assert read_asked(store) == {"": frozenset(first), "--seed 2": frozenset(second[:1])}
    assert count_not_asked(store, read_asked(store)) == 1


def test_a_search_that_was_told_nothing_yet_asks_nothing(tmp_path, make_row):
    store = Store(tmp_path)
    note_asked(store, "", [])
    assert read_asked(store) == {}
    write(store, make_row, [0])
    assert asked_rows(store, store.read_trials()).empty and count_not_asked(store, {}) == 1


def test_the_note_is_written_only_when_it_changes(tmp_path):
    store = Store(tmp_path)
    note_asked(store, "", ["b", "a"])
    written = (tmp_path / "asked.parquet").stat().st_mtime_ns
    note_asked(store, "", ["a", "b"])
    assert (tmp_path / "asked.parquet").stat().st_mtime_ns == written


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(["", "--seed 1", "--dataset mnist"]), st.sets(st.sampled_from("abcdef")))))
def test_what_is_asked_is_the_union_of_the_last_notes(tmp_path_factory, notes):
    store, last = Store(tmp_path_factory.mktemp("asked")), {}
    for variant, ids in notes:
        note_asked(store, variant, ids)
        last[variant] = ids
        assert all_ids(read_asked(store)) == set().union(*last.values())
