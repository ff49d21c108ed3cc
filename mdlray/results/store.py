"""The files of one sweep: `Store` has every path below `results/<sweep>/`, writes results of packs, and reads tables.

    parts/ <table>.parquet           rows of each table, of single packs and compacted (mdlray.results.parts)
    models/<trial_id>.mdl            the compressed networks
    checkpoints/<pack_id>.pt         states of packs that are not finished
    front.parquet derived.parquet    tables that follow from all rows (mdlray.results.derived)
    manifest.json optuna.journal figures/ report.html

Every file is either whole or absent. The rows of a pack are written after the files that belong to them, and readers
see the same rows before, during and after a compaction. There is one writer at a time, the driver. The storage is a
folder of this machine or a prefix in a bucket (mdlray.storage.storage).
"""

import json
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mdlray.results.conversion import to_frame, to_table
from mdlray.results.derived import COLUMNS_TABLE, DERIVED_TABLES
from mdlray.results.manifest import parse_manifest
from mdlray.results.pack_result import PackResult, model_file
from mdlray.results.parquet import DamagedFileError, parquet_bytes
from mdlray.results.parts import Parts
from mdlray.results.schema import schema_of
from mdlray.results.tables import TABLES
from mdlray.storage.storage import Storage, open_storage

MANIFEST, JOURNAL, REPORT = "manifest.json", "optuna.journal", "report.html"
FIGURES, MODELS, CHECKPOINTS = "figures", "models", "checkpoints"


@dataclass(frozen=True)
class Store:
    """The results of one sweep; `folder` is a Path, or the URI of a prefix in a bucket, and so are all paths in it."""

    folder: Path | str
    storage: Storage = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        storage = open_storage(self.folder)
        object.__setattr__(self, "storage", storage)
        object.__setattr__(self, "folder", storage.address())

    @property
    def name(self) -> str:
        """The name of the folder, e.g. `compare_pruning` or `compare_pruning-quick`."""
        return self.storage.name

    def path(self, name: str) -> Path | str:
        """The path of a file in the folder, e.g. of `trials.parquet`; the file need not exist."""
        return self.storage.address(name)

    def model_path(self, trial_id: str) -> Path | str:
        """The path of this trial's compressed network, for `mdlray.decode`; the file need not exist."""
        return self.storage.address(model_file(_plain_name(trial_id)))

    def writing(self) -> AbstractContextManager[None]:
        """Make the folder, and hold its lock inside of the `with` block, as its only writer.

        ValueError if another driver holds the lock, or if a bucket refuses access; OSError if the folder cannot be
        written. In a folder the lock is one of the operating system, which ends with the process. In a bucket it is an
        object that is renewed.
        """
        return self.storage.writing()

    def write_pack(self, pack_id: str, result: PackResult) -> None:
        """Write the result of a pack: its files, the rows of its tables, and last those of `trials`, which commit it.

        Before anything is written, raises ValueError for rows that do not fit the schemas; for a table that is neither
        in `TABLES` nor described by the result; for two rows of one trial; and for rows of other tables, or files, of a
        trial without a row in `trials`.
        """
        if unknown := sorted(result.tables.keys() - TABLES.keys() - result.columns.keys()):
            raise ValueError(
                f"pack {pack_id} brings rows of table {unknown[0]!r}; the tables are: {', '.join(TABLES)}."
            )
        names = [*TABLES, *sorted(result.columns.keys() - TABLES.keys())]
        tables = {name: to_table(result.tables.get(name, []), _schema(name, result)) for name in names}
        named = {name: table["trial_id"].to_pylist() for name, table in tables.items()}
        ids = named.pop("trials")
        if not ids or len(set(ids)) < len(ids):
            raise ValueError(f"pack {pack_id} must bring at least one row, and one per trial; it brings {sorted(ids)}.")
        for what, trial_ids in (named | _trials_of_files(result.files)).items():
            if stray := sorted(set(trial_ids) - set(ids)):
                raise ValueError(f"pack {pack_id} brings {what} of trial {stray[0]}, but no row of it.")
        stem = _plain_name(pack_id)
        self.storage.write(result.files)
        self._parts.write(stem, tables)

    def compact(self) -> None:
        """Merge the parts into one file per table, then delete them; a kill at any moment loses no row."""
        self._parts.compact()
        self.clean()

    def clean(self) -> None:
        """Remove the files of a killed writer: unfinished files, and tables of packs that were never committed."""
        self._parts.clean()
        # A report does not need the lock, so it may be writing its page just now.
        self.storage.clean("", spare=[REPORT])
        self.storage.clean(MODELS)

    def has_results(self) -> bool:
        """Whether there is a row to read."""
        return self._parts.exist()

    def status_by_trial(self) -> dict[str, str]:
        """Trial id → "ok", "stopped" or "failed", for every trial that has a row; reads two columns only."""
        return self._parts.status_by_trial()

    def read(self, name: str) -> pd.DataFrame:
        """The table with this name, in an order that compaction does not change; columns as in `TABLES`.

        A table that is younger than the sweep's rows is empty. ValueError for an unknown name lists the tables.
        """
        if name in DERIVED_TABLES:
            content = self._read(f"{name}.parquet")
            if content is None:
                raise ValueError(f"there is no table {name!r} in {self.folder} yet; a run makes it at its end.")
            return to_frame(pq.read_table(pa.py_buffer(content)))
        return to_frame(self._parts.merged(name))

    def read_trials(self) -> pd.DataFrame:
        """One row per trial: `read("trials")`."""
        return self.read("trials")

    def read_derived(self) -> pd.DataFrame | None:
        """The derived columns, one row per trial (`mdlray.results.derived`); None if there are none."""
        content = self._read(f"{COLUMNS_TABLE}.parquet")
        return None if content is None else to_frame(pq.read_table(pa.py_buffer(content)))

    def write_derived(self, tables: Mapping[str, pd.DataFrame]) -> None:
        """Write the tables that `mdlray.results.derived.derive` made, each as `<name>.parquet`."""
        for name, frame in tables.items():
            schema = DERIVED_TABLES[name].schema if name in DERIVED_TABLES else None
            table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
            self.storage.write({f"{_plain_name(name)}.parquet": parquet_bytes(table)})

    def write_report(self, files: Mapping[str, bytes]) -> list[Path | str]:
        """Write figures and page (path below the folder → content); returns their paths."""
        self.storage.write(files)
        return [self.storage.address(name) for name in files]

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest, which says how the rows were made, as JSON."""
        self.storage.write({MANIFEST: (json.dumps(manifest, indent=2) + "\n").encode()})

    def read_manifest(self) -> dict[str, Any]:
        """The manifest that `write_manifest` wrote; empty if there is none; DamagedFileError if it cannot be read."""
        try:
            return parse_manifest(self._read(MANIFEST) or b"{}")
        except ValueError as error:
            raise DamagedFileError(self.path(MANIFEST), str(error)) from error

    def write_journal(self, content: bytes) -> None:
        """Write the journal of the search."""
        self.storage.write({JOURNAL: content})

    def read_journal(self) -> bytes | None:
        """The journal of the search; None if there is none."""
        return self._read(JOURNAL)

    def write_checkpoint(self, pack_id: str, content: bytes) -> None:
        """Write the state of a pack that is not finished; it replaces the state before."""
        self.storage.write({_checkpoint(pack_id): content})

    def read_checkpoint(self, pack_id: str) -> bytes | None:
        """The last state of a pack that is not finished; None if there is none."""
        return self._read(_checkpoint(pack_id))

    def delete_checkpoint(self, pack_id: str) -> None:
        """Delete the state of a pack; it is no error if there is none."""
        self.storage.delete([_checkpoint(pack_id)])

    def _read(self, name: str) -> bytes | None:
        try:
            return self.storage.read(name)
        except FileNotFoundError:
            return None

    @property
    def _parts(self) -> Parts:
        return Parts(self.storage)


def _schema(name: str, result: PackResult) -> pa.Schema:
    """The table's columns: those of mdlray first, then those that the result adds."""
    own = TABLES[name].schema if name in TABLES else schema_of({"trial_id": "str"})
    added = schema_of(result.columns.get(name, {}))
    return pa.schema([*own, *(field for field in added if field.name not in own.names)], metadata=own.metadata)


def _trials_of_files(files: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Folder -> ids of the trials with files in it; ValueError for a name other than `folder/trial_id.ending`."""
    trials: dict[str, list[str]] = {}
    for name in files:
        parts = re.fullmatch(r"([\w-]+)/([\w-]+)\.\w+", name)
        if parts is None:
            raise ValueError(f"{name!r} cannot name a file of a trial; it must look like {model_file('0123abcd')!r}.")
        trials.setdefault(parts[1], []).append(parts[2])
    return trials


def _checkpoint(pack_id: str) -> str:
    return f"{CHECKPOINTS}/{_plain_name(pack_id)}.pt"


def _plain_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ValueError(f"{name!r} cannot name a file here; use letters, digits, '-' and '_'.")
    return name
