"""A pack's whole way on one screen: data -> training with pruning -> quantization -> bytes -> decoded network -> rows.

`run_pack` is an ordinary function: no Ray, no files but the data set. The accuracies of a row are those of the network
that was decoded from its file; those before quantization are other columns (`trained_...`). A failure is a row: a
member that diverged fails alone, anything else fails the pack, whose members then all carry the error.

Axes: M members, N examples.
"""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from mdlray import codec
from mdlray.codec.stack import coded_network, stack_networks
from mdlray.compression import Pruner, get_saliency, quantize_stack
from mdlray.data import Images, find_dataset, find_reader, load_images, randomize_labels
from mdlray.models import get_family
from mdlray.plan import Pack, define
from mdlray.registry import find
from mdlray.spec import TrialSpec
from mdlray.tables.pack import PackResult, Row, failed_pack
from mdlray.tables.schema import spec_columns
from mdlray.training import (
    LEARNING_RATE_SCHEDULES,
    OPTIMIZERS,
    REGULARIZERS,
    Examples,
    Fitted,
    Score,
    evaluate,
    fit,
    num_batches,
)

DECODED_OTHERWISE = {"status": "failed", "error": "the decoded network is not the encoded one: a bug in mdlray.codec"}


@dataclass(frozen=True)
class Site:
    """What a worker must know that is not part of any trial."""

    data: Path | None = None
    """Root of the data sets in torchvision's layout."""
    background_images: Path | None = None
    """Folder of photographs for `*_background_images`; without it scikit-learn's two."""
    device: str = "cpu"
    """`cpu`, or `auto`: CUDA where there is one."""
    num_threads: int = 1
    """CPU threads of a product; results repeat bit for bit for the same number."""
    definitions: str = ""
    """Text of the sweep's file, which may add members to the registries."""


def run_pack(pack: Pack, site: Site, *, images: Callable[[], Images] | None = None) -> PackResult:
    """Train, compress, decode and measure every member of the pack; errors become failed rows.

    `images` are the pack's, where somebody has prepared them; otherwise they are loaded here.
    """
    started = time.perf_counter()
    device = torch.device("cuda" if site.device == "auto" and torch.cuda.is_available() else "cpu")
    torch.set_num_threads(site.num_threads)
    try:
        # Momentum of dead units decays into denormal numbers, which makes a pruned network's step 1.3 times slower.
        torch.set_flush_denormal(True)
        define(site.definitions, f"sweep {pack.sweep}")
        result = _measure_pack(pack, site, device, images)
    except Exception:  # the one place where a failure of any kind becomes rows
        result = failed_pack(pack, traceback.format_exc())
        if device.type == "cuda":
            # A broken CUDA context stays broken: let this raise, so that the next pack gets a new worker.
            torch.cuda.synchronize()
    finally:
        torch.set_flush_denormal(False)
    about = {
        "wall_seconds": (time.perf_counter() - started) / len(pack.members),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }
    return replace(result, rows=[row | about for row in result.rows])


def _measure_pack(pack: Pack, site: Site, device: torch.device, prepared: Callable[[], Images] | None) -> PackResult:
    learners = list({spec.training_key: spec for spec in pack.members}.values())
    first = learners[0]
    images = (
        prepared()
        if prepared
        else load_images(first.data, first.seeds.randomization, site.data, site.background_images)
    )
    family = get_family(first.model.family)
    sizes = (images.pixels_NP.shape[1], *first.model.hidden_units, images.num_classes)
    splits, changed = _place(images, learners, device)
    train = splits["train"]

    pruner = Pruner(family, learners, train, num_batches(images.num_train, first.training.batch_size))
    fitted = fit(family, sizes, learners, train, splits["validation"], pruner)
    trained = {name: evaluate(family, fitted.parameters, splits[name]) for name in ("validation", "test")}

    # From here on per trial: trials that differ in quantization only share a learner, diverged ones drop out.
    position = {spec.training_key: index for index, spec in enumerate(learners)}
    fate = [(spec, position[spec.training_key]) for spec in pack.members]
    alive = [(spec, learner) for spec, learner in fate if fitted.diverged_epoch[learner] is None]
    dead = [(spec, learner) for spec, learner in fate if fitted.diverged_epoch[learner] is not None]
    result = failed_pack(Pack(pack.sweep, tuple(spec for spec, _ in dead)), "") if dead else PackResult()
    for row, (_, learner) in zip(result.rows, dead, strict=True):
        epoch = fitted.diverged_epoch[learner]
        row["error"] = f"diverged: loss or weights out of range in epoch {epoch}; try a lower learning_rate."
    if alive:
        specs, learner_of = [list(column) for column in zip(*alive, strict=True)]
        parameters = [parameter[learner_of] for parameter in fitted.parameters]
        layers, parameters = quantize_stack(family, parameters, specs, train.of_members(learner_of))
        norm = (images.mean, images.std)
        networks = [coded_network(family, sizes, parameters, m, layers[m], norm) for m in range(len(specs))]
        files = [codec.encode(network) for network in networks]
        decoded = [codec.decode(file.blob) for file in files]
        stack = stack_networks(decoded, device)
        scores = {name: evaluate(family, stack, split.of_members(learner_of)) for name, split in splits.items()}
        for m, (spec, learner) in enumerate(alive):
            row = spec_columns(spec) | _size_columns(files[m], networks[m]) | _score_columns(scores, m)
            row |= {f"trained_{name}_accuracy": score.member(learner)[1] for name, score in trained.items()}
            row |= {"label_changed_fraction": changed[learner], "decoded_ok": codec.identical(networks[m], decoded[m])}
            outcome = {"status": "ok", "error": None} if row["decoded_ok"] else DECODED_OTHERWISE
            result.rows.append(row | outcome)
            result.layers.extend(_layer_rows(spec, family.layer_names(sizes), networks[m], files[m]))
            result.curves.extend(_curve_rows(spec, learner, fitted, images.num_validation))
            result.models[spec.trial_id] = files[m].blob
    pack_columns = {"sweep": pack.sweep, "pack_id": pack.pack_id, "num_members_in_pack": len(pack.members)}
    rows = [row | pack_columns for row in result.rows]
    return replace(result, rows=rows, data_checksums={describe_images(first): images.checksum})


def describe_images(spec: TrialSpec) -> str:
    """What decides the pictures that a trial sees, for the manifest: `mnist study`, `mnist study shuffled seed 3`."""
    words = [spec.data.dataset, spec.data.split]
    if spec.data.backgrounds != "sample":
        words.append(spec.data.backgrounds)
    if spec.data.pixel_randomization != "none":
        words.append(f"{spec.data.pixel_randomization} seed {spec.seeds.randomization}")
    return " ".join(words)


def check_names(trials: Sequence[TrialSpec]) -> None:
    """Raise ValueError for a name that no registry knows."""
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
    for dataset in {spec.data.dataset for spec in trials}:
        find_dataset(dataset)


def fetch_data(trials: Sequence[TrialSpec], data: Path) -> None:
    """Read each base data set once, so that it is downloaded here and not by many workers (errors: `mdlray.data`)."""
    for base in {find_dataset(spec.data.dataset).base for spec in trials}:
        find_reader(base)(data)


def _place(
    images: Images, learners: Sequence[TrialSpec], device: torch.device
) -> tuple[dict[str, Examples], list[float]]:
    """The splits on the device, training labels as each member has them, and the fraction of those that changed."""
    randomized = [
        randomize_labels(
            images.labels_N[images.train],
            spec.data.label_randomization_fraction,
            spec.seeds.randomization,
            images.num_classes,
        )
        for spec in learners
    ]
    labels = {
        "train": np.stack([labels_N for labels_N, _ in randomized]),
        "validation": images.labels_N[None, images.validation],
        "test": images.labels_N[None, images.test],
    }
    splits = {}
    for name, labels_MN in labels.items():
        pixels_NP = torch.tensor(images.pixels_NP[getattr(images, name)]).to(device)
        labels_on_device_MN = torch.tensor(labels_MN, dtype=torch.int64).to(device).expand(len(learners), -1)
        splits[name] = Examples(pixels_NP, labels_on_device_MN, images.mean, images.std)
    return splits, [fraction for _, fraction in randomized]


def _size_columns(file: codec.EncodedNetwork, network: codec.CodedNetwork) -> Row:
    symbols = [tensor.symbols for tensor in network.tensors if isinstance(tensor, codec.CodedTensor)]
    return {
        "num_weights": sum(symbol.size for symbol in symbols),
        "num_nonzero": sum(int(np.count_nonzero(symbol)) for symbol in symbols),
        "compressed_bytes": len(file.blob),
        "header_bytes": file.header_bytes,
        "mask_bytes": file.mask_bytes,
        "values_bytes": file.values_bytes,
        "codebook_bytes": file.codebook_bytes,
        "ideal_entropy_bits": codec.ideal_entropy_bits(network),
        "lzma_csr_bytes": codec.lzma_csr_bytes(network),
    }


def _score_columns(scores: dict[str, Score], member: int) -> Row:
    accuracies = {f"{name}_accuracy": score.member(member)[1] for name, score in scores.items()}
    return accuracies | {"train_nats": scores["train"].member(member)[0]}


def _layer_rows(
    spec: TrialSpec, names: list[str], network: codec.CodedNetwork, file: codec.EncodedNetwork
) -> list[Row]:
    rows = []
    for name, tensor, size in zip(names, network.tensors, file.layer_sizes, strict=True):
        values = tensor.symbols if isinstance(tensor, codec.CodedTensor) else tensor.values
        row = {"trial_id": spec.trial_id, "layer": name, "shape": list(values.shape), "num_weights": values.size}
        row |= {"num_nonzero": int(np.count_nonzero(values)), "mask_bytes": size.mask_bytes}
        rows.append(row | {"values_bytes": size.values_bytes, "codebook_bytes": size.codebook_bytes})
    return rows


def _curve_rows(spec: TrialSpec, learner: int, fitted: Fitted, num_validation: int) -> list[Row]:
    rows = []
    epochs = zip(fitted.train, fitted.validation, fitted.sparsity, strict=True)
    for epoch, (train, validation, sparsity_M) in enumerate(epochs, start=1):
        (train_nats, train_accuracy), (nats, accuracy) = train.member(learner), validation.member(learner)
        row = {
            "trial_id": spec.trial_id,
            "epoch": epoch,
            "train_nats_per_example": train_nats / fitted.examples_per_epoch,
        }
        row |= {"validation_nats_per_example": nats / num_validation, "train_accuracy": train_accuracy}
        rows.append(row | {"validation_accuracy": accuracy, "sparsity": float(sparsity_M[learner])})
    return rows
