"""The measurements of every trial: `MEASUREMENTS` maps a name to a function that fills columns or rows of a table.

You can add a measurement in two ways: as an entry of the dict that a sweep's file adds (workers run that file, too), or
as an entry point of a package in the group `mdlray.measurements`. An example for a sweep's file:

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
    """The entries of `MEASUREMENTS` and the measurements of installed packages; ValueError for an unusable one."""
    others = plugins("mdlray.measurements")
    loaded = {name: load_plugin(point, Measurement) for name, point in others.items() if name not in MEASUREMENTS}
    return MEASUREMENTS | loaded


def added_columns(measurements: dict[str, Measurement]) -> dict[str, dict[str, str]]:
    """Table -> column -> type, of the columns that mdlray itself does not have.

    ValueError if a measurement has a column that the table or another measurement has already.
    """
    added: dict[str, dict[str, str]] = {}
    for name, measurement in measurements.items():
        if name in _OURS or not measurement.columns:
            continue
        own_columns = set(TABLES[measurement.table].schema.names) if measurement.table in TABLES else {"trial_id"}
        columns = added.setdefault(measurement.table, {})
        if duplicates := sorted(measurement.columns.keys() & (own_columns | columns.keys())):
            raise ValueError(
                f"measurement {name!r} has a column {duplicates[0]!r}, which table {measurement.table!r} has already; "
                "give it another name."
            )
        columns.update(measurement.columns)
    return added
