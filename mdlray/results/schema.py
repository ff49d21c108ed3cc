"""What a row is: the Arrow schemas of all tables, and the columns that follow from a trial.

    trials.parquet    one row per trial                  TRIALS
    curves.parquet    one row per trial and epoch        CURVES
    layers.parquet    one row per trial and layer        LAYERS
    weights.parquet   one per trial, layer and moment    WEIGHTS
    front.parquet     one row per cell (setting)         FRONT

A `?` after a type marks a column that may be null; a failed trial is a row whose measurements are null. Columns are
added freely, nullable, because older files lack them; none is renamed or changes its meaning without a new
`ROW_VERSION` and a reader for the old one. Units are in the names, accuracies are fractions in [0, 1].
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from mdlray.spec import TrialSpec, canonical_json

ROW_VERSION = 1
"""Version of the meaning of the columns, written into every row and file."""

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


TRIALS = schema_of(
    {
        "trial_id": "str",
        "cell_id": "str",  # what repetitions over seeds share
        "status": "str",  # "ok", "failed", or "stopped": measured like "ok", but trained for a part of its epochs only
        "error": "str?",
        "sweep": "str",
        "dataset": "str",
        "split": "str",
        "label_randomization_fraction": "f64",  # of the training labels, drawn anew
        "label_changed_fraction": "f64?",  # of the training labels, different after the draw
        "pixel_randomization": "str",
        "architecture": "str",
        "kernel_size": "i64?",  # these five say something of some families only (`mdlray.spec.ModelSpec`)
        "stride": "i64?",
        "pool_size": "i64?",
        "bucket_fraction": "f64?",
        "hash_seed": "i64?",
        "student_round": "i64?",  # 0: trained on the data; else fitted to the network of the round before
        "student_strategy": "str?",  # how, e.g. "noise soft_labels random"; empty in round 0
        "num_weights": "i64?",
        "num_nonzero": "i64?",
        "method": "str",
        "regularizer": "str",
        "regularizer_strength": "f64",
        "pruning_ratio": "f64",
        "pruning_scope": "str",
        "quantization_levels": "i64",
        "levels_per_layer": "str?",  # "4-16": in place of quantization_levels; these seven: filled in for older rows
        "quantization_grid": "str?",
        "rate_distortion": "f64?",  # nats per training example and bit
        "codebook_mantissa_bits": "i64?",
        "bias_mantissa_bits": "i64?",
        "remove_dead_units": "bool?",
        "unit_order": "str?",
        "optimizer": "str",
        "learning_rate": "f64",
        "num_epochs": "i64",  # of a student: of its own fit
        "trained_epochs": "i64?",  # fewer than num_epochs where it was stopped or left the stack diverged
        "batch_size": "i64",
        "dropout": "f64",
        "max_shift": "i64?",  # pixels by which training moves pictures
        "seed": "i64",  # of the initialization
        "data_order_seed": "i64",
        "randomization_seed": "i64",
        "train_accuracy": "f64?",  # these four: of the decoded network
        "validation_accuracy": "f64?",
        "test_accuracy": "f64?",
        "train_nats": "f64?",  # sum over the training examples of -ln p(label)
        "trained_validation_accuracy": "f64?",  # before quantization
        "trained_test_accuracy": "f64?",
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
        "wall_seconds": "f64",  # the trial's share of its pack's
        "device": "str",
        "num_members_in_pack": "i64",
        "pack_id": "str",
        "row_version": "i64",
        "spec": "str",  # canonical JSON
    }
)

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


def spec_columns(spec: TrialSpec) -> dict[str, Any]:
    """The columns of TRIALS that follow from the trial alone."""
    data, training, compression, seeds = spec.data, spec.training, spec.compression, spec.seeds
    return {
        "trial_id": spec.trial_id,
        "cell_id": spec.cell_id,
        "dataset": data.dataset,
        "split": data.split,
        "label_randomization_fraction": data.label_randomization_fraction,
        "pixel_randomization": data.pixel_randomization,
        "architecture": spec.network.architecture,
        "method": compression.method,
        "regularizer": training.regularizer,
        "regularizer_strength": training.regularizer_strength,
        "pruning_ratio": compression.pruning_ratio,
        "pruning_scope": compression.scope,
        "quantization_levels": compression.quantization_levels,
        **added_columns(spec),
        "optimizer": training.optimizer,
        "learning_rate": training.learning_rate,
        "num_epochs": spec.num_epochs,
        "batch_size": training.batch_size,
        "dropout": training.dropout,
        "seed": seeds.initialization,
        "data_order_seed": seeds.data_order,
        "randomization_seed": seeds.randomization,
        "row_version": ROW_VERSION,
        "spec": canonical_json(spec),
    }


def added_columns(spec: TrialSpec) -> dict[str, Any]:
    """The columns whose fields are younger than the first rows."""
    model, compression, student = spec.model, spec.compression, spec.student
    return {
        "kernel_size": model.kernel_size,
        "stride": model.stride,
        "pool_size": model.pool_size,
        "bucket_fraction": model.bucket_fraction,
        "hash_seed": model.hash_seed,
        "student_round": student.round,
        "student_strategy": student.strategy if student.round else "",
        "max_shift": spec.training.max_shift,
        "levels_per_layer": "-".join(map(str, compression.levels_per_layer)),
        "quantization_grid": compression.quantization_grid,
        "rate_distortion": compression.rate_distortion,
        "codebook_mantissa_bits": compression.codebook_mantissa_bits,
        "bias_mantissa_bits": compression.bias_mantissa_bits,
        "remove_dead_units": compression.remove_dead_units,
        "unit_order": compression.unit_order,
    }


def failed_row(
    spec: TrialSpec,
    *,
    sweep: str,
    error: str,
    pack_id: str,
    num_members_in_pack: int,
    device: str = "unknown",
    wall_seconds: float = 0.0,
) -> dict[str, Any]:
    """The row of a trial that did not come to its end: what is known of it, the error, and no measurement."""
    known = {
        "status": "failed",
        "error": error,
        "sweep": sweep,
        "pack_id": pack_id,
        "num_members_in_pack": num_members_in_pack,
        "device": device,
        "wall_seconds": wall_seconds,
    }
    return dict.fromkeys(TRIALS.names) | spec_columns(spec) | known
