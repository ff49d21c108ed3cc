"""Histograms of weights into how far they lie around zero, layer by layer: what L1 leaves beside what L2 leaves.

Of a histogram with counts c_k in bins of centers m_k (n = Σ c_k; removed weights are not in it):

    mean of |w|           Σ c_k |m_k| / n
    standard deviation    the root of Σ c_k (m_k - m)² / n, m the mean
    share within ± t      counts of the bins inside, and of a bin that ± t cuts the part inside (as if flat)

"Concentrated around zero" may mean any of these, and they need not agree: pruning by magnitude leaves a gap around
zero, which is narrow where most weights are tiny, and the weights beyond it may still be large. So all are given.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mdlray.report.table import Column, percent, with_spread
from mdlray.report.weights import chosen_pair

WITHIN = (0.1, 0.2)
_MEASURES = ("mean_absolute", "standard_deviation", *(f"share_within_{limit:g}" for limit in WITHIN))


def spread(low: float, high: float, counts: Any) -> dict[str, float]:
    """The measures of one histogram, its bins of equal width from `low` to `high`; NaN where it is empty."""
    counts_K = np.asarray(counts, dtype=np.float64)
    num = counts_K.sum()
    if num == 0:
        return dict.fromkeys(_MEASURES, float("nan"))
    edges = np.linspace(low, high, len(counts_K) + 1)
    centers_K, left_K, right_K = (edges[1:] + edges[:-1]) / 2, edges[:-1], edges[1:]
    mean = counts_K @ centers_K / num
    measures = [counts_K @ np.abs(centers_K) / num, np.sqrt(counts_K @ (centers_K - mean) ** 2 / num)]
    for limit in WITHIN:
        inside_K = np.clip(np.minimum(right_K, limit) - np.maximum(left_K, -limit), 0, None)
        width_K = right_K - left_K
        share_K = np.divide(inside_K, width_K, out=np.ones_like(width_K), where=width_K > 0)
        measures.append(counts_K @ share_K / num)
    return dict(zip(_MEASURES, map(float, measures), strict=True))


def weight_spreads(trials: pd.DataFrame, weights: pd.DataFrame) -> pd.DataFrame:
    """A row per layer and penalty of the two settings that the figure of weights draws, over all their repetitions.

    At the end of training; mean and standard deviation (`_mean`, `_std`) over repetitions, `num_runs` of them. Empty
    where no pair of settings compares.
    """
    pair = chosen_pair(trials, weights)
    if pair is None:
        return pd.DataFrame()
    runs = trials[trials["cell_id"].isin(pair["cell_id"]) & (trials["status"] == "ok")]
    about = ["trial_id", "architecture", "dataset", "method", "regularizer", "pruning_ratio"]
    rows = weights[weights["moment"] == "trained"].merge(runs[about], on="trial_id")
    columns = rows["low"], rows["high"], rows["counts"]
    measured = pd.DataFrame([spread(*histogram) for histogram in zip(*columns, strict=True)], columns=list(_MEASURES))
    keys = ["layer", *about[1:]]
    grouped = pd.concat([rows[keys].reset_index(drop=True), measured], axis="columns").groupby(keys)
    means, deviations = grouped.mean().add_suffix("_mean"), grouped.std().add_suffix("_std")
    return means.join(deviations).assign(num_runs=grouped.size()).reset_index()


def _absolute(name: str) -> Any:
    def text(row: Mapping[str, Any]) -> str:
        return with_spread(row[f"{name}_mean"], row[f"{name}_std"], ".3f")

    return text


COLUMNS: list[Column] = [
    ("layer", lambda row: row["layer"], False),
    ("network", lambda row: row["architecture"], False),
    ("data set", lambda row: row["dataset"], False),
    ("edges removed (%)", lambda row: f"{100 * row['pruning_ratio']:.6g}", True),
    ("penalty", lambda row: row["regularizer"].upper(), False),
    ("mean |w|", _absolute("mean_absolute"), True),
    ("standard deviation", _absolute("standard_deviation"), True),
    *(
        (f"within ±{limit:g} (%)", percent(f"share_within_{limit:g}_mean", f"share_within_{limit:g}_std"), True)
        for limit in WITHIN
    ),
    ("trials", lambda row: str(row["num_runs"]), True),
]
NOTE = (
    "Weights that were not removed, at the end of training, from histograms; ± is one standard deviation over seeds. A "
    "larger share near zero and a smaller mean or standard deviation both mean more concentrated; they need not agree."
)
