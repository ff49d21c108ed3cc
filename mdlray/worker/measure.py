"""Trained networks -> quantization -> bytes -> decoded networks -> rows: what is measured is what a file decodes to.

`Stack` is what training leaves, `measure` turns it into the rows of all trials that share a training with one of its
networks. A network that diverged is a failed row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mdlray import codec
from mdlray.codec.stack import coded_network, stack_networks
from mdlray.compression import quantize_stack
from mdlray.data import Images
from mdlray.models import Family
from mdlray.planning import Pack
from mdlray.results.pack_result import PackResult, Row, Steps, failed_pack, model_file
from mdlray.results.schema import spec_columns
from mdlray.results.tables import TABLES
from mdlray.spec import TrialSpec
from mdlray.training import Examples, Fitted, evaluate, num_batches, score_columns
from mdlray.training.histograms import histogram_rows

DECODED_OTHERWISE = {
    "status": "failed",
    "error": "the decoded network is not the encoded one, which is a bug in mdlray.codec: please report it with the "
    "column `spec` of this row; other values of compression.quantization_levels or quantization_grid may go around it.",
}


@dataclass(frozen=True)
class Stack:
    """Networks that were trained together, with all that measuring them takes."""

    specs: Sequence[TrialSpec]
    family: Family
    sizes: tuple[int, ...]
    fitted: Fitted
    stopped: Sequence[int]
    """Members that left early."""
    splits: dict[str, Examples]
    """With the labels of these members."""
    changed: Sequence[float]
    """Fraction of each member's training labels that randomization changed."""


def measure(pack: Pack, stack: Stack, images: Images) -> PackResult:
    """Rows, curves, layers, histograms and files of the pack's trials that these networks are for."""
    family, sizes, fitted, splits = stack.family, stack.sizes, stack.fitted, stack.splits
    trained = {name: evaluate(family, fitted.parameters, splits[name]) for name in ("validation", "test")}
    weights = histogram_rows(fitted.histograms, fitted.parameters, fitted.trained_epochs, family.layer_names(sizes))

    # From here on per trial: trials that differ in quantization only share a learner, diverged ones drop out.
    position = {spec.training_key: index for index, spec in enumerate(stack.specs)}
    fate = [(spec, position[spec.training_key]) for spec in pack.members if spec.training_key in position]
    alive = [(spec, learner) for spec, learner in fate if fitted.diverged_epoch[learner] is None]
    dead = [(spec, learner) for spec, learner in fate if fitted.diverged_epoch[learner] is not None]
    result = failed_pack(Pack(pack.sweep, tuple(spec for spec, _ in dead)), "")
    tables: dict[str, list[Row]] = {name: [] for name in TABLES} | result.tables
    for row, (_, learner) in zip(result.rows, dead, strict=True):
        epoch = fitted.diverged_epoch[learner]
        row["error"] = f"diverged: loss or weights out of range in epoch {epoch}; try a lower learning_rate."
        row["trained_epochs"] = fitted.trained_epochs[learner]
    if alive:
        specs, learner_of = [list(column) for column in zip(*alive, strict=True)]
        parameters = [parameter[learner_of] for parameter in fitted.parameters]
        layers, parameters = quantize_stack(family, parameters, specs, splits["train"].of_members(learner_of))
        norm = (images.mean, images.std)
        networks = [coded_network(family, sizes, parameters, m, layers[m], norm) for m in range(len(specs))]
        files = [codec.encode(network) for network in networks]
        decoded = [codec.decode(file.blob) for file in files]
        again = stack_networks(decoded, splits["train"].pixels_NP.device)
        scores = {name: evaluate(family, again, split.of_members(learner_of)) for name, split in splits.items()}
        for m, (spec, learner) in enumerate(alive):
            row = spec_columns(spec) | codec.size_columns(files[m], networks[m]) | score_columns(scores, m)
            row |= {f"trained_{name}_accuracy": score.member(learner)[1] for name, score in trained.items()}
            row |= {"label_changed_fraction": stack.changed[learner], "trained_epochs": fitted.trained_epochs[learner]}
            row |= {"decoded_ok": codec.identical(networks[m], decoded[m])}
            outcome = {"status": "stopped" if learner in stack.stopped else "ok", "error": None}
            tables["trials"].append(row | (outcome if row["decoded_ok"] else DECODED_OTHERWISE))
            mine = {"trial_id": spec.trial_id}
            tensors = codec.layer_rows(family.layer_names(sizes), files[m], networks[m])
            epochs = fitted.curves.rows(
                learner, fitted.trained_epochs[learner], fitted.examples_per_epoch, images.num_validation
            )
            tables["layers"].extend(mine | tensor for tensor in tensors)
            tables["curves"].extend(mine | epoch for epoch in epochs)
            tables["weights"].extend(mine | histogram for histogram in weights[learner])
            result.files[model_file(spec.trial_id)] = files[m].blob
    first = stack.specs[0]
    steps_per_epoch = num_batches(images.num_train, first.training.batch_size)
    done = steps_per_epoch * sum(fitted.trained_epochs)
    wanted = steps_per_epoch * first.num_epochs * len(stack.specs)
    return replace(result, tables=tables, steps=Steps(done, wanted - done))


def failed_trials(pack: Pack, specs: Sequence[TrialSpec], errors: Mapping[str, str]) -> PackResult:
    """Rows of the pack's trials that share a training with one of these, where there is an error for their lineage."""
    keys = {spec.training_key for spec in specs if spec.lineage_key in errors}
    trials = tuple(spec for spec in pack.members if spec.training_key in keys)
    result = failed_pack(Pack(pack.sweep, trials), "")
    for row, spec in zip(result.rows, trials, strict=True):
        row["error"] = errors[spec.lineage_key]
    return result
