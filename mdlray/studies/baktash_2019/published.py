"""Our rows beside the printed ones of Baktash et al. 2019 (arXiv:1910.11144, tables 1 to 6).

There, dense networks with one hidden layer of 100 or 30 units are pruned on MNIST and three of its variants (50,000
training and 12,000 test pictures, 5 runs), and the test accuracy in percent is printed over the edges removed. Nothing
is quantized there; ours is the accuracy of the network that the compressed file decodes to, the one before quantization
stands beside it.

    MagL2, MagL1  =  method `magnitude` with regularizer `l2`, `l1`; where nothing is removed also method `none`
    OBD           =  method `obd`, any regularizer

Several of our cells may answer one printed cell (strengths, levels, learning rates); the one with the best mean
validation accuracy does, among those with at least five repetitions (or, where none has as many, the most). So the test
split chooses nothing, and a lucky single run does not stand for a mean.
"""

from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

_KEY = ["architecture", "dataset", "published_method", "pruning_ratio"]

METHOD_NAMES = {"MagL2": "Mag-L2", "MagL1": "Mag-L1", "OBD": "OBD"}
"""The printed names as our figures write them."""

PRINTED_RUNS = 5
"""Repetitions behind every printed mean."""

_COLUMNS = {
    "table": "int64",
    "published_method": "str",
    "architecture": "str",
    "dataset": "str",
    "split": "str",
    "pruning_ratio": "float64",
    "edges_removed_percent": "float64",
    "test_accuracy_percent_mean": "float64",
    "test_accuracy_percent_std": "float64",
    "num_trials": "int64",
    "trained_test_accuracy_percent_mean": "float64",
    "compressed_bytes_mean": "float64",
    "published_accuracy_percent_mean": "float64",
    "published_accuracy_percent_std": "float64",
    "published_num_runs": "int64",
    "difference_percent": "float64",
    "at_or_above": "bool",
    "num_candidate_cells": "int64",
    "cell_id": "str",
}
"""Columns of `compare`; `_percent` are percent or, for the difference, percentage points."""


def published_accuracy() -> pd.DataFrame:
    """The printed cells: one row per table, method, architecture, data set and fraction of edges removed."""
    with (files("mdlray.studies.baktash_2019") / "published_tables" / "baktash_2019_tables_1_to_6.csv").open() as file:
        printed = pd.read_csv(file)
    return pd.DataFrame(
        {
            "table": printed["table"],
            "published_method": printed["method"],
            "architecture": "dense-" + printed["hidden_units"].astype(str),
            "dataset": printed["dataset"],
            "edges_removed_percent": printed["edges_removed_percent"],
            "pruning_ratio": (printed["edges_removed_percent"] / 100).round(6),
            "published_accuracy_percent_mean": printed["test_accuracy_percent_mean"],
            "published_accuracy_percent_std": printed["test_accuracy_percent_std"],
            "published_num_runs": printed["num_runs"],
        }
    )


def published_method(method: str, regularizer: str, pruning_ratio: float) -> str | None:
    """The printed name of what a cell did, or None where nothing like it is printed."""
    if method == "obd":
        return "OBD"
    if method == "magnitude" or (method == "none" and pruning_ratio == 0):
        return {"l1": "MagL1", "l2": "MagL2"}.get(regularizer)
    return None


def comparable(trials: pd.DataFrame) -> pd.DataFrame:
    """The rows that may stand beside printed ones: ok, true labels, whole pictures, no students."""
    is_ok = (trials["status"] == "ok") & trials["validation_accuracy"].notna()
    is_true = (trials["label_randomization_fraction"] == 0) & (trials["pixel_randomization"] == "none")
    return trials[is_ok & is_true & (trials["student_round"] == 0)]


def chosen_cells(rows: pd.DataFrame) -> pd.DataFrame:
    """Of `comparable` rows, the cell that answers for each network, data set, printed method, ratio and split.

    Ratios need not be printed ones. `num_candidate_cells` says among how many validation accuracy has chosen.
    """
    cells = _cells(rows)
    methods = zip(cells["method"], cells["regularizer"], cells["pruning_ratio"], strict=True)
    cells["published_method"] = [published_method(*names) for names in methods]
    cells["pruning_ratio"] = cells["pruning_ratio"].round(6)
    candidates = cells[cells["published_method"].notna()].copy()
    one = [*_KEY, "split"]
    candidates["num_candidate_cells"] = candidates.groupby(one)["cell_id"].transform("size")
    candidates = candidates[has_enough_runs(candidates["num_trials"], candidates.groupby(one)["num_trials"])]
    # The cell id settles ties, so that the same rows always give the same table.
    best_first = candidates.sort_values(["validation_accuracy", "cell_id"], ascending=[False, True])
    return best_first.drop_duplicates(one, ignore_index=True)


def has_enough_runs(num_trials: pd.Series, groups: Any) -> pd.Series:
    """Which cells have at least five repetitions, or as many as any of their group (`groups`: the same, grouped)."""
    mask: pd.Series = num_trials >= groups.transform("max").clip(upper=PRINTED_RUNS)
    return mask


def compare(trials: pd.DataFrame) -> pd.DataFrame:
    """One row per printed cell and split for which there are ok rows (one may have none at all)."""
    ok = comparable(trials)
    if ok.empty:
        return _empty()
    pairs = published_accuracy().merge(chosen_cells(ok), on=_KEY)
    if pairs.empty:
        return _empty()
    difference = pairs["test_accuracy_percent_mean"] - pairs["published_accuracy_percent_mean"]
    pairs["difference_percent"] = difference.round(9)  # equal to the last printed digit is equal
    pairs["at_or_above"] = pairs["difference_percent"] >= 0
    pairs = pairs.sort_values(["table", "dataset", "pruning_ratio", "split"], ignore_index=True)
    return pairs.reindex(columns=list(_COLUMNS)).astype(_COLUMNS)


def _cells(ok: pd.DataFrame) -> pd.DataFrame:
    named = ["cell_id", "split", "dataset", "architecture", "method", "regularizer", "pruning_ratio"]
    measured = ["validation_accuracy", "test_accuracy", "trained_test_accuracy", "compressed_bytes"]
    numbers = ok[measured].astype("float64")
    grouped = numbers.groupby(ok["cell_id"])
    mean, std = grouped.mean(), grouped["test_accuracy"].std()
    cells = ok[named].drop_duplicates("cell_id").set_index("cell_id")
    cells["validation_accuracy"] = mean["validation_accuracy"]
    cells["test_accuracy_percent_mean"] = 100 * mean["test_accuracy"]
    cells["test_accuracy_percent_std"] = 100 * std
    cells["trained_test_accuracy_percent_mean"] = 100 * mean["trained_test_accuracy"]
    cells["compressed_bytes_mean"] = mean["compressed_bytes"]
    cells["num_trials"] = grouped.size()
    return cells.reset_index()


def _empty() -> pd.DataFrame:
    return pd.DataFrame({name: np.array([], dtype="object") for name in _COLUMNS}).astype(_COLUMNS)
