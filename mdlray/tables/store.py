"""The files of one sweep: `Store` knows every path below `results/<sweep>/`, writes what a pack brought, reads tables.

    parts/ {trials,curves,layers}.parquet     rows, by pack and compacted (mdlray.tables.parts)
    models/<trial_id>.mdl                     the compressed networks
    front.parquet manifest.json optuna.journal figures/ report.html

Every file is whole or absent, a pack's rows are written after everything they speak of, and the readers see the same
before, during and after a compaction. Assumes one writer at a time (the driver). Local folders only.
"""

import fcntl
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from mdlray.tables.files import LEFTOVER, parquet_bytes, write_atomically
from mdlray.tables.parts import SCHEMAS, Parts, names_in
from mdlray.tables.schema import FRONT, to_frame, to_table


@dataclass(frozen=True)
class Store:
    """The folder `results/<sweep>`, and every path below it."""

    folder: Path

    def __post_init__(self) -> None:
        # A Path has already made s3:/bucket of s3://bucket.
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(self.folder)):
            raise ValueError(f"{self.folder} is not a local path, and results live only in local folders so far.")
        object.__setattr__(self, "folder", Path(self.folder))

    @property
    def trials_path(self) -> Path:
        """One row per trial, as of the last compaction."""
        return self.folder / "trials.parquet"

    @property
    def curves_path(self) -> Path:
        """One row per trial and epoch, as of the last compaction."""
        return self.folder / "curves.parquet"

    @property
    def layers_path(self) -> Path:
        """One row per trial and layer, as of the last compaction."""
        return self.folder / "layers.parquet"

    @property
    def front_path(self) -> Path:
        """One row per cell, written by `write_front`."""
        return self.folder / "front.parquet"

    @property
    def parts_folder(self) -> Path:
        """Tables of packs that are not compacted yet."""
        return self.folder / "parts"

    @property
    def models_folder(self) -> Path:
        """The compressed networks."""
        return self.folder / "models"

    @property
    def manifest_path(self) -> Path:
        """What the sweep was made with, as JSON."""
        return self.folder / "manifest.json"

    @property
    def figures_folder(self) -> Path:
        """Figures and the tables behind them."""
        return self.folder / "figures"

    @property
    def report_path(self) -> Path:
        """The page that people look at."""
        return self.folder / "report.html"

    def model_path(self, trial_id: str) -> Path:
        """Where the compressed network of this trial lies, or would."""
        return self.models_folder / f"{_plain_name(trial_id)}.mdl"

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make the folder and be its only writer; ValueError if another process is, OSError if it cannot be written.

        The lock is the system's: it ends with the process, however that ends.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / ".lock", "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(
                    f"another run is writing to {self.folder}; wait for it to end, or give this one another --results."
                ) from None
            yield

    def write_pack(
        self,
        pack_id: str,
        rows: Sequence[Mapping[str, Any]],
        curves: Sequence[Mapping[str, Any]],
        layers: Sequence[Mapping[str, Any]],
        models: Mapping[str, bytes],
    ) -> None:
        """Keep what a pack brought: models (trial id → file), curves and layers, then its rows, which commit it.

        Raises ValueError, before anything is written, for rows that do not fit the schemas, trials that come twice, and
        curves, layers or models of trials that have no row here.
        """
        given = {"curves": curves, "layers": layers, "trials": rows}
        tables = {kind: to_table(given[kind], schema) for kind, schema in SCHEMAS.items()}
        named = {kind: table["trial_id"].to_pylist() for kind, table in tables.items()} | {"models": list(models)}
        ids = named["trials"]
        if not ids or len(set(ids)) < len(ids):
            raise ValueError(f"pack {pack_id} must bring at least one row, and one per trial; it brings {sorted(ids)}.")
        for what, trial_ids in named.items():
            if stray := sorted(set(trial_ids) - set(ids)):
                raise ValueError(f"pack {pack_id} brings {what} of trial {stray[0]}, but no row of it.")
        name = _plain_name(pack_id)
        write_atomically({self.model_path(trial_id): content for trial_id, content in models.items()})
        self._parts.write(name, tables)

    def compact(self) -> None:
        """Merge the parts into one file per table, then delete them; whoever kills this loses nothing."""
        self._parts.compact()
        self.clean()

    def clean(self) -> None:
        """Remove what a killed writer left: unfinished files, and curves and layers whose rows never came."""
        self._parts.clean()
        for folder in (self.folder, self.models_folder):
            for name in names_in(folder):
                # The report is no writer of tables: it may be at work on its page just now.
                if name.startswith(LEFTOVER) and not name.endswith(self.report_path.name):
                    (folder / name).unlink(missing_ok=True)

    def has_results(self) -> bool:
        """Whether there is a row to read."""
        return self._parts.exist()

    def status_by_trial(self) -> dict[str, str]:
        """Trial id → "ok" or "failed", for every trial that has a row; reads two columns only."""
        return self._parts.status_by_trial()

    def read_trials(self) -> pd.DataFrame:
        """One row per trial, in an order that compaction does not change; columns as in TRIALS."""
        return to_frame(self._parts.merged("trials"))

    def read_curves(self) -> pd.DataFrame:
        """One row per trial and epoch; columns as in CURVES."""
        return to_frame(self._parts.merged("curves"))

    def read_layers(self) -> pd.DataFrame:
        """One row per trial and layer; columns as in LAYERS."""
        return to_frame(self._parts.merged("layers"))

    def write_front(self, front: pd.DataFrame) -> None:
        """Keep the table that `mdlray.tables.front.front_table` made."""
        table = pa.Table.from_pandas(front, schema=FRONT, preserve_index=False)
        write_atomically({self.front_path: parquet_bytes(table)})

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Keep what the sweep was made with, as JSON."""
        write_atomically({self.manifest_path: (json.dumps(manifest, indent=2) + "\n").encode()})

    def read_manifest(self) -> dict[str, Any]:
        """What `write_manifest` kept; empty where nothing was."""
        if not self.manifest_path.exists():
            return {}
        manifest: dict[str, Any] = json.loads(self.manifest_path.read_text())
        return manifest

    def read_journal(self) -> bytes | None:
        """The search's journal, or None where there was no search."""
        path = self.folder / "optuna.journal"
        return path.read_bytes() if path.exists() else None

    def write_journal(self, content: bytes) -> None:
        """Keep the search's journal."""
        write_atomically({self.folder / "optuna.journal": content})

    @property
    def _parts(self) -> Parts:
        return Parts(self.folder, self.parts_folder)


def _plain_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ValueError(f"{name!r} cannot name a file here; use letters, digits, '-' and '_'.")
    return name
