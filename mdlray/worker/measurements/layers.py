"""The bytes of each tensor of the network in its file: rows of `layers`."""

from mdlray import codec
from mdlray.worker.measured import Measured, Measurement, Row


def measure(measured: Measured) -> list[Row]:
    """One row per weight tensor."""
    return codec.layer_rows(measured.layer_names, measured.file, measured.coded)


LAYERS = Measurement(measure, table="layers")
