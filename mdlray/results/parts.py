"""Tables that are stored in parts: write the rows of a pack, read all parts as one table, merge the parts.

    parts/<number>-<pack_id>.<table>.parquet     the rows of one pack; its file of `trials` is written last
    parts/<number>.<table>.parquet               a merged part: the rows of all packs with smaller numbers
    <table>.parquet                              the compacted file: all rows, after `compact`

A pack is committed when its file of `trials` is there; its other files do not count before. The tables are those of
`TABLES` and all others that lie in `parts/`: a table that this process does not know is merged, too. A table without
rows has no file.

A trial may have rows in several of these files, e.g. after it failed and was run again. One row counts: a row with
status `ok` before all others, and among equals the latest. Numbers decide what is later, and not times; the compacted
file is the oldest. The trial's rows of the other tables are read from the same part. So a reader sees the same rows
after every order of kills, retries, merges and compactions. Packs that a merged part covers are ignored, so they may be
deleted in any order. There is one writer at a time and any number of readers.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from mdlray.results.parquet import parquet_bytes, read_parquet, read_parquets
from mdlray.results.schema import schema_of
from mdlray.results.tables import TABLES, Table
from mdlray.storage.storage import Storage

FOLDER = "parts"
MOST_PACKS = 256
"""When so many packs lie in `parts/`, they are merged into one part, so that listings stay short. A row is then written
three times in all: with its pack, in a merged part, and in the compacted file."""

_COMMIT = ".trials.parquet"
_COMPACTED = "trials.parquet"
_KEYS = ["trial_id", "status"]
Result = TypeVar("Result")
Best = dict[str, tuple[bool, int, str]]
"""Trial id -> whether its row has status `ok`, the number of the part with the row that counts, and its status."""


@dataclass(frozen=True)
class Parts:
    """The tables of one sweep: compacted files in the sweep's folder, and parts in the folder `parts` below it."""

    storage: Storage

    def write(self, pack_id: str, tables: Mapping[str, pa.Table]) -> None:
        """Write the tables of a pack, given by name, without empty ones; merge the packs if there are many."""
        names = self.storage.names(FOLDER)
        self._add(f"{_next_number(names):08d}-{pack_id}", tables)
        if len(_packs(_committed(names))) + 1 >= MOST_PACKS:
            self._merge_packs()

    def exist(self) -> bool:
        """Whether there is a row to read."""
        return self.storage.exists(_COMPACTED) or bool(_committed(self.storage.names(FOLDER)))

    def compact(self) -> None:
        """Merge the parts into one file per table, then delete them."""
        # First remove the packs that merged parts cover: without the merged parts, these packs would count again.
        self.clean()
        names = self.storage.names(FOLDER)
        stems = _committed(names)
        for name in _tables_in(names) if stems else ():
            self.storage.write({f"{name}.parquet": parquet_bytes(self.merged(name))})
        # The oldest part goes first, so that after a kill the remaining parts are newer than all that are gone. Files
        # of `trials` go before the others, so that every part that still counts has its curves.
        for stem in stems:
            self.storage.delete([f"{FOLDER}/{stem}{_COMMIT}"])
        self.storage.delete(f"{FOLDER}/{file}" for file in names if not file.endswith(_COMMIT))

    def clean(self) -> None:
        """Remove unfinished files, packs that a merged part covers, and files of packs that were never committed."""
        self.storage.clean(FOLDER)
        names = self.storage.names(FOLDER)
        committed = set(_committed(names))
        self.storage.delete(f"{FOLDER}/{name}" for name in sorted(names) if name.partition(".")[0] not in committed)

    def status_by_trial(self) -> dict[str, str]:
        """Trial id → status of the row that counts: "ok", "stopped" or "failed"."""
        best, compacted = _retry_if_file_vanished(lambda: self._best(_committed(self.storage.names(FOLDER))))
        status = {} if compacted is None else _as_dict(compacted)
        return status | {trial_id: best_status for trial_id, (_, _, best_status) in best.items()}

    def merged(self, name: str) -> pa.Table:
        """All rows of a table that count, in an order that compaction does not change; ValueError for no such table."""
        return _retry_if_file_vanished(lambda: self._merged(name))

    def _add(self, stem: str, tables: Mapping[str, pa.Table]) -> None:
        contents = {
            f"{FOLDER}/{stem}.{name}.parquet": parquet_bytes(rows) for name, rows in tables.items() if rows.num_rows
        }
        rows = contents.pop(f"{FOLDER}/{stem}{_COMMIT}")
        if contents:
            self.storage.write(contents)
        self.storage.write({f"{FOLDER}/{stem}{_COMMIT}": rows})

    def _merge_packs(self) -> None:
        """Merge the packs into one part. Its number is larger than theirs, which means that it covers them."""
        names = self.storage.names(FOLDER)
        packs = _packs(_committed(names))
        best = _best_of(self._keys(packs))
        tables = {name: self._rows(_table(name), packs, names, best) for name in _tables_in(names)}
        self._add(f"{_next_number(names):08d}", tables)
        self.storage.delete(f"{FOLDER}/{file}" for file in sorted(names) if file.partition(".")[0] in packs)

    def _best(self, stems: Sequence[str]) -> tuple[Best, pa.Table | None]:
        """Per trial the row that counts, if it is in these parts; and the ids and statuses of the compacted file."""
        best = _best_of(self._keys(stems))
        # Parts are read before the compacted file: rows that a compaction moves meanwhile are seen twice, never missed.
        if not self.storage.exists(_COMPACTED):
            return best, None
        compacted = read_parquet(self.storage, _COMPACTED, _KEYS)
        # A row with status `ok` in the compacted file counts before any other row in a part.
        not_ok = pa.array([trial_id for trial_id, (ok, _, _) in best.items() if not ok], pa.string())
        if len(not_ok):
            is_ok_before = pc.and_(
                pc.is_in(compacted["trial_id"], value_set=not_ok), pc.equal(compacted["status"], "ok")
            )
            for trial_id in compacted["trial_id"].filter(is_ok_before).to_pylist():
                del best[trial_id]
        return best, compacted

    def _merged(self, name: str) -> pa.Table:
        names = self.storage.names(FOLDER)
        is_compacted = self.storage.exists(f"{name}.parquet")
        if name not in _tables_in(names) and not is_compacted:
            tables = ", ".join(sorted(_tables_in(names)))
            raise ValueError(f"there is no table {name!r} in {self.storage.address()}; there are: {tables}.")
        table, stems = _table(name), _committed(names)
        best, compacted = self._best(stems)
        rows = self._rows(table, stems, names, best)
        if compacted is None or not is_compacted:
            return rows
        old_rows = read_parquet(self.storage, f"{name}.parquet")
        if best:
            in_parts = pa.array(best, pa.string())
            old_rows = old_rows.filter(pc.invert(pc.is_in(old_rows["trial_id"], value_set=in_parts)))
        # "default" keeps the columns of all three tables: a column that one of them lacks is null in its rows.
        merged = pa.concat_tables([table.schema.empty_table(), old_rows, rows], promote_options="default")
        # A compacted file is sorted already, and to sort a million rows takes seconds.
        return table.in_order(merged) if rows.num_rows else merged

    def _rows(self, table: Table, stems: Sequence[str], names: set[str], best: Best) -> pa.Table:
        """The rows of a table that count, of those in these parts."""
        ids: dict[int, list[str]] = {}
        for trial_id, (_, part, _) in best.items():
            ids.setdefault(part, []).append(trial_id)
        files = {number: f"{stem}.{table.name}.parquet" for stem in stems if (number := _number(stem)) in ids}
        files = {number: file for number, file in files.items() if file in names}
        tables = [table.schema.empty_table()]
        parts = read_parquets(self.storage, [f"{FOLDER}/{file}" for file in files.values()])
        for number, rows in zip(files, parts, strict=True):
            # Mostly all rows count. A filter would copy them, and at the end of a large sweep memory is short.
            if rows.num_rows > len(ids[number]) or table.name != "trials":
                rows = rows.filter(pc.is_in(rows["trial_id"], value_set=pa.array(ids[number], pa.string())))
            tables.append(rows)
        return table.in_order(pa.concat_tables(tables, promote_options="default"))

    def _keys(self, stems: Sequence[str]) -> dict[int, pa.Table]:
        tables = read_parquets(self.storage, [f"{FOLDER}/{stem}{_COMMIT}" for stem in stems], _KEYS)
        return {_number(stem): table for stem, table in zip(stems, tables, strict=True)}


def _tables_in(names: set[str]) -> list[str]:
    """Names of the tables of `TABLES` and of all tables in these parts; `trials` is last, because it commits a pack."""
    stored_tables = {file.split(".")[1] for file in names if re.fullmatch(r"[\w-]+\.[\w-]+\.parquet", file)}
    return [*sorted((TABLES.keys() | stored_tables) - {"trials"}), "trials"]


def _table(name: str) -> Table:
    return TABLES.get(name) or Table(name, schema_of({"trial_id": "str"}))


def _number(stem: str) -> int:
    match = re.match(r"\d+", stem)
    return int(match[0]) if match else 0


def _next_number(names: set[str]) -> int:
    # Larger than every number, also those of packs that a killed writer did not commit: a new part with such a number
    # would get the curves of that pack.
    return 1 + max(map(_number, names), default=0)


def _committed(names: set[str]) -> list[str]:
    """Names up to the table of the parts that are committed and that no merged part covers, oldest first."""
    stems = sorted(n.removesuffix(_COMMIT) for n in names if re.fullmatch(r"\d+(-[\w-]+)?\.trials\.parquet", n))
    covered = max((_number(stem) for stem in stems if "-" not in stem), default=0)
    return [stem for stem in stems if "-" not in stem or _number(stem) > covered]


def _packs(stems: Sequence[str]) -> list[str]:
    return [stem for stem in stems if "-" in stem]


def _best_of(keys: Mapping[int, pa.Table]) -> Best:
    best: Best = {}
    for part, table in keys.items():
        for trial_id, status in zip(table["trial_id"].to_pylist(), table["status"].to_pylist(), strict=True):
            rank = (status == "ok", part, status)
            best[trial_id] = max(best.get(trial_id, rank), rank)
    return best


def _as_dict(keys: pa.Table) -> dict[str, str]:
    return dict(zip(keys["trial_id"].to_pylist(), keys["status"].to_pylist(), strict=True))


def _retry_if_file_vanished(read: Callable[[], Result]) -> Result:
    """Call `read` again if a merge or a compaction removed a file after it was listed and before it was opened."""
    for _ in range(100):
        try:
            return read()
        except FileNotFoundError:
            continue
    return read()
