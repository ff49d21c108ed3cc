"""Tables that arrive in parts: write one pack's, read all as one table, merge them into one file per kind.

    parts/<number>-<pack_id>.{curves,layers,trials}.parquet     one pack; the trials file comes last and commits it
    {curves,layers,trials}.parquet                              the same, after `compact`

A trial may have several rows, in several of these files. The one that counts is ok rather than failed, then the latest
(the compacted file is the oldest, parts follow in their order); its curves and layers are those that lie beside it. So
every order of deaths, retries and compactions reads the same. One writer at a time, any number of readers.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from mdlray.tables.files import LEFTOVER, parquet_bytes, read_parquet, write_atomically
from mdlray.tables.schema import CURVES, LAYERS, TRIALS

SCHEMAS = {"curves": CURVES, "layers": LAYERS, "trials": TRIALS}
"""Kinds of tables, in the order in which a pack's are written: the last one commits."""

_ORDER = {
    "trials": "dataset split label_randomization_fraction pixel_randomization architecture method regularizer "
    "regularizer_strength pruning_ratio quantization_levels seed data_order_seed randomization_seed trial_id",
    "curves": "trial_id epoch",
    "layers": "trial_id",
}
_COMMIT = ".trials.parquet"
Result = TypeVar("Result")


@dataclass(frozen=True)
class Parts:
    """The tables of one sweep: the compacted ones in `folder`, the parts in `parts_folder`."""

    folder: Path
    parts_folder: Path

    def write(self, pack_id: str, tables: Mapping[str, pa.Table]) -> None:
        """Add one pack's tables (kind → table); an empty one is left out."""
        # Above every number in use, orphans included: a new part must never pick up curves of a killed writer.
        numbers = (re.match(r"(\d+)-", name) for name in names_in(self.parts_folder))
        number = 1 + max((int(match[1]) for match in numbers if match), default=0)
        for kind in SCHEMAS:
            if tables[kind].num_rows:
                part = self.parts_folder / f"{number:08d}-{pack_id}.{kind}.parquet"
                write_atomically({part: parquet_bytes(tables[kind])})

    def exist(self) -> bool:
        """Whether there is a row to read."""
        return (self.folder / "trials.parquet").exists() or bool(_committed(names_in(self.parts_folder)))

    def compact(self) -> None:
        """Merge the parts into one file per kind, then delete them."""
        stems = _committed(names_in(self.parts_folder))
        for kind in SCHEMAS if stems else ():
            write_atomically({self.folder / f"{kind}.parquet": parquet_bytes(self.merged(kind))})
        # Oldest first and rows first: a part that is left is newer than all that are gone, and has its curves.
        for stem in stems:
            for kind in reversed(SCHEMAS):
                (self.parts_folder / f"{stem}.{kind}.parquet").unlink(missing_ok=True)

    def clean(self) -> None:
        """Remove unfinished parts, and curves and layers whose rows never came."""
        names = names_in(self.parts_folder)
        committed = set(_committed(names))
        for name in names:
            if name.startswith(LEFTOVER) or name.partition(".")[0] not in committed:
                (self.parts_folder / name).unlink(missing_ok=True)

    def status_by_trial(self) -> dict[str, str]:
        """Trial id → "ok" or "failed"."""
        keys, _ = _steadily(lambda: self._keys_and_files("trials"))
        return {trial_id: "ok" if ok else "failed" for trial_id, (ok, _) in _best(keys).items()}

    def merged(self, kind: str) -> pa.Table:
        """All rows of a kind that count, in an order that compaction does not change."""
        return _steadily(lambda: self._merge(kind))

    def _merge(self, kind: str) -> pa.Table:
        keys, files = self._keys_and_files(kind)
        best = _best(keys)
        ids: dict[int, list[str]] = {}
        for trial_id, (_, place) in best.items():
            ids.setdefault(place, []).append(trial_id)
        tables = [SCHEMAS[kind].empty_table()]
        for place, path in sorted(files.items()):
            table = read_parquet(path)
            wanted = pa.array(ids.get(place, []), pa.string())
            tables.append(table.filter(pc.is_in(table["trial_id"], value_set=wanted)))
        # Promotion: a column that one of the files lacks is null in its rows, a column that only it has is kept.
        merged = pa.concat_tables(tables, promote_options="default")
        return merged.sort_by([(column, "ascending") for column in _ORDER[kind].split()])

    def _keys_and_files(self, kind: str) -> tuple[dict[int, pa.Table], dict[int, Path]]:
        """Ids with statuses, and the files of this kind, both by place in the order of writing (0: compacted)."""
        names = names_in(self.parts_folder)
        stems = dict(enumerate(_committed(names), 1))
        rows = {place: self.parts_folder / f"{stem}{_COMMIT}" for place, stem in stems.items()}
        keys = {place: read_parquet(path, ["trial_id", "status"]) for place, path in rows.items()}
        of_kind = {place: f"{stem}.{kind}.parquet" for place, stem in stems.items()}
        files = {place: self.parts_folder / name for place, name in of_kind.items() if name in names}
        # The compacted files come after the parts: what a compaction moves meanwhile is then seen twice, never missed.
        if (trials := self.folder / "trials.parquet").exists():
            keys[0] = read_parquet(trials, ["trial_id", "status"])
        if (compacted := self.folder / f"{kind}.parquet").exists():
            files[0] = compacted
        return keys, files


def names_in(folder: Path) -> set[str]:
    """Names of the files in a folder; none where there is no folder."""
    return set(os.listdir(folder)) if folder.is_dir() else set()


def _committed(names: set[str]) -> list[str]:
    """Stems of the parts that have their rows, oldest first."""
    return sorted(n.removesuffix(_COMMIT) for n in names if n.endswith(_COMMIT) and not n.startswith(LEFTOVER))


def _best(keys: Mapping[int, pa.Table]) -> dict[str, tuple[bool, int]]:
    """Trial id → whether its row is ok, and the place of the file whose row counts."""
    best: dict[str, tuple[bool, int]] = {}
    for place, table in keys.items():
        for trial_id, status in zip(table["trial_id"].to_pylist(), table["status"].to_pylist(), strict=True):
            rank = (status == "ok", place)
            best[trial_id] = max(best.get(trial_id, rank), rank)
    return best


def _steadily(read: Callable[[], Result]) -> Result:
    """Read anew when a compaction removes a part between its listing and its opening."""
    for _ in range(100):
        try:
            return read()
        except FileNotFoundError:
            continue
    return read()
