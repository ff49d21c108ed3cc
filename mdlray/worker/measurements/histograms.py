"""Histograms of the weights, before and after the last pruning step and at the end of training: rows of `weights`."""

from mdlray.training.histograms import histogram_rows
from mdlray.worker.measured import Measured, Measurement, Row


def measure(measured: Measured) -> list[Row]:
    """One row per weight tensor and moment."""
    fitted, network = measured.stack.fitted, measured.network
    parameters = [parameter[network : network + 1] for parameter in fitted.parameters]
    counted, epochs = [fitted.histograms[network]], [fitted.trained_epochs[network]]
    (rows,) = histogram_rows(measured.stack.family, counted, parameters, epochs, measured.layer_names)
    return rows


HISTOGRAMS = Measurement(measure, table="weights")
