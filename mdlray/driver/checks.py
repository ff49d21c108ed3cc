"""Checks before anything runs: an error if a trial has a wrong name or combination of fields; the data, downloaded."""

from collections.abc import Sequence
from pathlib import Path

from mdlray.compression import check_choices, get_saliency
from mdlray.data import BaseImages, find_dataset, find_reader
from mdlray.models import get_family
from mdlray.registry import find
from mdlray.spec import TrialSpec
from mdlray.training import LEARNING_RATE_SCHEDULES, OPTIMIZERS, REGULARIZERS
from mdlray.training.students import check_start


def check_names(trials: Sequence[TrialSpec]) -> None:
    """Raise ValueError for a name that no registry has, and for fields that a trial's family does not support."""
    for spec in {
        (s.training.optimizer, s.training.learning_rate_schedule, s.training.regularizer): s for s in trials
    }.values():
        find(OPTIMIZERS, "optimizer", spec.training.optimizer)
        find(LEARNING_RATE_SCHEDULES, "learning_rate_schedule", spec.training.learning_rate_schedule)
        find(REGULARIZERS, "regularizer", spec.training.regularizer)
    for family in {spec.model.family for spec in trials}:
        get_family(family)
    for method in {spec.compression.method for spec in trials}:
        get_saliency(method)
    for spec in {(spec.model, spec.network, spec.compression, spec.student.start): spec for spec in trials}.values():
        check_start(spec)
        built = get_family(spec.model.family)
        built.check_fields(spec.model)
        for model in {spec.model, spec.network}:
            # The number of weight tensors does not depend on the data set, so any number of inputs and classes will do.
            shapes = built.shapes(built.sizes(model, 28 * 28, 10))
            check_choices(built, spec, sum(len(shape) > 1 for shape in shapes))
    for dataset in {spec.data.dataset for spec in trials}:
        find_dataset(dataset)


def fetch_data(trials: Sequence[TrialSpec], data: Path) -> None:
    """Read each base data set once, so that the driver downloads it and not many workers at once.

    Raises the errors of `mdlray.data`. ValueError for a reader of another package that fails, or that returns anything
    but a `BaseImages`.
    """
    for base in {find_dataset(spec.data.dataset).base for spec in trials}:
        reader = find_reader(base)
        try:
            images = reader(data)
        except (ValueError, OSError):  # the messages of mdlray's own readers say what to do
            raise
        except Exception as error:
            raise ValueError(f"the reader of data set {base!r} failed: {type(error).__name__}: {error}") from error
        if not isinstance(images, BaseImages):
            raise ValueError(
                f"the reader of data set {base!r} returned a {type(images).__name__}, it must return a "
                "mdlray.data.BaseImages."
            )
