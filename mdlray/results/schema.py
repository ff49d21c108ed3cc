"""What a row is: the Arrow schemas of all tables.

    trials.parquet    one row per trial                  TRIALS
    curves.parquet    one row per trial and epoch        CURVES
    layers.parquet    one row per trial and layer        LAYERS
    weights.parquet   one per trial, layer and moment    WEIGHTS
    front.parquet     one row per cell (setting)         FRONT

The columns of `trials` are those that follow from the trial (`mdlray.results.trial_columns`), those that are measured
(`MEASURED`), and those of its pack.

A `?` after a type marks a column that may be null; a failed trial is a row whose measurements are null. Columns are
added freely, nullable, because older files lack them; none is renamed or changes its meaning without a new
`ROW_VERSION` and a reader for the old one. Units are in the names, accuracies are fractions in [0, 1].
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
    """Columns by name, each with a type of `TYPES`; one that may be null has a `?` behind it: `"f64?"`."""
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
        "label_changed_fraction": "f64?",  # of the training labels, different after the draw
        "trained_epochs": "i64?",  # fewer than num_epochs where it was stopped or left the stack diverged
        "trained_validation_accuracy": "f64?",  # before quantization
        "trained_test_accuracy": "f64?",
    },
    "scores": {
        "train_accuracy": "f64?",  # these four: of the decoded network
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
        "lzma_csr_bytes": "i64?",  # general compressors over the sparse layout
        "zstd_csr_bytes": "i64?",
        "zlib_csr_bytes": "i64?",
        "mdl_version": "i64?",  # of the files' format; sizes of different versions do not compare
        "decoded_ok": "bool?",
    },
}
"""Columns of `trials` that are measured, by the name of the measurement (`mdlray.worker.measurements`)."""

OF_PACK = {
    "sweep": "str",
    "wall_seconds": "f64",  # the trial's share of its pack's
    "device": "str",
    "num_members_in_pack": "i64",
    "pack_id": "str",
    "sweep_version": "str?",  # 16 hex digits: the text of the sweep's file when the row was made
}
"""Columns of `trials` that a pack's rows share."""

OUTCOME = {
    "status": "str",  # "ok", "failed", or "stopped": measured like "ok", but trained for a part of its epochs only
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
"""Of the columns in `trials.parquet`; one that is not named here comes after them."""

TRIALS = schema_of(in_order(TRIAL_COLUMNS | OUTCOME | OF_PACK | merged(MEASURED.values()), _ORDER.split()))

CURVES = schema_of(
    {
        "trial_id": "str",
        "epoch": "i64",
        "train_nats_per_example": "f64?",  # of a student: KL from its teacher, on the pictures that it is fitted to
        "validation_nats_per_example": "f64?",
        "train_accuracy": "f64?",  # of a student: where both have the same largest logit
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
        "layer": "str",  # as in LAYERS; weight tensors only, for biases are never removed
        # "before_last_pruning": just before the last pruning step removes anything, what earlier steps removed is zero;
        # "after_last_pruning": just after it; "trained": when training ended, or the trial was stopped, before
        # quantization. A trial that is never pruned, or was stopped before its last pruning step, has the last only.
        "moment": "str",
        "epoch": "f64",  # epochs done then; a fraction where pruning steps lie inside of epochs
        "num_zero": "i64",  # weights that are zero (removed); with the counts they sum to all weights of the layer
        "low": "f64",  # lower edge of the first bin: -high
        "high": "f64",  # upper edge of the last bin: the largest |weight|; 0 where no weight is left
        "counts": "list<i64>",  # weights per bin, of those that are not zero: 64 bins of equal width over [low, high]
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
                "on_front": "bool",  # chosen on mean accuracy (see ranked_by) and mean bytes; students among themselves
                "hypervolume": "f64?",  # of the group's front, repeated in each of its rows
                "setting": "str",  # canonical JSON of the spec without seeds: what tells two cells apart
                "ranked_by": "str?",  # accuracy that on_front compares: train where labels are random, else validation
                "same_training_as": "str?",  # cell_id of the cell that counts for both; null where this one counts
                "hypervolume_fixed_reference": "f64?",  # likewise, from one reference for all tables (`derived.front`)
            }
        ),
    ]
)


def failed_row(spec: TrialSpec, error: str) -> dict[str, Any]:
    """The row of a trial that did not come to its end: the trial, the error, and no measurement.

    The columns of its pack (`OF_PACK`) are null until the pack's are known.
    """
    return dict.fromkeys(TRIALS.names) | trial_columns(spec) | {"status": "failed", "error": error}
