"""The front table as figures: accuracy over compressed bytes, number of weights, and the fraction of edges removed.

Test accuracy where labels are true (`mdlray.report.axes` says how it is spread); training accuracy where some are
random, because there the question is what a network of that size can still memorize, and test accuracy only tells how
many labels were true.

A point is a cell (mean over its seeds, bars of one standard deviation), a line joins cells that differ in their pruning
ratio only. Over bytes and weights, a panel is a task, and a series a way of pruning a network or a family of networks;
where a series has too many settings for lines (convolutions, widths, a search), its line is its front, and the other
cells are pale. Over edges, a panel is a task and an architecture that something was removed from. Ringed cells are on
the front of their task (in bytes, so not among weights); the ring of a cell with one repetition is dotted
(`mdlray.report.legend`). Behind, dashed and pale: the printed accuracies of the sweep's study with their standard
deviation; they have no bytes, so they stand over edges removed only. Students are in none (`mdlray.report.students`).

Drawn on matplotlib's figures and Agg canvas directly: no window, no global state.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mdlray.planning import ceil_div
from mdlray.report.axes import accuracy_axis, edges_axis, log_remainder, size_axis
from mdlray.report.legend import RINGS, draw_legend, ring
from mdlray.report.series import METHOD_STYLES, method_label, pale, series_labels
from mdlray.report.series import lines as lines_of
from mdlray.report.series import styles as styles_of
from mdlray.report.study import PrintedCurve, Study
from mdlray.results.derived.front import GROUP, pareto_mask

TASK = sorted(GROUP, key=["label_randomization_fraction", "pixel_randomization", "split", "dataset"].index)
"""Columns that a panel over bytes or weights has one value of, in the order of the panels."""

PANEL = [*TASK[:2], "architecture", *TASK[2:]]
"""The same for a panel over edges removed."""

_MOST_LINES = 4
"""A series with more lines than that has one, its front."""

LOOK: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.7,
    "svg.hashsalt": "mdlray",  # else the same rows would give another file each time
}


@dataclass(frozen=True)
class Picture:
    """One figure as it is kept."""

    png: bytes
    svg: bytes


def accuracy_vs_bytes(front: pd.DataFrame) -> Picture | None:
    """Accuracy over compressed bytes (logarithmic), from a table of `front_table`; None without a cell."""
    cells = _measured(front)
    cells = cells.assign(label=series_labels(cells), x=cells["compressed_bytes_mean"].astype("float64"))
    return _draw(cells, TASK, "Accuracy and compressed size", "compressed size (bytes)", _size_axis, edges=False)


def accuracy_vs_weights(front: pd.DataFrame) -> Picture | None:
    """Accuracy over the number of weights that are not zero, or of buckets; None without a cell."""
    cells = _measured(front)
    # A network without any weight stands at one: the axis has no place for none.
    cells = cells.assign(label=series_labels(cells), x=cells["num_nonzero_mean"].astype("float64").clip(lower=1))
    cells = cells.dropna(subset=["x"])
    return _draw(
        cells.assign(on_front=False), TASK, "Accuracy and number of weights", "weights", _size_axis, edges=False
    )


def accuracy_vs_edges_removed(front: pd.DataFrame, study: Study | None = None) -> Picture | None:
    """Accuracy over edges removed (as log of what remains), and behind it the printed curves of the study.

    None without a cell of a network that something was removed from.
    """
    cells = _measured(front)
    # A width that nothing was ever removed from would be a panel with a single point.
    cells = cells[cells["architecture"].isin(cells["architecture"][cells["method"] != "none"])]
    labels = [method_label(*way) for way in zip(cells["method"], cells["regularizer"], strict=True)]
    cells = cells.assign(label=labels, x=log_remainder(100 * cells["pruning_ratio"].astype("float64")))

    def dress(axes: Axes, _: pd.DataFrame) -> None:
        edges_axis(axes)

    return _draw(cells, PANEL, "Accuracy and edges removed", "edges removed (%)", dress, edges=True, study=study)


def _size_axis(axes: Axes, cells: pd.DataFrame) -> None:
    size_axis(axes, cells["x"].min(), cells["x"].max())


def _measured(front: pd.DataFrame) -> pd.DataFrame:
    cells = front.dropna(subset=["test_accuracy_mean", "compressed_bytes_mean"])
    return cells[cells["student_round"] == 0]


def _draw(
    cells: pd.DataFrame,
    panel: list[str],
    title: str,
    x_label: str,
    dress: Callable[[Axes, pd.DataFrame], None],
    *,
    edges: bool,
    study: Study | None = None,
) -> Picture | None:
    if cells.empty:
        return None
    panels = list(cells.groupby(panel))
    styles = styles_of(cells["label"])
    with matplotlib.rc_context(LOOK):
        num_columns = min(4, len(panels), cells["dataset"].nunique())
        num_rows = ceil_div(len(panels), num_columns)
        # Few panels have room, and need it: all families of a task may be in one.
        wide, high = (6.8, 4.4) if num_columns == 1 and not edges else (3.1, 2.6)
        width, height = max(wide * num_columns + 0.4, 5.6), high * num_rows + 1.1
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=12, fontweight="bold")
        drawn: set[str] = set()
        for number, (_, group) in enumerate(panels):
            axes = figure.add_subplot(num_rows, num_columns, number + 1)
            many_splits = cells["split"].nunique() > 1
            axes.set_title(panel_title(group.iloc[0], many_splits=many_splits, network="architecture" in panel))
            if study:
                drawn |= _draw_printed(axes, study.printed_curves(group), styles)
            _draw_cells(axes, group, styles, with_fronts=not edges)
            dress(axes, group)
            if _shown(group) == "test":
                accuracy_axis(axes)
            if number % num_columns == 0 or num_columns == 1 or _shown(group) == "train":
                axes.set_ylabel({"train": "training accuracy (%)", "test": "test accuracy (%)"}[_shown(group)])
            if number >= len(panels) - num_columns:
                axes.set_xlabel(x_label)
        draw_legend(figure, cells, styles, drawn, study.reference if study else "")
        return picture_of(figure)


def _draw_cells(
    axes: Axes,
    group: pd.DataFrame,
    styles: Mapping[str, tuple[str, str]],
    *,
    with_fronts: bool,
) -> None:
    accuracy = f"{_shown(group)}_accuracy"
    cells = group.assign(y=100 * group[f"{accuracy}_mean"], spread=100 * group[f"{accuracy}_std"].fillna(0))
    for label, series in cells.groupby("label"):
        color, marker = styles[str(label)]
        lines = lines_of(series)
        if with_fronts and ((series["method"] == "none").all() or len(lines) > _MOST_LINES):
            # Of memorized labels validation knows nothing.
            judged = "train" if _shown(group) == "train" else "validation"
            is_front = pareto_mask(series[f"{judged}_accuracy_mean"], series["x"])
            behind, series = series[~is_front], series[is_front]
            axes.scatter(behind["x"], behind["y"], s=9, color=color, marker=marker, linewidths=0, alpha=0.35, zorder=2)
            lines = [series.sort_values("x")]
        for line in lines:
            axes.plot(line["x"], line["y"], color=color, linewidth=1.3, alpha=0.8, zorder=3)
        bars: dict[str, Any] = {"ecolor": color, "elinewidth": 1.0, "capsize": 2, "linestyle": "none", "zorder": 4}
        axes.errorbar(series["x"], series["y"], yerr=series["spread"], **bars)
        axes.scatter(series["x"], series["y"], s=16, color=color, marker=marker, linewidths=0, zorder=5)
    for number, (dashes, _) in RINGS.items():
        ringed = cells[cells["on_front"] & (cells["num_trials"].clip(upper=2) == number)]
        axes.scatter(ringed["x"], ringed["y"], s=62, zorder=6, **ring(dashes))


def _shown(group: pd.DataFrame) -> str:
    """The split whose accuracy a panel shows."""
    return "train" if group["label_randomization_fraction"].iloc[0] > 0 else "test"


def _draw_printed(axes: Axes, curves: Sequence[PrintedCurve], styles: Mapping[str, tuple[str, str]]) -> set[str]:
    """Curves of a paper, pale and dashed; returns their labels."""
    for curve in curves:
        x = log_remainder(curve.edges_removed_percent)
        color = pale(styles.get(curve.label, METHOD_STYLES[curve.label])[0])
        low, high = curve.mean - curve.std, curve.mean + curve.std
        axes.fill_between(x, low, high, color=color, alpha=0.35, linewidth=0, zorder=1)
        axes.plot(x, curve.mean, color=color, linestyle=(0, (4, 2)), linewidth=1.4, zorder=2)
    return {curve.label for curve in curves}


def panel_title(cell: "pd.Series[Any]", *, many_splits: bool, network: bool) -> str:
    """The task of this cell as a title of a line or two, with its network or without."""
    lines = [", ".join([cell["dataset"], cell["architecture"]] if network else [cell["dataset"]]).replace("_", " ")]
    labels, pixels = cell["label_randomization_fraction"], cell["pixel_randomization"]
    remarks = [
        f"{100 * labels:.4g} % random labels" if labels > 0 else "",
        f"{pixels} pixels" if pixels != "none" else "",
        f"{cell['split']} split" if many_splits else "",
    ]
    lines += [", ".join(filter(None, remarks))] if any(remarks) else []
    return "\n".join(lines)


def picture_of(figure: Figure) -> Picture:
    """The figure as files; a very tall one is kept below the 2^16 pixels that Agg can draw."""
    dpi = min(150.0, 60_000 / figure.get_figheight())
    return Picture(_saved(figure, "png", dpi=dpi), _saved(figure, "svg", dpi=72.0))


def _saved(figure: Figure, kind: str, dpi: float) -> bytes:
    sink = BytesIO()
    figure.savefig(sink, format=kind, dpi=dpi, metadata={"Date": None} if kind == "svg" else None)
    return sink.getvalue()
