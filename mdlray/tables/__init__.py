"""Rows of trials as files and tables: the schema, the store, the Pareto front; `load` is the way in for notebooks.

df = load("results/compare_pruning")     # tidy, one row per trial, compacted or not
"""

from pathlib import Path

import pandas as pd

from mdlray.tables.store import Store

__all__ = ["Store", "load"]


def load(folder: str | Path) -> pd.DataFrame:
    """The rows of a sweep, one per trial (columns: `mdlray.tables.schema.TRIALS`), also while it is running.

    Raises FileNotFoundError for a folder without results, ValueError for a damaged file or a newer row version.
    """
    store = Store(Path(folder))
    if not store.has_results():
        sweep = store.folder.name.removesuffix("-quick")
        raise FileNotFoundError(
            f"there are no results in {store.folder}; `python -m mdlray.sweep {sweep}` makes some, "
            "and `python -m mdlray.sweep --list` names the sweeps there are."
        )
    return store.read_trials()
