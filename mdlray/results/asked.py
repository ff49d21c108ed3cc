"""The trials that a sweep asks for, as noted by the commands that filled its folder: `asked.parquet`.

    variant (string), trial_id (string)      one line per trial that one variant of the command asks for

A sweep's file may be edited after its folder was filled. If an option is taken out of the file, the rows of that option
stay in the folder, but the sweep no longer asks for them: they are kept, and are on no front. Before a command runs
anything, it notes the trials that it asks for. The note replaces the earlier note of the same variant, and leaves those
of other variants as they are. The variant is the part of the command line that changes trials, e.g. `--dataset mnist
--seed 5`, because a folder is often filled by several such commands. Example: 4 trials are noted for the variant "",
and 4 for "--seed 1", so 8 trials are asked for. Then one of two ratios is taken out of the file, and the first command
is given again: now 2 + 4 trials are asked for.

Rows that are older than the first note are listed under the variant "older rows". They count as asked for, because it
is not known which command asked for them. If a variant asks for such a row, the row moves to this variant. In a folder
without a note, all rows count as asked for.
"""

from collections.abc import Iterable

import pandas as pd
import pyarrow as pa

from mdlray.results.parquet import parquet_bytes, read_parquet
from mdlray.results.store import Store

ASKED_NAME = "asked.parquet"
OLDER_ROWS = "older rows"
"""The variant of rows that were written before the first note."""

ASKED = pa.schema([pa.field("variant", pa.string(), nullable=False), pa.field("trial_id", pa.string(), nullable=False)])

Asked = dict[str, frozenset[str]]
"""Variant → ids of the trials that it asks for."""


def variant_of(dataset: str | None, seed: int, digest: str | None) -> str:
    """The variant of a command: its options that change trials; empty without such options."""
    options = {"--dataset": dataset, "--seed": seed or None, "--background-images": digest}
    return " ".join(f"{option} {value}" for option, value in options.items() if value is not None)


def read_asked(store: Store) -> Asked | None:
    """The notes of the folder's commands; None if there is no note. Raises the errors of `read_parquet`."""
    try:
        table = read_parquet(store.storage, ASKED_NAME)
    except FileNotFoundError:
        return None
    ids: dict[str, set[str]] = {}
    for variant, trial_id in zip(table["variant"].to_pylist(), table["trial_id"].to_pylist(), strict=True):
        ids.setdefault(variant, set()).add(trial_id)
    return {variant: frozenset(trial_ids) for variant, trial_ids in ids.items()}


def with_variant(store: Store, variant: str, trial_ids: Iterable[str]) -> Asked:
    """The notes as they are once this variant has noted these trials; this function writes nothing."""
    ids = frozenset(trial_ids)
    before = read_asked(store)
    if before is None:
        before = {OLDER_ROWS: frozenset(store.status_by_trial())}
    # If this variant asks for an older row, the origin of the row is known. So the row is left out of the older ones.
    older = before.get(OLDER_ROWS, frozenset()) - ids
    return {name: trials for name, trials in {**before, OLDER_ROWS: older, variant: ids}.items() if trials}


def note_asked(store: Store, variant: str, trial_ids: Iterable[str]) -> None:
    """Note the trials that a variant asks for, in place of those that it asked for before."""
    asked = with_variant(store, variant, trial_ids)
    if asked != read_asked(store):
        lines = sorted((name, trial_id) for name, ids in asked.items() for trial_id in ids)
        columns = {"variant": [name for name, _ in lines], "trial_id": [trial_id for _, trial_id in lines]}
        store.storage.write({ASKED_NAME: parquet_bytes(pa.table(columns, schema=ASKED))})


def asked_rows(store: Store, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows whose trials are asked for; all rows if there is no note."""
    asked = read_asked(store)
    if asked is None:
        return rows
    is_asked = rows["trial_id"].isin(all_ids(asked))
    # A million rows are a gigabyte, so they are copied only if some rows must be left out.
    return rows if is_asked.all() else rows[is_asked].reset_index(drop=True)


def count_not_asked(store: Store, asked: Asked) -> int:
    """Number of rows in the folder whose trials are not asked for."""
    return len(store.status_by_trial().keys() - all_ids(asked))


def all_ids(asked: Asked) -> frozenset[str]:
    """Ids of the trials that at least one variant asks for."""
    return frozenset().union(*asked.values())


def asked_notes(store: Store) -> list[str]:
    """Notes for the user on rows that no command asks for, and on older rows that count as asked for."""
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
    """The note for the user on rows whose trials no command asks for."""
    of_trials = "row in this folder is of a trial" if num_rows == 1 else "rows in this folder are of trials"
    return f"{num_rows:,} {of_trials} that the sweep does not ask (kept, not on the front)."
