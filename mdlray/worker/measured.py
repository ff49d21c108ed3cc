"""A measurement and its input: `Measured` -> `Measurement` -> columns of a trial's row, or rows of a table."""

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
    """One trial with everything that a measurement may need."""

    spec: TrialSpec
    stack: TrainedStack
    """The networks that were trained together with this trial's, with their curves."""
    network: int
    """Position of this trial's network in the stack."""
    trained_scores: Mapping[str, MemberScore]
    """Split (`validation`, `test`) -> scores of the network before quantization."""
    coded: codec.CodedNetwork
    """The network as it was written into the file."""
    file: codec.EncodedNetwork
    decoded: codec.CodedNetwork
    """The network as it is decoded from the file; `mdlray.codec.stack.build_decoded(file.blob)` is a torch module."""
    scores: Mapping[str, MemberScore]
    """Split (`train`, `validation`, `test`) -> scores of the decoded network."""
    images: Images

    @property
    def layer_names(self) -> list[str]:
        """The names of the network's tensors, e.g. `hidden_1.weight`."""
        return self.stack.family.layer_names(self.stack.sizes)


@dataclass(frozen=True)
class Measurement:
    """A function of a `Measured`, and the columns that it fills."""

    measure: Callable[[Measured], Row | Sequence[Row]]
    """Returns columns of the trial's row if `table` is `trials`; otherwise rows of that table, without `trial_id`."""
    table: str = "trials"
    columns: Mapping[str, str] = field(default_factory=dict)
    """Column -> type (as in `mdlray.results.schema.TYPES`). Empty for a table in `mdlray.results.tables.TABLES`. A
    column of `trials` must be nullable, e.g. `"f64?"`, because failed trials have no value."""

    def __post_init__(self) -> None:
        for name, kind in self.columns.items():
            kinds = [f"{type_}?" for type_ in TYPES] + ([] if self.table == "trials" else list(TYPES))
            if kind not in kinds:
                raise ValueError(
                    f"column {name!r} of table {self.table!r} has type {kind!r}, which must be one of: "
                    f"{', '.join(kinds)}."
                )

    def rows(self, name: str, measured: Measured) -> list[Row]:
        """Measure, and return the rows; ValueError for columns or values that do not fit `columns`.

        `name` is the name of the measurement, for the error. Rows of mdlray's own tables are checked when the tables
        are written.
        """
        result = self.measure(measured)
        rows = [result] if isinstance(result, dict) else list(result)
        if self.table == "trials" and len(rows) != 1:
            raise ValueError(f"measurement {name!r} gave {len(rows)} rows for one trial, it must give one dictionary.")
        if self.columns:
            try:
                to_table(rows, schema_of(self.columns))
            except ValueError as error:
                raise ValueError(f"measurement {name!r}: {error}") from error
        return rows
