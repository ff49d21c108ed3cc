"""Damaged files of a sweep's folder: the command moves them into `damaged/`, says so, and goes on without them.

    trials.parquet, a pack's trials     the trials are run again; the other tables of the same part are moved, too
    another table, e.g. curves          the rows stay, so nothing is run again; a note counts the trials without curves
    manifest.json                       the next run begins a new manifest
    asked.parquet                       each command notes again, when it is next given, the trials that it asks for

Nothing is deleted. Only the command calls this module, while it holds the lock. A reader such as `mdlray.load` reports
a damaged file and does not move it. To find damage, the command reads every table whole once at its start. The journal
of a search is not checked here, because only Optuna can tell whether it is damaged (`mdlray.driver.journal`).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from mdlray.results.asked import ASKED_NAME, read_asked
from mdlray.results.parquet import DamagedFileError, read_parquet
from mdlray.results.parts import FOLDER
from mdlray.results.store import MANIFEST, Store
from mdlray.results.tables import TABLES
from mdlray.storage.storage import Storage, move_aside

TRIALS, ENDING = "trials", ".parquet"


def move_damaged_aside(store: Store) -> list[str]:
    """Move every damaged file of the folder aside; returns notes for the user, a sentence or two per file."""
    storage = store.storage
    names = {name for name in storage.names() if name.removesuffix(ENDING) in TABLES} | {
        f"{FOLDER}/{name}" for name in storage.names(FOLDER) if name.endswith(ENDING)
    }
    damage = _damage_of_tables(storage, sorted(names))
    notes, tables = [], set()
    # Files of `trials` come first, because the other tables of their part are moved with them, damaged or not.
    for name in sorted(damage, key=lambda name: (_table_of(name) != TRIALS, name)):
        if _table_of(name) != TRIALS and storage.exists(name):
            notes.append(_move(storage, name, damage[name]))
            tables.add(_table_of(name))
        elif storage.exists(name):
            notes.append(_move(storage, name, damage[name]))
            notes[-1] += " Rows that were only there are missing now, and are run anew by the commands that ask them"
            beside = [other for other in sorted(names - {name}) if _stem_of(other) == _stem_of(name)]
            moved = [move_aside(storage, other) for other in beside if storage.exists(other)]
            notes[-1] += f"; what lay beside went with them ({', '.join(moved)})." if moved else "."
    notes += [_count_missing(store, table) for table in sorted(tables)]
    for name, (check, consequence) in _OTHERS.items():
        try:
            check(store)
        except ValueError as error:
            reason = error.reason if isinstance(error, DamagedFileError) else str(error)
            notes.append(f"{_move(storage, name, reason)} {consequence}")
    return notes


def _damage_of_tables(storage: Storage, names: list[str]) -> dict[str, str]:
    """Damaged file → what is wrong with it."""

    def damage_of(name: str) -> str:
        try:
            read_parquet(storage, name)
        except DamagedFileError as error:
            return error.reason
        except (FileNotFoundError, ValueError):
            # The file has gone, or is refused for another reason: the command says so when it needs the table.
            return ""
        return ""

    with ThreadPoolExecutor(storage.num_parallel) as pool:
        reasons = dict(zip(names, pool.map(damage_of, names), strict=True))
    return {name: reason for name, reason in reasons.items() if reason}


def _move(storage: Storage, name: str, reason: str) -> str:
    where = storage.address(name)
    return f"{where} is damaged ({reason}) and was moved to {storage.address(move_aside(storage, name))}."


def _count_missing(store: Store, table: str) -> str:
    """A note on how many trials lack rows in a table with a damaged file, and how to get these rows again."""
    measured = {trial_id for trial_id, status in store.status_by_trial().items() if status != "failed"}
    missing = len(measured - set(store.read(table)["trial_id"]))
    return (
        f"{missing} of {len(measured)} trials have no {table} now. Their rows and networks are whole, so they are not "
        f"run anew; the same command with another --results makes all of them again, with their {table}."
    )


def _table_of(name: str) -> str:
    """`curves` of `curves.parquet` and of `parts/00000003-abc.curves.parquet`."""
    return name.removesuffix(ENDING).rpartition("/")[2].rpartition(".")[2]


def _stem_of(name: str) -> str:
    """The part of the name that all tables of one pack share: `parts/00000003-abc.`; empty for compacted files."""
    return name.removesuffix(ENDING).removesuffix(_table_of(name))


_OTHERS: dict[str, tuple[Callable[[Store], object], str]] = {
    MANIFEST: (Store.read_manifest, "This run begins a new one; earlier runs are only noted in the old file."),
    ASKED_NAME: (
        read_asked,
        "All rows count as asked until each command that filled this folder has noted again what it asks; a command "
        "whose trials are done only takes seconds.",
    ),
}
"""File → a function that raises ValueError if it is damaged, and the consequence of moving it aside."""
