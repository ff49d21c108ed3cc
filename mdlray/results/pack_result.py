"""What a pack leaves, as the driver receives it: rows of every table, and files such as the compressed networks.

Without torch, because the driver of a large sweep holds thousands of these and trains nothing itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from mdlray.planning import Pack
from mdlray.results.schema import failed_row
from mdlray.spec import TrialSpec

Row = dict[str, Any]


class Steps(NamedTuple):
    """Training steps times networks in the stack."""

    done: int = 0
    saved: int = 0
    """Those that early stopping saved; the rows' `trained_epochs` say where."""


@dataclass(frozen=True, repr=False)
class PackResult:
    """Everything a pack leaves."""

    tables: dict[str, list[Row]] = field(default_factory=dict)
    """Rows by the name of their table (`mdlray.results.tables.TABLES`); a table without rows may be missing."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Content by name below the sweep's folder, e.g. `models/<trial_id>.mdl`; a file is named after its trial."""
    checksums: dict[str, str] = field(default_factory=dict)
    """Data set to checksum of what the members saw, for the manifest."""
    steps: Steps = Steps()
    notes: list[str] = field(default_factory=list)
    """What whoever started the sweep should be told, e.g. that a checkpoint was refused."""
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    """Table to column to type (as in `mdlray.results.schema.TYPES`), of columns and tables that mdlray does not have:
    what somebody's own measurement adds."""

    def __repr__(self) -> str:
        # Ray Tune puts every report into messages that nobody reads; with all rows and networks that took 4 ms each.
        return f"PackResult({len(self.rows)} rows)"

    @property
    def rows(self) -> list[Row]:
        """Those of `trials`: one per member."""
        return self.tables.get("trials", [])

    def release(self) -> None:
        """Forget everything, once it is stored: Ray Tune keeps every report it has seen until the end."""
        self.tables.clear()
        self.files.clear()


def join(results: Sequence[PackResult]) -> PackResult:
    """The results of a pack's pieces as one."""
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
    """Rows that say why these trials have no result."""
    return PackResult({"trials": [failed_row(spec, error) for spec in specs]})


def failed_pack(pack: Pack, error: str, sweep_version: str | None = None) -> PackResult:
    """Rows that say why none of the pack's members has a result, where no worker could say it."""
    return of_pack(failed_result(pack.members, error), pack, sweep_version, device="unknown", seconds=0.0)


def of_pack(result: PackResult, pack: Pack, sweep_version: str | None, *, device: str, seconds: float) -> PackResult:
    """The result with the columns that all rows of a pack share; `seconds` are those of the whole pack."""
    shared = {
        "sweep": pack.sweep,
        "sweep_version": sweep_version,
        "pack_id": pack.pack_id,
        "num_members_in_pack": len(pack.members),
        "device": device,
        "wall_seconds": seconds / len(pack.members),
    }
    # A row that failed has no value of a column that somebody's own measurement adds.
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
