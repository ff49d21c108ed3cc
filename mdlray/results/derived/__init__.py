"""Tables and columns that follow from all finished trials. The driver makes them at the end of a run, without torch.

A worker only has the trials of its own pack. Some results need all trials: a front, a mean over repetitions, or the
bits that name the one chosen among N trials. Such a result is a function of all rows, where N = `len(trials)`. Example:

    DERIVED_TABLES["best"] = DerivedTable(lambda trials: trials.nlargest(10, "validation_accuracy"))     best.parquet
    DERIVED_COLUMNS["choice"] = lambda trials: trials[["trial_id"]].assign(choice_bits=math.log2(len(trials)))

Derived columns have one row per trial, with its `trial_id`. They are stored in `derived.parquet`, and `mdlray.load`
joins them to the columns of the trials. Rows that were written after the end of the last run have nulls there.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from mdlray.results.conversion import to_frame
from mdlray.results.derived.front import front_table
from mdlray.results.schema import FRONT

__all__ = ["COLUMNS_TABLE", "DERIVED_COLUMNS", "DERIVED_TABLES", "DerivedTable", "derive"]

COLUMNS_TABLE = "derived"
"""The name of the table with all derived columns."""


@dataclass(frozen=True)
class DerivedTable:
    """A table that is made from the rows of all trials."""

    make: Callable[[pd.DataFrame], pd.DataFrame]
    """A function of the trials as `mdlray.load` returns them, with failed trials and without derived columns."""
    schema: pa.Schema | None = None
    """The schema of the file; None if it follows from the frame."""


DERIVED_TABLES: dict[str, DerivedTable] = {"front": DerivedTable(front_table, FRONT)}
"""Name -> table; the file is `<name>.parquet`."""

DERIVED_COLUMNS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {}
"""Name -> a function of the trials that returns a frame with `trial_id` and the new columns."""


def derive(trials: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Name -> derived table. ValueError for a function that fails, and for a column that exists already."""
    tables = {name: _called(name, table.make, trials) for name, table in DERIVED_TABLES.items()}
    if not DERIVED_COLUMNS:
        return tables
    columns = trials[["trial_id"]]
    for name, make in DERIVED_COLUMNS.items():
        added = _called(name, make, trials)
        if "trial_id" not in added or not added["trial_id"].is_unique:
            raise ValueError(f"the derived columns {name!r} must have one row per trial, with its trial_id.")
        if duplicates := sorted(({*trials.columns, *columns.columns} - {"trial_id"}) & set(added.columns)):
            raise ValueError(f"the derived columns {name!r} have {duplicates[0]!r}, which there is already; rename it.")
        # With pandas' nullable types, whole numbers and flags keep their type if some trials have no value.
        typed = to_frame(pa.Table.from_pandas(added, preserve_index=False))
        columns = columns.merge(typed, on="trial_id", how="left")
    return tables | {COLUMNS_TABLE: columns}


def _called(name: str, make: Callable[[pd.DataFrame], pd.DataFrame], trials: pd.DataFrame) -> pd.DataFrame:
    try:
        return make(trials)
    except Exception as error:  # whatever a user's function raises
        raise ValueError(
            f"{name!r}, which is derived from the trials, failed: {type(error).__name__}: {error}. The rows are "
            "stored; mend the function and give the same command again."
        ) from error
