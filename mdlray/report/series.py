"""What a cell is called and how it is drawn: labels, colors and markers of series.

    method_label    the way of pruning alone, e.g. `Mag-L2`; for panels of one architecture
    series_label    with the network, e.g. `Mag-L2 (dense-100)`, `convnet`, `dense, unpruned`; for panels of a task

Colors: Okabe & Ito 2008, safe for all eyes. A method has one color in all figures; in another network it is paler.
"""

import json
from collections.abc import Iterable

import pandas as pd
from matplotlib.colors import to_hex, to_rgb

METHOD_STYLES = {
    "Mag-L2": ("#0072B2", "o"),
    "Mag-L1": ("#D55E00", "s"),
    "OBD": ("#009E73", "^"),
    "none": ("#000000", "D"),
    "Mag": ("#56B4E9", "v"),
}
_FAMILY_STYLES = {
    "dense, unpruned": ("#000000", "D"),
    "HashedNet": ("#CC79A7", "P"),
    "convnet": ("#E69F00", "X"),
}
_FURTHER_STYLES = [("#CC79A7", "P"), ("#E69F00", "X"), ("#8C564B", "<"), ("#7F7F7F", ">")]
_UNPRUNED_NAMES = {"hashed": "HashedNet", "convnet": "convnet"}

_MOST_NETWORKS = 3
"""Of one family, so many are told apart in labels; more (a search over widths) are one series."""


def method_label(method: str, regularizer: str) -> str:
    """What a way of pruning is called in figures, e.g. `Mag-L2`."""
    if method in ("none", "obd"):
        return {"none": "none", "obd": "OBD"}[method]
    name = "Mag" if method == "magnitude" else method
    return name if regularizer == "none" else f"{name}-{regularizer.upper()}"


def family(architecture: str) -> str:
    """The family of a network by its name, e.g. `convnet` of `convnet-8-k7-p3`."""
    return architecture.partition("-")[0]


def series_labels(cells: pd.DataFrame) -> list[str]:
    """The label of every cell (columns: architecture, method, regularizer) among all of them."""
    is_pruned = cells["method"] != "none"
    pruned = cells["architecture"][is_pruned].drop_duplicates()
    numbers = pruned.map(family).value_counts()
    labels = []
    for architecture, method, regularizer in zip(
        cells["architecture"], cells["method"], cells["regularizer"], strict=True
    ):
        kind = family(architecture)
        if method == "none":
            labels.append(_UNPRUNED_NAMES.get(kind, f"{kind}, unpruned"))
        else:
            network = architecture if numbers[kind] <= _MOST_NETWORKS else kind
            labels.append(f"{method_label(method, regularizer)} ({network})")
    return labels


def lines(cells: pd.DataFrame) -> list[pd.DataFrame]:
    """The cells of a series as lines: those that differ in their pruning ratio only, in its order."""
    return [line.sort_values("pruning_ratio") for _, line in cells.groupby(cells["setting"].map(_without_ratio))]


def _without_ratio(setting: str) -> str:
    fields = json.loads(setting)
    del fields["compression"]["pruning_ratio"]
    return json.dumps(fields, sort_keys=True)


def styles(labels: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Color and marker of every label; known ones keep theirs in every figure."""
    found = set(labels)
    fixed = METHOD_STYLES | _FAMILY_STYLES
    known = {label: style for label, style in fixed.items() if label in found}
    networks = {label.partition(" (")[2] for label in found}
    order = sorted(networks - {""}, key=lambda name: (name != "dense-100)", name))
    for method, (color, marker) in METHOD_STYLES.items():
        for label in (f"{method} ({network}" for network in order):
            if label in found:
                known[label] = (_paler(color, order.index(label.partition(" (")[2])), marker)
    others = sorted(found - set(known))
    return known | {label: _FURTHER_STYLES[n % len(_FURTHER_STYLES)] for n, label in enumerate(others)}


def pale(color: str) -> tuple[float, float, float]:
    """The color mixed with white."""
    red, green, blue = (0.5 * part + 0.5 * 0.72 for part in to_rgb(color))
    return red, green, blue


def _paler(color: str, steps: int) -> str:
    share = 0.6 ** min(steps, 3)
    red, green, blue = (share * part + 1 - share for part in to_rgb(color))
    return to_hex((red, green, blue))
