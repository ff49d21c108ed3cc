"""The tables of a sweep: `TABLES` maps a name to the columns of `<name>.parquet` and the order of its rows.

    trials     one row per trial
    curves     one row per trial and epoch
    layers     one row per trial and tensor
    weights    one row per trial, layer and moment: a histogram of the weights

To add a table, add an entry. Its first column is `trial_id`, the trial that a row belongs to:

    TABLES["classes"] = Table(
        "classes", schema_of({"trial_id": "str", "digit": "i64", "test_accuracy": "f64"}), ("trial_id", "digit")
    )

A worker puts the rows of a pack into `PackResult.tables["classes"]`, and `Store.read("classes")` reads the table.
"""

from dataclasses import dataclass

import pyarrow as pa

from mdlray.results.schema import CURVES, LAYERS, TRIALS, WEIGHTS


@dataclass(frozen=True)
class Table:
    """The name, the columns and the order of a table."""

    name: str
    """The file is `<name>.parquet`."""
    schema: pa.Schema
    """The columns, made by `mdlray.results.schema.schema_of`."""
    order: tuple[str, ...] = ("trial_id",)
    """Columns by which the rows are sorted for readers."""

    def in_order(self, rows: pa.Table) -> pa.Table:
        """The rows in the order that readers see."""
        return rows.sort_by([(column, "ascending") for column in self.order])


_TRIALS_ORDER = (
    "dataset split label_randomization_fraction pixel_randomization architecture method regularizer "
    "regularizer_strength pruning_ratio quantization_levels seed data_order_seed randomization_seed trial_id"
)

TABLES: dict[str, Table] = {
    "trials": Table("trials", TRIALS, tuple(_TRIALS_ORDER.split())),
    "curves": Table("curves", CURVES, ("trial_id", "epoch")),
    "layers": Table("layers", LAYERS, ("trial_id",)),
    "weights": Table("weights", WEIGHTS, ("trial_id", "layer", "epoch", "moment")),
}
