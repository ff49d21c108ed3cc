"""Tables that arrive in parts: write one pack's, read all as one table, merge them into one file per kind.

    parts/<number>-<pack_id>.<kind>.parquet     one pack; its trials come last and commit it
    parts/<number>.<kind>.parquet               all packs with smaller numbers, merged now and then
    <kind>.parquet                              everything, after `compact`

Kinds are curves, layers, weights and trials; a file without rows is left out, and older folders have no weights.

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
from mdlray.results.schema import CURVES, LAYERS, TRIALS, WEIGHTS
from mdlray.storage.storage import Storage

SCHEMAS = {"curves": CURVES, "layers": LAYERS, "weights": WEIGHTS, "trials": TRIALS}
"""Kinds of tables, in the order in which a pack's are written: the last one commits."""

FOLDER = "parts"
MOST_PACKS = 256
"""Packs that lie apart; then they become one part, so that listings stay short; a row is written three times in all."""

_ORDER = {
    "trials": "dataset split label_randomization_fraction pixel_randomization architecture method regularizer "
    "regularizer_strength pruning_ratio quantization_levels seed data_order_seed randomization_seed trial_id",
    "curves": "trial_id epoch",
    "layers": "trial_id",
    "weights": "trial_id layer epoch moment",
}
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
        """Add one pack's tables (kind → table); an empty one is left out. Merges the packs when many lie there."""
        names = self.storage.names(FOLDER)
        self._add(f"{_next_number(names):08d}-{pack_id}", tables)
        if len(_packs(_committed(names))) + 1 >= MOST_PACKS:
            self._merge_packs()

    def exist(self) -> bool:
        """Whether there is a row to read."""
        return self.storage.exists(_COMPACTED) or bool(_committed(self.storage.names(FOLDER)))

    def compact(self) -> None:
        """Merge the parts into one file per kind, then delete them."""
        # First what merged parts cover: once those are gone, it would count again.
        self.clean()
        names = self.storage.names(FOLDER)
        stems = _committed(names)
        for kind in SCHEMAS if stems else ():
            self.storage.write({f"{kind}.parquet": parquet_bytes(self.merged(kind))})
        # Oldest first and rows first: a part that is left is newer than all that are gone, and has its curves.
        for stem in stems:
            self.storage.delete([f"{FOLDER}/{stem}{_COMMIT}"])
        self.storage.delete(f"{FOLDER}/{name}" for name in names if not name.endswith(_COMMIT))

    def clean(self) -> None:
        """Remove unfinished parts, packs that a merged part covers, and other tables whose rows never came."""
        self.storage.clean(FOLDER)
        names = self.storage.names(FOLDER)
        alive = set(_committed(names))
        self.storage.delete(f"{FOLDER}/{name}" for name in sorted(names) if name.partition(".")[0] not in alive)

    def status_by_trial(self) -> dict[str, str]:
        """Trial id → status of the row that counts: "ok", "stopped" or "failed"."""
        best, compacted = _retry_if_file_vanished(lambda: self._best(_committed(self.storage.names(FOLDER))))
        status = {} if compacted is None else _as_dict(compacted)
        return status | {trial_id: its_status for trial_id, (_, _, its_status) in best.items()}

    def merged(self, kind: str) -> pa.Table:
        """All rows of a kind that count, in an order that compaction does not change."""
        return _retry_if_file_vanished(lambda: self._merged(kind))

    def _add(self, stem: str, tables: Mapping[str, pa.Table]) -> None:
        contents = {
            f"{FOLDER}/{stem}.{kind}.parquet": parquet_bytes(tables[kind]) for kind in SCHEMAS if tables[kind].num_rows
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
        self._add(f"{_next_number(names):08d}", {kind: self._rows(kind, packs, names, best) for kind in SCHEMAS})
        covered = [f"{FOLDER}/{stem}.{kind}.parquet" for stem in packs for kind in SCHEMAS]
        self.storage.delete(name for name in covered if name.removeprefix(f"{FOLDER}/") in names)

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

    def _merged(self, kind: str) -> pa.Table:
        names = self.storage.names(FOLDER)
        stems = _committed(names)
        best, compacted = self._best(stems)
        rows = self._rows(kind, stems, names, best)
        if compacted is None or not self.storage.exists(f"{kind}.parquet"):
            return rows
        # Promotion: a column that one of the files lacks is null in its rows, a column that only it has is kept.
        old = read_parquet(self.storage, f"{kind}.parquet")
        if best:
            decided = pa.array(best, pa.string())
            old = old.filter(pc.invert(pc.is_in(old["trial_id"], value_set=decided)))
        merged = pa.concat_tables([SCHEMAS[kind].empty_table(), old, rows], promote_options="default")
        # A compacted file is in order; a million rows take seconds to sort.
        return in_order(merged, kind) if rows.num_rows else merged

    def _rows(self, kind: str, stems: Sequence[str], names: set[str], best: Best) -> pa.Table:
        """The rows of a kind that count among those of some parts."""
        ids: dict[int, list[str]] = {}
        for trial_id, (_, part, _) in best.items():
            ids.setdefault(part, []).append(trial_id)
        files = {number: f"{stem}.{kind}.parquet" for stem in stems if (number := _number(stem)) in ids}
        files = {number: name for number, name in files.items() if name in names}
        tables = [SCHEMAS[kind].empty_table()]
        found = read_parquets(self.storage, [f"{FOLDER}/{name}" for name in files.values()])
        for number, table in zip(files, found, strict=True):
            # All of them, mostly; a filter would copy the table, and at the end of a large sweep memory is what lacks.
            if table.num_rows > len(ids[number]) or kind != "trials":
                table = table.filter(pc.is_in(table["trial_id"], value_set=pa.array(ids[number], pa.string())))
            tables.append(table)
        return in_order(pa.concat_tables(tables, promote_options="default"), kind)

    def _keys(self, stems: Sequence[str]) -> dict[int, pa.Table]:
        tables = read_parquets(self.storage, [f"{FOLDER}/{stem}{_COMMIT}" for stem in stems], _KEYS)
        return {_number(stem): table for stem, table in zip(stems, tables, strict=True)}


def in_order(table: pa.Table, kind: str) -> pa.Table:
    """A table of a kind in the order that readers see."""
    return table.sort_by([(column, "ascending") for column in _ORDER[kind].split()])


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
