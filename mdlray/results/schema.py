"""The columns of all tables, as Arrow schemas.

    trials.parquet    one row per trial                      TRIALS
    curves.parquet    one row per trial and epoch            CURVES
    layers.parquet    one row per trial and tensor           LAYERS
    weights.parquet   one row per trial, layer and moment    WEIGHTS
    front.parquet     one row per setting                    FRONT

The columns of `trials` are those that follow from the trial (`mdlray.results.trial_columns`), those that are measured
(`MEASURED`), and those of its pack (`OF_PACK`).

A `?` after a type marks a column that may be null. In the row of a failed trial, all measurements are null. A column
that is added must be nullable, because older files lack it. To rename a column, or to change its meaning, takes a new
`ROW_VERSION` and a reader for the old one. Units are in the names. Accuracies are fractions in [0, 1].
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from mdlray.results.trial_columns import ROW_VERSION as ROW_VERSION
from mdlray.results.trial_columns import TRIAL_COLUMNS, trial_columns
from mdlray.spec import TrialSpec

TYPES = {
    "str": pa.string(),
    "i64": pa.int64(),
    "f64": pa.float64(),
    "bool": pa.bool_(),
    "list<i64>": pa.list_(pa.int64()),
}


def schema_of(columns: Mapping[str, str]) -> pa.Schema:
    """The schema with these columns, name -> type; a type is one of `TYPES`, with a `?` if it may be null: `"f64?"`."""
    fields = [pa.field(name, TYPES[kind.rstrip("?")], nullable=kind.endswith("?")) for name, kind in columns.items()]
    return pa.schema(fields, metadata={"mdlray_row_version": str(ROW_VERSION)})


def merged(columns: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Several groups of columns as one."""
    return {name: kind for group in columns for name, kind in group.items()}


def in_order(columns: Mapping[str, str], order: Sequence[str]) -> dict[str, str]:
    """The columns that `order` names, then all others."""
    return {name: columns[name] for name in order} | dict(columns)


MEASURED: dict[str, dict[str, str]] = {
    "training": {
        "label_changed_fraction": "f64?",  # fraction of the training labels that randomization changed
        "trained_epochs": "i64?",  # fewer than num_epochs if the network was stopped early, or diverged
        "trained_validation_accuracy": "f64?",  # before quantization
        "trained_test_accuracy": "f64?",
    },
    "scores": {
        "train_accuracy": "f64?",  # this and the next three columns are those of the decoded network
        "validation_accuracy": "f64?",
        "test_accuracy": "f64?",
        "train_nats": "f64?",  # sum over the training examples of -ln p(label)
    },
    "sizes": {
        "num_weights": "i64?",
        "num_nonzero": "i64?",
        "compressed_bytes": "i64?",  # length of the file; the sum of the next four
        "header_bytes": "i64?",
        "mask_bytes": "i64?",
        "values_bytes": "i64?",
        "codebook_bytes": "i64?",
        "ideal_entropy_bits": "f64?",
        "lzma_csr_bytes": "i64?",  # this and the next two: general compressors over the sparse layout
        "zstd_csr_bytes": "i64?",
        "zlib_csr_bytes": "i64?",
        "mdl_version": "i64?",  # version of the file's format; sizes of different versions do not compare
        "decoded_ok": "bool?",
    },
}
"""Columns of `trials` that are measured, by the name of the measurement (`mdlray.worker.measurements`)."""

OF_PACK = {
    "sweep": "str",
    "wall_seconds": "f64",  # time of the pack divided by the number of its trials
    "device": "str",
    "num_members_in_pack": "i64",
    "pack_id": "str",
    "sweep_version": "str?",  # 16 hex digits: the text of the sweep's file when the row was made
}
"""Columns of `trials` that are equal in all rows of a pack."""

OUTCOME = {
    "status": "str",  # "ok", "failed", or "stopped": stopped early, and measured like any other trial
    "error": "str?",
}

_ORDER = """
    trial_id cell_id status error sweep dataset split label_randomization_fraction label_changed_fraction
    pixel_randomization architecture kernel_size stride pool_size bucket_fraction hash_seed student_round
    student_strategy num_weights num_nonzero method regularizer regularizer_strength pruning_ratio pruning_scope
    quantization_levels levels_per_layer quantization_grid rate_distortion codebook_mantissa_bits bias_mantissa_bits
    remove_dead_units unit_order optimizer learning_rate num_epochs trained_epochs batch_size dropout max_shift seed
    data_order_seed randomization_seed train_accuracy validation_accuracy test_accuracy train_nats
    trained_validation_accuracy trained_test_accuracy compressed_bytes header_bytes mask_bytes values_bytes
    codebook_bytes ideal_entropy_bits lzma_csr_bytes zstd_csr_bytes zlib_csr_bytes mdl_version decoded_ok wall_seconds
    device num_members_in_pack pack_id row_version spec
"""
"""The order of the columns in `trials.parquet`; a column that is not named here comes after them."""

TRIALS = schema_of(in_order(TRIAL_COLUMNS | OUTCOME | OF_PACK | merged(MEASURED.values()), _ORDER.split()))

CURVES = schema_of(
    {
        "trial_id": "str",
        "epoch": "i64",
        "train_nats_per_example": "f64?",  # of a student: KL divergence from its teacher on its own inputs
        "validation_nats_per_example": "f64?",
        "train_accuracy": "f64?",  # of a student: fraction of inputs where its largest logit is also its teacher's
        "validation_accuracy": "f64?",
        "sparsity": "f64?",  # fraction of the prunable weights that is zero
    }
)

LAYERS = schema_of(
    {
        "trial_id": "str",
        "layer": "str",
        "shape": "list<i64>",
        "num_weights": "i64",
        "num_nonzero": "i64",
        "mask_bytes": "i64",
        "values_bytes": "i64",
        "codebook_bytes": "i64",
    }
)

WEIGHTS = schema_of(
    {
        "trial_id": "str",
        "layer": "str",  # as in LAYERS, but of weight tensors only, because biases are never removed
        # "before_last_pruning": just before the last pruning step; weights that earlier steps removed are zero.
        # "after_last_pruning": just after the last pruning step.
        # "trained": at the end of training, or when the trial was stopped, before quantization. A trial that is never
        # pruned, or was stopped before its last pruning step, has only this moment.
        "moment": "str",
        "epoch": "f64",  # epochs done at that moment; it has a fraction if pruning steps lie inside of epochs
        "num_zero": "i64",  # removed weights; with the sum of counts, they are all weights of the layer
        "low": "f64",  # lower edge of the first bin: -high
        "high": "f64",  # upper edge of the last bin: the largest |weight|; 0 if all weights are removed
        "counts": "list<i64>",  # weights per bin, without removed ones: 64 bins of equal width over [low, high]
    }
)

_CELL = (
    "cell_id dataset split label_randomization_fraction pixel_randomization architecture kernel_size stride "
    "pool_size bucket_fraction hash_seed student_round student_strategy num_weights method "
    "regularizer regularizer_strength pruning_ratio pruning_scope quantization_levels levels_per_layer "
    "quantization_grid rate_distortion codebook_mantissa_bits bias_mantissa_bits remove_dead_units unit_order "
    "optimizer learning_rate num_epochs batch_size dropout"
)
_MEASURED = ("train_accuracy", "validation_accuracy", "test_accuracy", "compressed_bytes", "num_nonzero")

FRONT = pa.unify_schemas(
    [
        pa.schema([TRIALS.field(name) for name in _CELL.split()], metadata=TRIALS.metadata),
        schema_of({"num_trials": "i64"}),  # repetitions; the std over them has ddof 1, and is null for one
        schema_of({f"{name}_{what}": "f64?" for name in _MEASURED for what in ("mean", "std")}),
        schema_of(
            {
                "on_front": "bool",  # by mean accuracy (see ranked_by) and mean bytes; students among themselves
                "hypervolume": "f64?",  # of the front of the row's group; equal in all rows of the group
                "setting": "str",  # canonical JSON of the spec without seeds, which is different for every setting
                "ranked_by": "str?",  # accuracy that on_front compares: "train" if labels are random, else "validation"
                "same_training_as": "str?",  # cell_id of an equal setting that counts instead; null if this one counts
                "hypervolume_fixed_reference": "f64?",  # hypervolume with `front.REFERENCE_BYTES`
            }
        ),
    ]
)


def failed_row(spec: TrialSpec, error: str) -> dict[str, Any]:
    """The row of a failed trial: columns of the trial, the error, and nulls for all measurements.

    The columns `OF_PACK` are null, too; `mdlray.results.pack_result.of_pack` fills them in.
    """
    return dict.fromkeys(TRIALS.names) | trial_columns(spec) | {"status": "failed", "error": error}
