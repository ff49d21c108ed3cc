"""Compressed networks -> measurements of each -> its row in `trials`, and rows of other tables.

The measured network is the one that the file decodes to. If a measurement fails for a trial, that trial has a failed
row, and the rows of the other trials are not affected.
"""

import traceback
from collections.abc import Mapping, Sequence

from mdlray.codec.stack import stack_networks
from mdlray.results.pack_result import PackResult, Row, Steps, join, model_file
from mdlray.results.schema import failed_row
from mdlray.results.trial_columns import trial_columns
from mdlray.spec import TrialSpec
from mdlray.training import evaluate, num_batches
from mdlray.training.isolation import is_out_of_memory
from mdlray.worker.compress import Compressed
from mdlray.worker.measured import Measured, Measurement
from mdlray.worker.measurements import all_measurements
from mdlray.worker.train import TrainedStack

DECODED_OTHERWISE = {
    "status": "failed",
    "error": "the decoded network is not the encoded one, which is a bug in mdlray.codec: please report it with the "
    "column `spec` of this row; other values of compression.quantization_levels or quantization_grid may go around it.",
}


def measure(stack: TrainedStack, compressed: Sequence[Compressed], errors: Mapping[TrialSpec, str]) -> PackResult:
    """The rows and files of the compressed trials, and failed rows of the trials with an error."""
    measurements = all_measurements()
    failed = [_failed(stack, spec, error) for spec, error in errors.items()]
    results = [_measure(measured, measurements) for measured in look_at(stack, compressed)]
    return join([PackResult(steps=_steps(stack)), *failed, *results])


def failed_networks(
    trials: Sequence[TrialSpec], networks: Sequence[TrialSpec], errors: Mapping[str, str]
) -> PackResult:
    """Failed rows of the trials whose network is one of `networks`, if `errors` has an error for its lineage key."""
    keys = {spec.training_key for spec in networks if spec.lineage_key in errors}
    rows = [failed_row(spec, errors[spec.lineage_key]) for spec in trials if spec.training_key in keys]
    return PackResult({"trials": rows})


def look_at(stack: TrainedStack, compressed: Sequence[Compressed]) -> list[Measured]:
    """What measurements need to know about each trial; the scores of all networks are computed together."""
    if not compressed:
        return []
    family, splits, images = stack.family, stack.data.splits, stack.data.images
    networks = [trial.network for trial in compressed]
    trained = {name: evaluate(family, stack.fitted.parameters, splits[name]) for name in ("validation", "test")}
    decoded = stack_networks([trial.decoded for trial in compressed], splits["train"].pixels_NP.device)
    scores = {name: evaluate(family, decoded, split.of_members(networks)) for name, split in splits.items()}
    return [
        Measured(
            spec=trial.spec,
            stack=stack,
            network=trial.network,
            trained_scores={name: score.member(trial.network) for name, score in trained.items()},
            coded=trial.coded,
            file=trial.file,
            decoded=trial.decoded,
            scores={name: score.member(position) for name, score in scores.items()},
            images=images,
        )
        for position, trial in enumerate(compressed)
    ]


def _measure(measured: Measured, measurements: Mapping[str, Measurement]) -> PackResult:
    spec = measured.spec
    row: Row = trial_columns(spec)
    tables: dict[str, list[Row]] = {"trials": [row]}
    try:
        for name, measurement in measurements.items():
            rows = measurement.rows(name, measured)
            if measurement.table == "trials":
                row |= rows[0]
            else:
                table = tables.setdefault(measurement.table, [])
                table.extend({"trial_id": spec.trial_id} | measured_row for measured_row in rows)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        return _failed(measured.stack, spec, traceback.format_exc())
    was_stopped = measured.network in measured.stack.stopped
    outcome = {"status": "stopped" if was_stopped else "ok", "error": None}
    row |= outcome if row["decoded_ok"] else DECODED_OTHERWISE
    return PackResult(tables, files={model_file(spec.trial_id): measured.file.blob})


def _failed(stack: TrainedStack, spec: TrialSpec, error: str) -> PackResult:
    network = stack.network_of(spec)
    epochs = None if network is None else stack.fitted.trained_epochs[network]
    return PackResult({"trials": [failed_row(spec, error) | {"trained_epochs": epochs}]})


def _steps(stack: TrainedStack) -> Steps:
    first = stack.specs[0]
    per_epoch = num_batches(stack.data.images.num_train, first.training.batch_size)
    done = per_epoch * sum(stack.fitted.trained_epochs)
    return Steps(done, per_epoch * first.num_epochs * len(stack.specs) - done)
