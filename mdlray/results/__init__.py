"""Rows of trials as files and tables: the schema, the store, the Pareto front. A notebook begins with `load`:

df = load("results/compare_pruning")     # one row per trial, also while the sweep is running
df = load("s3://bucket/compare_pruning")
"""

from pathlib import Path

import pandas as pd

from mdlray.results.absent import why_absent
from mdlray.results.store import Store

__all__ = ["Store", "load"]


def load(folder: str | Path) -> pd.DataFrame:
    """The rows of a sweep, one per trial: the columns of `mdlray.results.schema.TRIALS`, then the derived columns.

    The sweep may still be running. Raises FileNotFoundError for a folder without results; ValueError for a damaged
    file, a newer row version, or a bucket that refuses access; OSError for a bucket that does not answer.
    """
    store = Store(folder)
    if not store.has_results():
        raise FileNotFoundError(why_absent(store))
    trials, derived = store.read_trials(), store.read_derived()
    return trials if derived is None else trials.merge(derived, on="trial_id", how="left")
