"""A trial -> the columns of `trials.parquet` that follow from the trial alone.

Every field of a trial has a column with the field's name and type. For example, the field `training.batch_size` has the
column `batch_size`, a whole number. `COLUMN_NAMES` has the exceptions: fields whose column has another name, and fields
without a column, whose values are only in the column `spec`. So a new field gets its column without a change here. A
field that was added later (`ADDED_FIELDS`) has a column that may be null, because older files lack it.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from mdlray.spec import ADDED_FIELDS, TrialSpec, canonical_json

ROW_VERSION = 1
"""Version of the meaning of the columns, written into every row and file."""

COLUMN_NAMES: dict[str, str | None] = {
    "data.backgrounds": None,
    "model.family": None,  # these two are in `architecture`
    "model.hidden_units": None,
    "training.num_epochs": None,  # a student has its own: `num_epochs` below
    "training.learning_rate_schedule": None,
    "training.momentum": None,
    "compression.scope": "pruning_scope",
    "compression.num_pruning_steps": None,
    "compression.pruning_exponent": None,
    "compression.first_pruning_epoch": None,
    "compression.last_pruning_epoch": None,
    "compression.saliency_examples": None,
    "compression.centroid_epochs": None,
    "student.round": "student_round",
    "student.shrink_factor": None,  # these seven are in `student_strategy`
    "student.num_epochs": None,
    "student.inputs": None,
    "student.noise_seed": None,
    "student.targets": None,
    "student.temperature": None,
    "student.start": None,
    "seeds.initialization": "seed",
    "seeds.data_order": "data_order_seed",
    "seeds.randomization": "randomization_seed",
}
"""Path of a field -> the name of its column, if it differs from the field's name; None if the field has no column."""

_TYPES = {str: "str", int: "i64", float: "f64", bool: "bool", tuple: "str"}
_COMPUTED = {
    "trial_id": "str",
    "cell_id": "str",  # what repetitions over seeds share
    "architecture": "str",
    "student_strategy": "str?",  # how students are fitted, e.g. "noise soft_labels random"; empty in round 0
    "num_epochs": "i64",  # of a student: the epochs of its own fit
    "row_version": "i64",
    "spec": "str",  # canonical JSON
}


def columns_of_part(part: str, kind: type, added: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Column -> (field, type) for one part of a trial; fields in `added` have columns that may be null."""
    columns = {}
    for field in fields(kind):
        if column := COLUMN_NAMES.get(f"{part}.{field.name}", field.name):
            columns[column] = (field.name, _TYPES[type(field.default)] + ("?" if field.name in added else ""))
    return columns


_PARTS: dict[str, dict[str, tuple[str, str]]] = {
    part.name: columns_of_part(part.name, part.default_factory, ADDED_FIELDS.get(part.name, {}))  # type: ignore[arg-type]
    for part in fields(TrialSpec)
}
TRIAL_COLUMNS: dict[str, str] = _COMPUTED | {
    column: kind for columns in _PARTS.values() for column, (_, kind) in columns.items()
}
"""Columns that follow from a trial, with their types as in `mdlray.results.schema.TYPES`."""


def trial_columns(spec: TrialSpec) -> dict[str, Any]:
    """The values of `TRIAL_COLUMNS` for a trial."""
    computed = {
        "trial_id": spec.trial_id,
        "cell_id": spec.cell_id,
        "architecture": spec.network.architecture,
        "student_strategy": spec.student.strategy if spec.student.round else "",
        "num_epochs": spec.num_epochs,
        "row_version": ROW_VERSION,
        "spec": canonical_json(spec),
    }
    return computed | {
        column: _value(getattr(getattr(spec, part), field))
        for part, columns in _PARTS.items()
        for column, (field, _) in columns.items()
    }


def added_columns(spec: TrialSpec) -> dict[str, Any]:
    """The values of those `TRIAL_COLUMNS` that may be null, because older files lack them."""
    columns = trial_columns(spec)
    return {name: columns[name] for name, kind in TRIAL_COLUMNS.items() if kind.endswith("?")}


def _value(value: Any) -> Any:
    """Several numbers as one text: (4, 16) as "4-16"."""
    return "-".join(map(str, value)) if isinstance(value, tuple) else value
