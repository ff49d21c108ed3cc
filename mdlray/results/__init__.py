"""Rows of trials as files and tables: the schema, the store, the Pareto front; `load` is the way in for notebooks.

df = load("results/compare_pruning")     # tidy, one row per trial, compacted or not
df = load("s3://bucket/compare_pruning")
"""

from pathlib import Path

import pandas as pd

from mdlray.results.absent import why_absent
from mdlray.results.store import Store

__all__ = ["Store", "load"]


def load(folder: str | Path) -> pd.DataFrame:
    """The rows of a sweep, one per trial (columns: `mdlray.results.schema.TRIALS`, then derived ones), also while it is
    running.

    Raises FileNotFoundError for a folder without results, ValueError for a damaged file, a newer row version, or
    a bucket that refuses us, OSError for one that does not answer.
    """
    store = Store(folder)
    if not store.has_results():
        raise FileNotFoundError(why_absent(store))
    trials, derived = store.read_trials(), store.read_derived()
    return trials if derived is None else trials.merge(derived, on="trial_id", how="left")
