"""Accuracies of the decoded network on each split."""

from mdlray.results.schema import MEASURED
from mdlray.worker.measured import Measured, Measurement, Row


def measure(measured: Measured) -> Row:
    """Accuracies as fractions, and the code length of the training labels in nats."""
    accuracies: Row = {f"{split}_accuracy": score.accuracy for split, score in measured.scores.items()}
    return accuracies | {"train_nats": measured.scores["train"].nats}


SCORES = Measurement(measure, columns=MEASURED["scores"])
