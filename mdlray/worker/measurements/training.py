"""Epochs of the training, the fraction of labels that were changed, and accuracies before quantization."""

from mdlray.results.schema import MEASURED
from mdlray.worker.measured import Measured, Measurement, Row


def measure(measured: Measured) -> Row:
    """The columns `trained_...`, and the fraction of the training labels that randomization changed."""
    trained = {f"trained_{split}_accuracy": score.accuracy for split, score in measured.trained_scores.items()}
    stack, network = measured.stack, measured.network
    return trained | {
        "label_changed_fraction": stack.data.label_changed_fractions[network],
        "trained_epochs": stack.fitted.trained_epochs[network],
    }


TRAINING = Measurement(measure, columns=MEASURED["training"])
