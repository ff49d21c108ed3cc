"""Rows of several folders as one table: a sweep's own, and those of others that its report may see as well.

A trial that several folders have counts once: an ok row before a stopped one, that before a failed one, and of equals
that of the folder named first. Rows of one trial may differ in their last digits, since sums are rounded in other
orders in packs of another size.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mdlray.results import Store, load
from mdlray.results.asked import asked_rows

_ORDER = {"ok": 0, "stopped": 1, "failed": 2}


def joined(folders: Sequence[str | Path]) -> tuple[pd.DataFrame, "pd.Series[int]"]:
    """The rows of all folders, each trial once, and for each row the number of the folder that it is from.

    Of a folder only those rows take part whose trials its sweep asks (`mdlray.results.asked`).
    Raises what `mdlray.load` raises for any of the folders.
    """
    tables = [asked_rows(Store(folder), load(folder)) for folder in folders]
    if len(tables) == 1:
        return tables[0], pd.Series(0, index=tables[0].index)
    rows = pd.concat(tables, ignore_index=True)
    source = pd.Series([number for number, table in enumerate(tables) for _ in range(len(table))], dtype="int64")
    # Stable: of equals the first folder's stays in front.
    best_first = rows["status"].map(_ORDER).sort_values(kind="stable").index
    kept = rows.loc[best_first, "trial_id"].drop_duplicates().index.sort_values()
    return rows.loc[kept].reset_index(drop=True), source.loc[kept].reset_index(drop=True)


def joined_curves(folders: Sequence[str | Path], trials: pd.DataFrame, source: "pd.Series[int]") -> pd.DataFrame:
    """The curves of these rows of `joined`, each from the folder that its row is from."""
    return _of_rows("curves", folders, trials, source)


def joined_weights(folders: Sequence[str | Path], trials: pd.DataFrame, source: "pd.Series[int]") -> pd.DataFrame:
    """The histograms of weights of these rows, likewise."""
    return _of_rows("weights", folders, trials, source)


def _of_rows(name: str, folders: Sequence[str | Path], trials: pd.DataFrame, source: "pd.Series[int]") -> pd.DataFrame:
    found = []
    for number, folder in enumerate(folders):
        table = Store(folder).read(name)
        found.append(table[table["trial_id"].isin(trials["trial_id"][source == number])])
    return pd.concat(found, ignore_index=True)
