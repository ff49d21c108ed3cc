"""Tables that arrive in parts: write one pack's, read all as one table, merge them into one file per table.

    parts/<number>-<pack_id>.<table>.parquet     one pack; its trials come last and commit it
    parts/<number>.<table>.parquet               all packs with smaller numbers, merged now and then
    <table>.parquet                              everything, after `compact`

The tables are those of `TABLES`, and any other that lies in `parts/`: whoever does not know a table merges it all the
same. A file without rows is left out, and older folders have no weights.

A trial may have several rows, in several of these files. The one that counts is an ok one if there is, then the latest
(the compacted file is the oldest, parts follow in their order); what else is read of it lies beside it. So
every order of deaths, retries, merges and compactions reads the same. Packs that a merged part covers are not looked at
any more, so they may be removed in any order. One writer at a time, any number of readers; numbers and not times order.
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
"""Packs that lie apart; then they become one part, so that listings stay short; a row is written three times in all."""

_COMMIT = ".trials.parquet"
_COMPACTED = "trials.parquet"
_KEYS = ["trial_id", "status"]
Result = TypeVar("Result")
Best = dict[str, tuple[bool, int, str]]
"""Trial id -> whether its row is ok, the number of the part whose row counts, and the row's status."""


@dataclass(frozen=True)
class Parts:
    """The tables of one sweep: the compacted ones in its place, the parts in a folder below."""

    storage: Storage

    def write(self, pack_id: str, tables: Mapping[str, pa.Table]) -> None:
        """Add one pack's tables by name; an empty one is left out. Merges the packs when many lie there."""
        names = self.storage.names(FOLDER)
        self._add(f"{_next_number(names):08d}-{pack_id}", tables)
        if len(_packs(_committed(names))) + 1 >= MOST_PACKS:
            self._merge_packs()

    def exist(self) -> bool:
        """Whether there is a row to read."""
        return self.storage.exists(_COMPACTED) or bool(_committed(self.storage.names(FOLDER)))

    def compact(self) -> None:
        """Merge the parts into one file per table, then delete them."""
        # First what merged parts cover: once those are gone, it would count again.
        self.clean()
        names = self.storage.names(FOLDER)
        stems = _committed(names)
        for name in _tables_in(names) if stems else ():
            self.storage.write({f"{name}.parquet": parquet_bytes(self.merged(name))})
        # Oldest first and rows first: a part that is left is newer than all that are gone, and has its curves.
        for stem in stems:
            self.storage.delete([f"{FOLDER}/{stem}{_COMMIT}"])
        self.storage.delete(f"{FOLDER}/{file}" for file in names if not file.endswith(_COMMIT))

    def clean(self) -> None:
        """Remove unfinished parts, packs that a merged part covers, and other tables whose rows never came."""
        self.storage.clean(FOLDER)
        names = self.storage.names(FOLDER)
        committed = set(_committed(names))
        self.storage.delete(f"{FOLDER}/{name}" for name in sorted(names) if name.partition(".")[0] not in committed)

    def status_by_trial(self) -> dict[str, str]:
        """Trial id → status of the row that counts: "ok", "stopped" or "failed"."""
        best, compacted = _retry_if_file_vanished(lambda: self._best(_committed(self.storage.names(FOLDER))))
        status = {} if compacted is None else _as_dict(compacted)
        return status | {trial_id: its_status for trial_id, (_, _, its_status) in best.items()}

    def merged(self, name: str) -> pa.Table:
        """All rows of a table that count, in an order that compaction does not change; ValueError if unknown."""
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
        """Make the packs that lie apart one part. Its number is larger than theirs, which says that it covers them."""
        names = self.storage.names(FOLDER)
        packs = _packs(_committed(names))
        best = _best_of(self._keys(packs))
        tables = {name: self._rows(_table(name), packs, names, best) for name in _tables_in(names)}
        self._add(f"{_next_number(names):08d}", tables)
        self.storage.delete(f"{FOLDER}/{file}" for file in sorted(names) if file.partition(".")[0] in packs)

    def _best(self, stems: Sequence[str]) -> tuple[Best, pa.Table | None]:
        """The best row of every trial that these parts decide, and ids with statuses of the compacted file."""
        best = _best_of(self._keys(stems))
        # The compacted file comes after the parts: what a compaction moves meanwhile is seen twice, never missed.
        if not self.storage.exists(_COMPACTED):
            return best, None
        compacted = read_parquet(self.storage, _COMPACTED, _KEYS)
        others = pa.array([trial_id for trial_id, (ok, _, _) in best.items() if not ok], pa.string())
        if len(others):
            rescued = pc.and_(pc.is_in(compacted["trial_id"], value_set=others), pc.equal(compacted["status"], "ok"))
            for trial_id in compacted["trial_id"].filter(rescued).to_pylist():
                del best[trial_id]
        return best, compacted

    def _merged(self, name: str) -> pa.Table:
        names = self.storage.names(FOLDER)
        is_compacted = self.storage.exists(f"{name}.parquet")
        if name not in _tables_in(names) and not is_compacted:
            known = ", ".join(sorted(_tables_in(names)))
            raise ValueError(f"there is no table {name!r} in {self.storage.address()}; there are: {known}.")
        table, stems = _table(name), _committed(names)
        best, compacted = self._best(stems)
        rows = self._rows(table, stems, names, best)
        if compacted is None or not is_compacted:
            return rows
        # Promotion: a column that one of the files lacks is null in its rows, a column that only it has is kept.
        old = read_parquet(self.storage, f"{name}.parquet")
        if best:
            decided = pa.array(best, pa.string())
            old = old.filter(pc.invert(pc.is_in(old["trial_id"], value_set=decided)))
        merged = pa.concat_tables([table.schema.empty_table(), old, rows], promote_options="default")
        # A compacted file is in order; a million rows take seconds to sort.
        return table.in_order(merged) if rows.num_rows else merged

    def _rows(self, table: Table, stems: Sequence[str], names: set[str], best: Best) -> pa.Table:
        """The rows of a table that count among those of some parts."""
        ids: dict[int, list[str]] = {}
        for trial_id, (_, part, _) in best.items():
            ids.setdefault(part, []).append(trial_id)
        files = {number: f"{stem}.{table.name}.parquet" for stem in stems if (number := _number(stem)) in ids}
        files = {number: file for number, file in files.items() if file in names}
        tables = [table.schema.empty_table()]
        parts = read_parquets(self.storage, [f"{FOLDER}/{file}" for file in files.values()])
        for number, rows in zip(files, parts, strict=True):
            # All of them, mostly; a filter would copy the table, and at the end of a large sweep memory is what lacks.
            if rows.num_rows > len(ids[number]) or table.name != "trials":
                rows = rows.filter(pc.is_in(rows["trial_id"], value_set=pa.array(ids[number], pa.string())))
            tables.append(rows)
        return table.in_order(pa.concat_tables(tables, promote_options="default"))

    def _keys(self, stems: Sequence[str]) -> dict[int, pa.Table]:
        tables = read_parquets(self.storage, [f"{FOLDER}/{stem}{_COMMIT}" for stem in stems], _KEYS)
        return {_number(stem): table for stem, table in zip(stems, tables, strict=True)}


def _tables_in(names: set[str]) -> list[str]:
    """The tables of `TABLES` and those that lie in these parts, whoever knows them; trials last, for they commit."""
    others = {file.split(".")[1] for file in names if re.fullmatch(r"[\w-]+\.[\w-]+\.parquet", file)}
    return [*sorted((TABLES.keys() | others) - {"trials"}), "trials"]


def _table(name: str) -> Table:
    return TABLES.get(name) or Table(name, schema_of({"trial_id": "str"}))


def _number(stem: str) -> int:
    match = re.match(r"\d+", stem)
    return int(match[0]) if match else 0


def _next_number(names: set[str]) -> int:
    # Above every number in use, orphans included: a new part must never pick up curves of a killed writer.
    return 1 + max(map(_number, names), default=0)


def _committed(names: set[str]) -> list[str]:
    """Stems of the parts that have their rows and are not covered by a merged one, oldest first."""
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
    """Read anew when a merge or compaction removes a part between its listing and its opening."""
    for _ in range(100):
        try:
            return read()
        except FileNotFoundError:
            continue
    return read()
