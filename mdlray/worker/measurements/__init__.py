"""What is measured of every trial: `MEASUREMENTS` maps a name to columns of the trial's row, or to rows of a table.

A measurement of your own is one more entry, made in a sweep's file (workers run it, too) or named by an entry point of
your package in the group `mdlray.measurements`:

    def largest_weight(measured):
        return {"largest_weight": max(float(abs(tensor.weights).max()) for tensor in measured.decoded.tensors[::2])}

    MEASUREMENTS["largest_weight"] = Measurement(largest_weight, columns={"largest_weight": "f64?"})
"""

from mdlray.registry import load_plugin, plugins
from mdlray.results.tables import TABLES
from mdlray.worker.measured import Measured, Measurement
from mdlray.worker.measurements.curves import CURVES
from mdlray.worker.measurements.histograms import HISTOGRAMS
from mdlray.worker.measurements.layers import LAYERS
from mdlray.worker.measurements.scores import SCORES
from mdlray.worker.measurements.sizes import SIZES
from mdlray.worker.measurements.training import TRAINING

__all__ = ["MEASUREMENTS", "Measured", "Measurement", "added_columns", "all_measurements"]

MEASUREMENTS: dict[str, Measurement] = {
    "training": TRAINING,
    "scores": SCORES,
    "sizes": SIZES,
    "layers": LAYERS,
    "curves": CURVES,
    "histograms": HISTOGRAMS,
}
_OURS = tuple(MEASUREMENTS)


def all_measurements() -> dict[str, Measurement]:
    """Those of `MEASUREMENTS`, and of every installed package that has some; ValueError for one that cannot be used."""
    others = plugins("mdlray.measurements")
    loaded = {name: load_plugin(point, Measurement) for name, point in others.items() if name not in MEASUREMENTS}
    return MEASUREMENTS | loaded


def added_columns(measurements: dict[str, Measurement]) -> dict[str, dict[str, str]]:
    """Table to column to type, of those that mdlray itself does not have; ValueError where two have one column."""
    added: dict[str, dict[str, str]] = {}
    for name, measurement in measurements.items():
        if name in _OURS or not measurement.columns:
            continue
        known = set(TABLES[measurement.table].schema.names) if measurement.table in TABLES else {"trial_id"}
        columns = added.setdefault(measurement.table, {})
        if twice := sorted(measurement.columns.keys() & (known | columns.keys())):
            raise ValueError(
                f"measurement {name!r} has a column {twice[0]!r}, which table {measurement.table!r} has already; "
                "give it another name."
            )
        columns.update(measurement.columns)
    return added
