"""The table of weights as one figure: how the weights of two networks lie around zero, pruned with L1 and with L2.

After Figure 6 of Baktash et al. 2019. Left Mag-L1, right Mag-L2, the first layer of each: just before the last pruning
step (pale), just after it (full), and at the end of training (line). Weights that have been removed are not drawn.
Heights are weights per width, because every histogram has bins of its own width; both panels have the same axes.
"""

from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mdlray.report.figures import LOOK, PANEL, Picture, panel_title, picture_of
from mdlray.report.series import METHOD_STYLES, method_label, pale

RATIO = 0.96
"""Of the printed figure; what is nearest to it is drawn."""

WIDTH = 0.01
"""Heights are weights per this width."""


def chosen_pair(trials: pd.DataFrame, weights: pd.DataFrame) -> pd.DataFrame | None:
    """The trials to be drawn, one with L1 and one with L2; None where no task and ratio has both.

    They are of one task and architecture, pruned by magnitude to one ratio, the nearest to 0.96 there is; of
    repetitions the one of the lowest seed.
    """
    pruned = weights.loc[weights["moment"] == "before_last_pruning", "trial_id"]
    known = trials[(trials["method"] == "magnitude") & trials["regularizer"].isin(["l1", "l2"])]
    known = known[known["trial_id"].isin(pruned) & (known["status"] == "ok")]
    both = [pair for _, pair in known.groupby([*PANEL, "pruning_ratio"]) if pair["regularizer"].nunique() == 2]
    if not both:
        return None
    nearest = min(both, key=lambda pair: abs(pair["pruning_ratio"].iloc[0] - RATIO))
    order = ["regularizer", "student_round", "seed", "regularizer_strength", "trial_id"]
    return nearest.sort_values(order).groupby("regularizer").head(1)


def weight_pictures(trials: pd.DataFrame, weights: pd.DataFrame) -> dict[str, Picture]:
    """The figure under its name, from tables of `Store`; nothing where there is no pair to compare."""
    pair = chosen_pair(trials, weights)
    if pair is None:
        return {}
    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(7.4, 3.9), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle("Weights of the first layer around the last pruning step", fontsize=12, fontweight="bold")
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        for axes, (_, trial) in zip(panels, pair.iterrows(), strict=True):
            _draw_trial(axes, trial, _first_layer(weights[weights["trial_id"] == trial["trial_id"]]))
        panels[0].set_ylabel(f"weights per {WIDTH:g}")
        return {"weights": picture_of(figure)}


def _first_layer(weights: pd.DataFrame) -> pd.DataFrame:
    """A trial's histograms of its first layer; names follow the order of layers, but for the output's."""
    first = min(weights["layer"], key=lambda name: (name.startswith("output"), name))
    rows: pd.DataFrame = weights[weights["layer"] == first]
    return rows


def _draw_trial(axes: Axes, trial: "pd.Series[Any]", weights: pd.DataFrame) -> None:
    label = method_label(trial["method"], trial["regularizer"])
    color = METHOD_STYLES[label][0]
    looks: dict[str, tuple[str, dict[str, Any]]] = {
        "before_last_pruning": ("before", {"fill": True, "color": pale(color), "alpha": 0.5, "linewidth": 0}),
        "after_last_pruning": ("after", {"fill": True, "color": color, "linewidth": 0}),
        "trained": ("end of training", {"color": "#222222", "linewidth": 0.9}),
    }
    for moment, (name, look) in looks.items():
        row = weights[weights["moment"] == moment].iloc[0]
        if row["high"] > 0:
            heights, edges = _per_width(row)
            axes.stairs(heights, edges, label=f"{name}, epoch {row['epoch']:.4g}", **look)
    axes.set_title(
        f"{label}, {100 * trial['pruning_ratio']:.4g} % removed\n{panel_title(trial, many_splits=False, network=True)}"
    )
    axes.set_xlabel(f"weight ({weights['layer'].iloc[0]})")
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2)


def _per_width(row: "pd.Series[Any]") -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    edges = np.linspace(row["low"], row["high"], len(row["counts"]) + 1)
    return np.asarray(row["counts"]) * WIDTH / (edges[1] - edges[0]), edges
