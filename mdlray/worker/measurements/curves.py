"""Loss, accuracy and sparsity of the network after each epoch of its training: rows of `curves`."""

from mdlray.worker.measured import Measured, Measurement, Row


def measure(measured: Measured) -> list[Row]:
    """One row per epoch."""
    fitted, network = measured.stack.fitted, measured.network
    num_epochs, num_train = fitted.trained_epochs[network], fitted.examples_per_epoch
    return fitted.curves.rows(network, num_epochs, num_train, measured.images.num_validation)


CURVES = Measurement(measure, table="curves")
