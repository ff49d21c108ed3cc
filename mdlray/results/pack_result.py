"""The result of a pack, as the driver receives it: rows of every table, and files such as the compressed networks.

This module does not import torch, because the driver receives thousands of results and trains nothing itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from mdlray.planning import Pack
from mdlray.results.schema import failed_row
from mdlray.spec import TrialSpec

Row = dict[str, Any]


class Steps(NamedTuple):
    """Training steps, each counted once per network of the stack."""

    done: int = 0
    saved: int = 0
    """Steps that early stopping saved; the column `trained_epochs` says of which trials."""


@dataclass(frozen=True, repr=False)
class PackResult:
    """Everything that a worker sends back for a pack."""

    tables: dict[str, list[Row]] = field(default_factory=dict)
    """Name of a table (`mdlray.results.tables.TABLES`) -> its rows; a table without rows may be missing."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Path below the sweep's folder, e.g. `models/<trial_id>.mdl`, -> content; each file is named after its trial."""
    checksums: dict[str, str] = field(default_factory=dict)
    """Data set -> checksum of the images that the pack was trained on, for the manifest."""
    steps: Steps = Steps()
    notes: list[str] = field(default_factory=list)
    """Notes for the user who started the sweep, e.g. that a checkpoint could not be used."""
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    """Table -> column -> type (as in `mdlray.results.schema.TYPES`), of the columns and tables that mdlray itself does
    not have: those that a user's measurements add."""

    def __repr__(self) -> str:
        # Ray Tune formats every report into messages that nobody reads. With all rows, each would take 4 ms.
        return f"PackResult({len(self.rows)} rows)"

    @property
    def rows(self) -> list[Row]:
        """The rows of the table `trials`, one per trial of the pack."""
        return self.tables.get("trials", [])

    def release(self) -> None:
        """Drop the rows and files after they were stored, because Ray Tune keeps every report until the run ends."""
        self.tables.clear()
        self.files.clear()


def join(results: Sequence[PackResult]) -> PackResult:
    """The results of the pieces of a pack as one result."""
    return PackResult(
        tables=_concatenated(result.tables for result in results),
        columns=_united(result.columns for result in results),
        files={name: content for result in results for name, content in result.files.items()},
        checksums={name: checksum for result in results for name, checksum in result.checksums.items()},
        steps=Steps(sum(result.steps.done for result in results), sum(result.steps.saved for result in results)),
        notes=[note for result in results for note in result.notes],
    )


def to_plain(result: PackResult) -> dict[str, Any]:
    """The result as lists, dictionaries, numbers, text and bytes, for a checkpoint."""
    return vars(result) | {"steps": list(result.steps)}


def from_plain(plain: Mapping[str, Any]) -> PackResult:
    """The inverse of `to_plain`."""
    return PackResult(**{**plain, "steps": Steps(*plain["steps"])})


def model_file(trial_id: str) -> str:
    """The name of a trial's compressed network below the sweep's folder."""
    return f"models/{trial_id}.mdl"


def failed_result(specs: Iterable[TrialSpec], error: str) -> PackResult:
    """Failed rows of these trials, with the error."""
    return PackResult({"trials": [failed_row(spec, error) for spec in specs]})


def failed_pack(pack: Pack, error: str, sweep_version: str | None = None) -> PackResult:
    """Failed rows of all trials of a pack that no worker could report, e.g. because the worker was killed."""
    return of_pack(failed_result(pack.members, error), pack, sweep_version, device="unknown", seconds=0.0)


def of_pack(result: PackResult, pack: Pack, sweep_version: str | None, *, device: str, seconds: float) -> PackResult:
    """The result with the columns that all rows of a pack share; `seconds` is the time of the whole pack."""
    shared = {
        "sweep": pack.sweep,
        "sweep_version": sweep_version,
        "pack_id": pack.pack_id,
        "num_members_in_pack": len(pack.members),
        "device": device,
        "wall_seconds": seconds / len(pack.members),
    }
    # A failed row has nulls in the columns that a user's measurements add.
    added = dict.fromkeys(result.columns.get("trials", {}))
    return replace(result, tables=result.tables | {"trials": [added | row | shared for row in result.rows]})


def _concatenated(tables: Iterable[Mapping[str, list[Row]]]) -> dict[str, list[Row]]:
    joined: dict[str, list[Row]] = {}
    for rows_by_name in tables:
        for name, rows in rows_by_name.items():
            joined.setdefault(name, []).extend(rows)
    return joined


def _united(columns: Iterable[Mapping[str, Mapping[str, str]]]) -> dict[str, dict[str, str]]:
    united: dict[str, dict[str, str]] = {}
    for kinds_by_table in columns:
        for table, kinds in kinds_by_table.items():
            united.setdefault(table, {}).update(kinds)
    return united
