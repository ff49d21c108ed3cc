"""What a pack leaves, as the driver receives it: rows of four tables, and the compressed networks by trial.

Without torch, because the driver of a large sweep holds thousands of these and trains nothing itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mdlray.planning import Pack
from mdlray.results.schema import failed_row

Row = dict[str, Any]


@dataclass(frozen=True, repr=False)
class PackResult:
    """Everything a pack leaves: rows of four tables, and the compressed networks by trial."""

    rows: list[Row] = field(default_factory=list)
    curves: list[Row] = field(default_factory=list)
    layers: list[Row] = field(default_factory=list)
    models: dict[str, bytes] = field(default_factory=dict)
    data_checksums: dict[str, str] = field(default_factory=dict)
    """Data set to checksum of what the members saw, for the manifest."""
    member_steps: int = 0
    """Training steps times networks in the stack."""
    saved_member_steps: int = 0
    """Those that early stopping saved; the rows' `trained_epochs` say where."""
    notes: list[str] = field(default_factory=list)
    """What whoever started the sweep should be told, e.g. that a checkpoint was refused."""
    weights: list[Row] = field(default_factory=list)
    """Histograms of the weights."""

    def __repr__(self) -> str:
        # Ray Tune puts every report into messages that nobody reads; with all rows and networks that took 4 ms each.
        return f"PackResult({len(self.rows)} rows)"

    def release(self) -> None:
        """Forget everything, once it is stored: Ray Tune keeps every report it has seen until the end."""
        for part in (self.rows, self.curves, self.layers, self.weights, self.models):
            part.clear()


def join(results: Sequence[PackResult]) -> PackResult:
    """The results of a pack's pieces as one."""
    return PackResult(
        rows=[row for result in results for row in result.rows],
        curves=[row for result in results for row in result.curves],
        layers=[row for result in results for row in result.layers],
        models={trial_id: blob for result in results for trial_id, blob in result.models.items()},
        data_checksums={name: checksum for result in results for name, checksum in result.data_checksums.items()},
        member_steps=sum(result.member_steps for result in results),
        saved_member_steps=sum(result.saved_member_steps for result in results),
        notes=[note for result in results for note in result.notes],
        weights=[row for result in results for row in result.weights],
    )


def failed_pack(pack: Pack, error: str) -> PackResult:
    """Rows that say why none of the pack's members has a result."""
    rows = [
        failed_row(spec, sweep=pack.sweep, error=error, pack_id=pack.pack_id, num_members_in_pack=len(pack.members))
        for spec in pack.members
    ]
    return PackResult(rows)
