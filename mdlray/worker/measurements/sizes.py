"""Bytes of the file and of its parts, numbers of weights, and bytes that general compressors would need."""

from mdlray import codec
from mdlray.results.schema import MEASURED
from mdlray.worker.measured import Measured, Measurement, Row


def measure(measured: Measured) -> Row:
    """Bytes and counts, and whether the file decodes to exactly the network that went into it."""
    sizes = codec.size_columns(measured.file, measured.coded)
    return sizes | {"decoded_ok": codec.identical(measured.coded, measured.decoded)}


SIZES = Measurement(measure, columns=MEASURED["sizes"])
