"""What a measurement looks at, and what it is: `Measured` -> `Measurement` -> columns or rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mdlray import codec
from mdlray.data import Images
from mdlray.results.conversion import to_table
from mdlray.results.schema import TYPES, schema_of
from mdlray.spec import TrialSpec
from mdlray.training import MemberScore
from mdlray.worker.train import TrainedStack

Row = dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """One trial with everything that can be measured of it."""

    spec: TrialSpec
    stack: TrainedStack
    """The networks that were trained together, with their curves."""
    network: int
    """Position of this trial's network in the stack."""
    trained_scores: Mapping[str, MemberScore]
    """Of the network before quantization, by split: `validation`, `test`."""
    coded: codec.CodedNetwork
    """As it went into the file."""
    file: codec.EncodedNetwork
    decoded: codec.CodedNetwork
    """As it comes out of the file; `mdlray.codec.stack.build_decoded(file.blob)` is a torch module of it."""
    scores: Mapping[str, MemberScore]
    """Of the decoded network, by split: `train`, `validation`, `test`."""
    images: Images

    @property
    def layer_names(self) -> list[str]:
        """One name per tensor, e.g. `hidden_1.weight`."""
        return self.stack.family.layer_names(self.stack.sizes)


@dataclass(frozen=True)
class Measurement:
    """A function of what is measured, and the columns that it fills."""

    measure: Callable[[Measured], Row | Sequence[Row]]
    """Columns of the trial's row where `table` is `trials`; else rows of that table, without `trial_id`."""
    table: str = "trials"
    columns: Mapping[str, str] = field(default_factory=dict)
    """Column to type (as in `mdlray.results.schema.TYPES`). Empty for a table in `mdlray.results.tables.TABLES`. In
    `trials` each must be nullable, e.g. `"f64?"`, because failed trials have no value."""

    def __post_init__(self) -> None:
        for name, kind in self.columns.items():
            kinds = [f"{known}?" for known in TYPES] + ([] if self.table == "trials" else list(TYPES))
            if kind not in kinds:
                raise ValueError(
                    f"column {name!r} of table {self.table!r} has type {kind!r}, which must be one of: "
                    f"{', '.join(kinds)}."
                )

    def rows(self, name: str, measured: Measured) -> list[Row]:
        """What it measures, as rows; ValueError for columns or values that are not those it promises.

        `name` is the measurement's own, for the error. Those that fill a table of ours are checked when it is written.
        """
        found = self.measure(measured)
        rows = [found] if isinstance(found, dict) else list(found)
        if self.table == "trials" and len(rows) != 1:
            raise ValueError(f"measurement {name!r} gave {len(rows)} rows for one trial, it must give one dictionary.")
        if self.columns:
            try:
                to_table(rows, schema_of(self.columns))
            except ValueError as error:
                raise ValueError(f"measurement {name!r}: {error}") from error
        return rows
