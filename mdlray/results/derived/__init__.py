"""Tables and columns that follow from finished trials: the driver makes them at the end of a run, without torch.

A worker knows its own pack only. What needs all trials (a front, a price for having chosen among N of them, a mean over
repetitions) is a function of the rows here, all of them, with N = `len(trials)`:

    DERIVED_TABLES["best"] = DerivedTable(lambda trials: trials.nlargest(10, "validation_accuracy"))     best.parquet
    DERIVED_COLUMNS["choice"] = lambda trials: trials[["trial_id"]].assign(choice_bits=math.log2(len(trials)))

Derived columns have one row per trial, with its `trial_id`. They lie in `derived.parquet`, and `mdlray.load` puts them
beside the columns of the trials; they are as old as the last run's end, so newer rows have none.
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
"""The name of the table that has all derived columns."""


@dataclass(frozen=True)
class DerivedTable:
    """A file made of the rows of all trials."""

    make: Callable[[pd.DataFrame], pd.DataFrame]
    """From the trials, as `mdlray.load` gives them, failed ones among them, without derived columns."""
    schema: pa.Schema | None = None
    """Of the file; without one it follows from the frame."""


DERIVED_TABLES: dict[str, DerivedTable] = {"front": DerivedTable(front_table, FRONT)}
"""Name to table; the file is `<name>.parquet`."""

DERIVED_COLUMNS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {}
"""Name to a function of the trials that returns `trial_id` and some columns."""


def derive(trials: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Every derived table by name; ValueError names a function that fails, and columns that there are already."""
    tables = {name: _called(name, table.make, trials) for name, table in DERIVED_TABLES.items()}
    if not DERIVED_COLUMNS:
        return tables
    columns = trials[["trial_id"]]
    for name, make in DERIVED_COLUMNS.items():
        added = _called(name, make, trials)
        if "trial_id" not in added or not added["trial_id"].is_unique:
            raise ValueError(f"the derived columns {name!r} must have one row per trial, with its trial_id.")
        if twice := sorted(({*trials.columns, *columns.columns} - {"trial_id"}) & set(added.columns)):
            raise ValueError(f"the derived columns {name!r} have {twice[0]!r}, which there is already; rename it.")
        # Whole numbers and flags stay what they are beside trials that have none.
        typed = to_frame(pa.Table.from_pandas(added, preserve_index=False))
        columns = columns.merge(typed, on="trial_id", how="left")
    return tables | {COLUMNS_TABLE: columns}


def _called(name: str, make: Callable[[pd.DataFrame], pd.DataFrame], trials: pd.DataFrame) -> pd.DataFrame:
    try:
        return make(trials)
    except Exception as error:  # whatever somebody's own function raises
        raise ValueError(
            f"{name!r}, which is derived from the trials, failed: {type(error).__name__}: {error}. The rows are "
            "stored; mend the function and give the same command again."
        ) from error
