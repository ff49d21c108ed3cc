"""The legend below the figures of the front table: series, printed curves, and what a ring means.

A ring marks a cell on the front. It is dotted where the cell has one repetition: that accuracy is of one seed, which a
search may have chosen for its luck.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mdlray.planning import ceil_div
from mdlray.report.series import METHOD_STYLES, pale

RINGS: dict[int, tuple[Any, str]] = {
    2: ("solid", "on the front"),
    1: ((0, (1, 1.4)), "on the front, one seed"),
}
"""By number of repetitions (2: two or more), how a cell of the front is ringed, and what the legend says."""


def draw_legend(
    figure: Figure,
    cells: pd.DataFrame,
    styles: Mapping[str, tuple[str, str]],
    printed: Iterable[str],
    reference: str,
) -> None:
    """One entry per series, printed curve (its label, then the `reference`) and kind of ring that the panels have."""
    names = {"none": "none (not pruned)"}
    entries: list[Artist] = [
        Line2D([], [], color=color, marker=marker, markersize=5, label=names.get(label, label))
        for label, (color, marker) in styles.items()
    ]
    for label in sorted(printed, key=list(METHOD_STYLES).index):
        color = pale(METHOD_STYLES[label][0])
        entries.append(Line2D([], [], color=color, linestyle=(0, (4, 2)), label=f"{label}, {reference}"))
    ringed = cells.loc[cells["on_front"], "num_trials"].clip(upper=2)
    for number, (dashes, label) in RINGS.items():
        if (ringed == number).any():
            # A scatter on axes that nobody sees: a line's marker cannot be dotted, and without axes nothing is drawn.
            entries.append(Figure().add_subplot().scatter([0], [0], s=62, label=label, **ring(dashes)))
    if entries:
        num_lines = ceil_div(len(entries), int(figure.get_figwidth() / 1.85))
        num_columns = ceil_div(len(entries), num_lines)
        figure.legend(handles=entries, loc="outside lower center", ncols=num_columns, frameon=False, fontsize=8.5)


def ring(dashes: Any) -> dict[str, Any]:
    """How a ring is drawn, as keywords of a scatter."""
    return {"facecolors": "none", "edgecolors": "#222222", "linewidths": 0.9, "linestyles": dashes}
