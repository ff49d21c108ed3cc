"""Rounds of students as a figure: how hard each was to fit, and what is left of it.

A panel is a task, the network of round 0 and a strategy (and whatever else a lineage's setting says). Above, how far
every fit is over its epochs, the rounds one after the other, in nats per example: cross-entropy to the labels in round
0, then the divergence of the student from its teacher, whatever it was fitted by. Below, what came out of each round:
accuracy on its own training labels, on the test split, and bytes. Green learned true labels, red random ones; lines are
means over seeds, bands one standard deviation.
"""

import json
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mdlray.planning import ceil_div
from mdlray.report.axes import size_axis
from mdlray.report.figures import LOOK, Picture, panel_title, picture_of
from mdlray.spec import canonical_json, from_dict, replace_fields

_TRUE, _RANDOM = "#2E8B57", "#C0392B"
_MEASURES = (("train_accuracy", "-", "o"), ("test_accuracy", "--", "s"))
_MOST_COLUMNS = 4


def has_students(trials: pd.DataFrame) -> bool:
    """Whether there is a student to draw: one that came to its end."""
    return bool(((trials["student_round"] > 0) & (trials["status"] == "ok")).any())


def lineages(trials: pd.DataFrame) -> pd.DataFrame:
    """The ok rows of students and of the networks they come from, with their panel and line.

    A network of round 0 has no strategy: it is repeated for each that its students have. Added columns: `panel` (the
    setting of round 0 without seeds and labels, and the strategy), `ancestor` (architecture of round 0), `strategy`.
    """
    ok = trials[trials["status"] == "ok"]
    students = ok[ok["student_round"] > 0]
    known = _with_lineage(students)
    # Only networks that have students, of which a sweep may have few among many: specs are slow to read.
    firsts = ok[(ok["student_round"] == 0) & ok["architecture"].isin(known["ancestor"])]
    firsts = _with_lineage(firsts).drop(columns="strategy")
    strategies = known[["lineage", "strategy"]].drop_duplicates()
    found = pd.concat([known, firsts.merge(strategies, on="lineage")], ignore_index=True)
    found["panel"] = found["setting"] + found["strategy"]
    order = ["ancestor", "strategy", "dataset", "panel", "label_randomization_fraction", "student_round", "trial_id"]
    return found.sort_values(order, ignore_index=True)


def students(trials: pd.DataFrame, curves: pd.DataFrame) -> Picture:
    """The figure; `curves` are those of `Store.read("curves")`, trials without any are missing above only."""
    rows = lineages(trials)
    panels = [group for _, group in rows.groupby("panel", sort=False)]
    num_columns = min(_MOST_COLUMNS, len(panels))
    num_rows = ceil_div(len(panels), num_columns)
    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(max(3.7 * num_columns + 0.6, 6.4), 5.0 * num_rows + 1.1), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle("Students, round after round", fontsize=12, fontweight="bold")
        for number, group in enumerate(panels):
            row, column = divmod(number, num_columns)
            place = 2 * row * num_columns + column + 1
            above = figure.add_subplot(2 * num_rows, num_columns, place)
            below = figure.add_subplot(2 * num_rows, num_columns, place + num_columns)
            first = group.iloc[0].copy()
            first["architecture"], first["label_randomization_fraction"] = first["ancestor"], 0.0
            title = panel_title(first, many_splits=rows["split"].nunique() > 1, network=True)
            above.set_title(f"{title}\n{first['strategy']}")
            _draw_fits(above, group, curves)
            sizes = _draw_rounds(below, group)
            if column == 0:
                above.set_ylabel("nats left (labels, then teacher)")
                below.set_ylabel("accuracy (%)")
            if column == num_columns - 1 or number == len(panels) - 1:
                sizes.set_ylabel("compressed size (bytes)")
        _draw_legend(figure, rows)
        return picture_of(figure)


def _with_lineage(rows: pd.DataFrame) -> pd.DataFrame:
    found = []
    for text in rows["spec"]:
        ancestor = from_dict(json.loads(text)).ancestor
        blank = {"data.label_randomization_fraction": 0.0}
        blank |= {f"seeds.{name}": 0 for name in ("initialization", "data_order", "randomization")}
        found.append(
            (ancestor.trial_id, canonical_json(replace_fields(ancestor, blank)), ancestor.network.architecture)
        )
    named = pd.DataFrame(found, columns=["lineage", "setting", "ancestor"], index=rows.index)
    return pd.concat([rows, named], axis="columns").assign(strategy=rows["student_strategy"])


def _draw_fits(axes: Axes, group: pd.DataFrame, curves: pd.DataFrame) -> None:
    points = curves.merge(group[["trial_id", "student_round", "label_randomization_fraction"]], on="trial_id")
    points = points.dropna(subset=["train_nats_per_example"])
    lengths = points.groupby("student_round")["epoch"].max()
    start = lengths.cumsum() - lengths
    points["x"] = points["epoch"].astype("float64") + points["student_round"].map(start).astype("float64")
    for (fraction, _), fit in points.groupby(["label_randomization_fraction", "student_round"]):
        _line_with_band(axes, fit["x"], fit["train_nats_per_example"], _color(fraction), "-", None)
    for border in start.to_numpy()[1:]:
        axes.axvline(float(border) + 0.5, color="#BBBBBB", linewidth=0.8, linestyle=":", zorder=1)
    axes.set_xlabel("epochs, rounds one after the other")


def _draw_rounds(axes: Axes, group: pd.DataFrame) -> Axes:
    """Accuracies and, on an axis of its own, bytes over rounds; returns that axis."""
    sizes = axes.twinx()
    size_axis(sizes, group["compressed_bytes"].min(), group["compressed_bytes"].max(), "y")
    sizes.grid(False)
    for fraction, line in group.groupby("label_randomization_fraction"):
        for name, dashes, marker in _MEASURES:
            values = 100 * line[name].astype("float64")
            _line_with_band(axes, line["student_round"], values, _color(fraction), dashes, marker)
        _line_with_band(sizes, line["student_round"], line["compressed_bytes"], _color(fraction), ":", "v")
    axes.set_xlabel("round")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return sizes


def _line_with_band(axes: Axes, x: Any, y: Any, color: str, dashes: str, marker: str | None) -> None:
    grouped = pd.Series(np.asarray(y, dtype=np.float64)).groupby(np.asarray(x, dtype=np.float64))
    mean, std = grouped.mean(), grouped.std().fillna(0)
    place = mean.index.to_numpy(dtype=np.float64)
    axes.plot(place, mean, color=color, linestyle=dashes, marker=marker, markersize=3.5, linewidth=1.3, zorder=3)
    low, high = (mean - std).to_numpy(dtype=np.float64), (mean + std).to_numpy(dtype=np.float64)
    if axes.get_yscale() == "log":
        low = np.maximum(low, mean.to_numpy(dtype=np.float64) / 10)  # a band of a logarithmic axis stays above zero
    axes.fill_between(place, low, high, color=color, alpha=0.18, linewidth=0, zorder=2)


def _color(fraction: Any) -> str:
    return _RANDOM if float(fraction) > 0 else _TRUE


def _draw_legend(figure: Figure, rows: pd.DataFrame) -> None:
    fractions = sorted(rows["label_randomization_fraction"].unique())
    random = ", ".join(f"{100 * fraction:.4g} %" for fraction in fractions if fraction > 0)
    entries = [Line2D([], [], color=_TRUE, label="true labels")] if 0 in fractions else []
    entries += [Line2D([], [], color=_RANDOM, label=f"{random} random labels")] if random else []
    looks: list[tuple[str, Any, str]] = [("train", "-", "o"), ("test", "--", "s"), ("bytes", ":", "v")]
    for label, dashes, marker in looks:
        entries.append(Line2D([], [], color="#444444", linestyle=dashes, marker=marker, markersize=3.5, label=label))
    figure.legend(handles=entries, loc="outside lower center", ncols=min(5, len(entries)), frameon=False, fontsize=8.5)
