"""Axes of the figures: numbers into places, with ticks in words people use.

accuracy         as the logarithm of the error: 90, 99 and 99.9 % are equally far apart, or else a network that
                 learned nothing would press all others into a line
edges removed    as the logarithm of what remains, likewise
                 (up to 99.999 %; from there on both axes go straight, so that 100 % has a place, and a margin)
bytes, weights   logarithmic, ticks like `24.5 k`
"""

import math

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

_EDGE_TICKS = (0, 50, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.99, 100)
_ACCURACY_TICKS = (0, 30, 50, 60, 70, 80, 85, 90, 92, 94, 95, 96, 97, 98, 98.5, 99, 99.3, 99.5, 99.8, 99.9, 99.99, 100)
_STRAIGHT_FROM = 99.999
"""From this percentage on the axes are straight: a logarithm has no place for 100 %, and none for a margin above it."""
_SLOPE = 1 / (math.log(10) * (100 - _STRAIGHT_FROM))
"""Of the logarithm there, so that the axis has no kink."""
_BEYOND = 200.0
"""No place is farther than that of this percentage."""
_LEAST_GAP = 0.07
"""Between two ticks, as a part of the axis."""
_MARGIN = 0.05
"""Beyond the outermost points, as a part of their range, so that the frame cuts none."""


def log_remainder(percent: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """-log10 of the part that is missing to 100 %, e.g. 2 for 99 %; 5.4 for 100 %, where the axis goes straight."""
    values = np.minimum(np.asarray(percent, dtype=np.float64), _BEYOND)
    curved = -np.log10(1 - np.minimum(values, _STRAIGHT_FROM) / 100)
    place: npt.NDArray[np.float64] = curved + _SLOPE * np.maximum(values - _STRAIGHT_FROM, 0)
    return place


def from_log_remainder(place: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The percentage of a place, the inverse of `log_remainder`."""
    places = np.asarray(place, dtype=np.float64)
    last = log_remainder(_STRAIGHT_FROM)
    curved = 100 * (1 - 10.0 ** -np.minimum(places, last))
    percent: npt.NDArray[np.float64] = curved + np.maximum(places - last, 0) / _SLOPE
    return percent


def accuracy_axis(axes: Axes) -> None:
    """Make y one of accuracies (percent) that are drawn already."""
    axes.set_yscale("function", functions=(log_remainder, from_log_remainder))
    # Limits of one's own: margins that were added before reach beyond 100 %, and would be as wide as all the rest.
    least, most = (float(limit) for limit in log_remainder(axes.dataLim.intervaly))
    margin = max(_MARGIN * (most - least), 0.01)
    low, high = least - margin, most + margin
    bottom, top = from_log_remainder([low, high])
    axes.set_ylim(bottom, top)
    inside = [tick for tick in _ACCURACY_TICKS if bottom <= tick <= top]
    ticks: list[float] = []
    # In a range of two points or less round percentages are too far apart. No accuracy is above 100 %.
    for tick in inside if len(inside) > 1 or top > 100 else MaxNLocator(4).tick_values(bottom, top):
        place = float(log_remainder(tick))
        last = float(log_remainder(ticks[-1])) if ticks else -np.inf
        if low <= place <= high and place - last >= _LEAST_GAP * (high - low):
            ticks.append(tick)
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def edges_axis(axes: Axes) -> None:
    """Make x one of `log_remainder` of edges removed."""
    low, high = axes.get_xlim()
    places = log_remainder(np.array(_EDGE_TICKS))
    axes.xaxis.set_major_locator(FixedLocator([place for place in places if low <= place <= high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{from_log_remainder(value):.4g}"))
    axes.tick_params(axis="x", labelsize=8)


def size_axis(axes: Axes, least: float, most: float, name: str = "x") -> None:
    """Make x (or y) one of sizes (bytes, weights) from `least` to `most`."""
    margin = max(1.25, (most / least) ** _MARGIN)
    low, high = least / margin, most * margin
    axes.set(**{f"{name}scale": "log", f"{name}lim": (low, high)})
    # Powers of ten alone would leave a short axis without two numbers.
    steps = (1, 2, 5) if high < 30 * low else (1, 3) if high < 3000 * low else (1,)
    ticks = [step * 10.0**power for power in range(13) for step in steps]
    axis = {"x": axes.xaxis, "y": axes.yaxis}[name]
    inside = [tick for tick in ticks if low <= tick <= high]
    if len(inside) < 2:
        inside = [float(tick) for tick in MaxNLocator(3).tick_values(low, high) if low <= tick <= high]
    axis.set_major_locator(FixedLocator(inside))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: size_text(value)))


def size_text(value: float) -> str:
    """A number of bytes or weights in three digits, e.g. `24.5 k`."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"
