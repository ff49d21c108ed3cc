"""Which trials a sweep asks, as the commands that filled its folder noted it: `asked.parquet`.

    variant (string), trial_id (string)      one line per trial that one variant of the command asks

A folder outlives the text of its sweep. If an option is taken out of the sweep's file, the rows of that option stay in
the folder, but the sweep no longer asks them: they are kept, and stand on no front. A command notes what it asks before
it runs anything. It replaces what the same variant had noted before, and leaves other variants alone. The variant is
the part of the command line that changes trials, for example `--dataset mnist --seed 5`, because a folder is often
filled by several such commands. Example: with 4 trials noted for "" and 4 for "--seed 1", 8 trials are asked; after one
of two ratios is taken out of the file and the first command is given again, 2 + 4 are asked.

Rows that are older than the first note are listed under the variant "older rows" and count as asked, because nobody
knows any more which command had asked them; a variant that asks such a row takes it over. A folder without a note asks
all its rows.
"""

from collections.abc import Iterable

import pandas as pd
import pyarrow as pa

from mdlray.results.parquet import parquet_bytes, read_parquet
from mdlray.results.store import Store

ASKED_NAME = "asked.parquet"
OLDER_ROWS = "older rows"
"""The variant of rows that were there before the first note."""

ASKED = pa.schema([pa.field("variant", pa.string(), nullable=False), pa.field("trial_id", pa.string(), nullable=False)])

Asked = dict[str, frozenset[str]]
"""Variant → ids of the trials that it asks."""


def variant_of(dataset: str | None, seed: int, digest: str | None) -> str:
    """The options that change every trial, under which `asked.parquet` notes what is asked; empty without them."""
    options = {"--dataset": dataset, "--seed": seed or None, "--background-images": digest}
    return " ".join(f"{option} {value}" for option, value in options.items() if value is not None)


def read_asked(store: Store) -> Asked | None:
    """What the folder's commands have asked; None where nothing was noted. Errors are those of `read_parquet`."""
    try:
        table = read_parquet(store.storage, ASKED_NAME)
    except FileNotFoundError:
        return None
    ids: dict[str, set[str]] = {}
    for variant, trial_id in zip(table["variant"].to_pylist(), table["trial_id"].to_pylist(), strict=True):
        ids.setdefault(variant, set()).add(trial_id)
    return {variant: frozenset(trial_ids) for variant, trial_ids in ids.items()}


def with_variant(store: Store, variant: str, trial_ids: Iterable[str]) -> Asked:
    """What the folder asks once this variant has noted these trials; this writes nothing."""
    ids = frozenset(trial_ids)
    before = read_asked(store)
    if before is None:
        before = {OLDER_ROWS: frozenset(store.status_by_trial())}
    # An older row that this variant asks is no longer of unknown origin, and leaves when the variant stops asking it.
    older = before.get(OLDER_ROWS, frozenset()) - ids
    return {name: trials for name, trials in {**before, OLDER_ROWS: older, variant: ids}.items() if trials}


def note_asked(store: Store, variant: str, trial_ids: Iterable[str]) -> None:
    """Note the trials that a variant of the command asks, in place of those that it asked before."""
    asked = with_variant(store, variant, trial_ids)
    if asked != read_asked(store):
        lines = sorted((name, trial_id) for name, ids in asked.items() for trial_id in ids)
        columns = {"variant": [name for name, _ in lines], "trial_id": [trial_id for _, trial_id in lines]}
        store.storage.write({ASKED_NAME: parquet_bytes(pa.table(columns, schema=ASKED))})


def asked_rows(store: Store, rows: pd.DataFrame) -> pd.DataFrame:
    """Those rows of the folder whose trials are asked; all of them where nothing was noted."""
    asked = read_asked(store)
    if asked is None:
        return rows
    is_asked = rows["trial_id"].isin(all_ids(asked))
    # A million rows are a gigabyte: they are copied only where some must go.
    return rows if is_asked.all() else rows[is_asked].reset_index(drop=True)


def count_not_asked(store: Store, asked: Asked) -> int:
    """Number of rows in the folder whose trials are not among those asked."""
    return len(store.status_by_trial().keys() - all_ids(asked))


def all_ids(asked: Asked) -> frozenset[str]:
    """The trials that any variant asks."""
    return frozenset().union(*asked.values())


def asked_notes(store: Store) -> list[str]:
    """What people should know of rows that nobody asks, and of older rows that count as asked."""
    asked = read_asked(store)
    if asked is None:
        return []
    notes = []
    if number := count_not_asked(store, asked):
        notes.append(not_asked_note(number))
    if number := len(asked.get(OLDER_ROWS, ())):
        notes.append(f"{number:,} rows are older than the notes of what is asked here; they count as asked.")
    return notes


def not_asked_note(num_rows: int) -> str:
    """The sentence for people about rows whose trials nobody asks."""
    of_trials = "row in this folder is of a trial" if num_rows == 1 else "rows in this folder are of trials"
    return f"{num_rows:,} {of_trials} that the sweep does not ask (kept, not on the front)."
