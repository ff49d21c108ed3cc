"""A pack's whole way on one screen: data -> training with pruning -> quantization -> bytes -> decoded network -> rows.

`run_pack` is an ordinary function: no Ray, no files but the data set. The accuracies of a row are those of the network
that was decoded from its file; those before quantization are other columns (`trained_...`). A failure is a row: a
member that diverged fails alone, anything else fails the pack, whose members then all carry the error. A member that
was stopped early (`Site.halving`) goes the same way from where it was, pruned to its ratio at once.
"""

import hashlib
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from mdlray import codec
from mdlray.codec.stack import coded_network, stack_networks
from mdlray.compression import Pruner, check_choices, get_saliency, quantize_stack
from mdlray.data import Images, describe_images, find_dataset, find_reader, load_images
from mdlray.models import get_family
from mdlray.plan import Halving, Pack, define
from mdlray.registry import find
from mdlray.spec import SPEC_VERSION, TrialSpec
from mdlray.tables.pack import PackResult, failed_pack, join
from mdlray.tables.schema import spec_columns
from mdlray.training import (
    LEARNING_RATE_SCHEDULES,
    OPTIMIZERS,
    REGULARIZERS,
    evaluate,
    fit,
    num_batches,
    place_splits,
    score_columns,
)
from mdlray.training.checkpoint import Checkpoints, Save
from mdlray.training.histograms import histogram_rows
from mdlray.training.memory import in_pieces, measure_need, most_on_gpu, packs_that_fit, peak_bytes

Load = Callable[[], Images]

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
    halving: Halving | None = None
    """Stop the worse members early (`Sweep.halving`)."""
    gpu_share: float = 1.0
    """Fraction of a GPU's memory that is this process's: 1/k where k packs share a GPU."""
    checkpoint_seconds: float = 600.0
    """Least time between two checkpoints."""


def run_pack(
    pack: Pack, site: Site, *, images: Load | None = None, checkpoint: bytes | None = None, save: Save | None = None
) -> PackResult:
    """Train, compress, decode and measure every member of the pack; errors become failed rows.

    `images` gives the pack's, where somebody has prepared them; otherwise they are loaded here. `save` is given the
    state of training as bytes every `site.checkpoint_seconds`, at the end of an epoch; with such bytes as `checkpoint`
    the pack goes on there, on the CPU with the same result to the bit.
    """
    started = time.perf_counter()
    device = _device(site)
    torch.set_num_threads(site.num_threads)
    try:
        # Momentum of dead units decays into denormal numbers, which makes a pruned network's step 1.3 times slower.
        torch.set_flush_denormal(True)
        define(site.definitions, f"sweep {pack.sweep}")
        result = _measure_pack(pack, site, device, images or partial(_load, pack, site), checkpoint, save)
    except Exception:  # the one place where a failure of any kind becomes rows
        result = failed_pack(pack, traceback.format_exc())
        if device.type == "cuda":
            # A broken CUDA context stays broken: let this raise, so that the next pack gets a new worker.
            torch.cuda.synchronize()
    finally:
        torch.set_flush_denormal(False)
    if device.type == "cuda":
        # The worker lives on, and so would the memory that torch keeps for it, which other packs on this GPU need.
        torch.cuda.empty_cache()
    about = {
        "wall_seconds": (time.perf_counter() - started) / len(pack.members),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }
    return replace(result, rows=[row | about for row in result.rows])


def count_packs_on_gpu(pack: Pack, site: Site, images: Load | None = None) -> int | None:
    """How many packs like this one fit into the free memory of this GPU at once, measured there; None without CUDA."""
    device = _device(site)
    if device.type != "cuda":
        return None
    define(site.definitions, f"sweep {pack.sweep}")
    learners = _learners(pack.members)
    need = measure_need(learners, (images or partial(_load, pack, site))(), partial(_peak, device))
    return packs_that_fit(need.of(len(learners)), torch.cuda.mem_get_info(device)[0])


def _measure_pack(
    pack: Pack, site: Site, device: torch.device, load: Load, checkpoint: bytes | None, save: Save | None
) -> PackResult:
    learners, images = _learners(pack.members), load()
    about = {
        "pack": pack.pack_id,
        "spec version": SPEC_VERSION,
        "torch": torch.__version__,
        "data": images.checksum,
        "halving": repr(site.halving),
        "definitions": hashlib.sha256(site.definitions.encode()).hexdigest(),
    }
    checkpoints = Checkpoints(about, checkpoint, save, site.checkpoint_seconds)

    def work(piece: Sequence[TrialSpec]) -> PackResult:
        result = _measure_piece(pack, piece, images, device, site.halving, checkpoints)
        checkpoints.piece_done(piece, vars(result))
        return result

    results = [PackResult(**plain) for plain in checkpoints.finished]
    left = [spec for spec in learners if spec.training_key not in checkpoints.done]
    begun = [spec for spec in left if spec.training_key in checkpoints.piece]
    results += in_pieces(begun, len(begun), work, partial(_out_of_memory, pack))
    if new := left[len(begun) :]:
        on_gpu = device.type == "cuda"
        limit = most_on_gpu(new, images, site.gpu_share, device, partial(_peak, device)) if on_gpu else len(new)
        results += in_pieces(new, limit, work, partial(_out_of_memory, pack))
    result = join(results)
    pack_columns = {"sweep": pack.sweep, "pack_id": pack.pack_id, "num_members_in_pack": len(pack.members)}
    rows = [row | pack_columns for row in result.rows]
    checksums = {describe_images(learners[0].data, learners[0].seeds.randomization): images.checksum}
    return replace(result, rows=rows, data_checksums=checksums, notes=checkpoints.notes)


def _measure_piece(
    pack: Pack,
    learners: Sequence[TrialSpec],
    images: Images,
    device: torch.device,
    halving: Halving | None,
    checkpoints: Checkpoints | None = None,
) -> PackResult:
    """Train these learners as one stack, and measure all trials of the pack that share a training with one of them."""
    first = learners[0]
    family = get_family(first.model.family)
    sizes = family.sizes(first.model, images.pixels_NP.shape[1], images.num_classes)
    family = family.of(sizes)
    splits, changed = place_splits(images, learners, device)
    train = splits["train"]

    steps_per_epoch = num_batches(images.num_train, first.training.batch_size)
    pruner = Pruner(family, learners, train, steps_per_epoch)
    begin = checkpoints.begin(learners, device) if checkpoints else None
    after_epoch = partial(checkpoints.after_epoch, learners) if checkpoints else None
    fitted = fit(
        family,
        sizes,
        learners,
        train,
        splits["validation"],
        pruner,
        halving=halving,
        begin=begin,
        after_epoch=after_epoch,
    )
    num_epochs = first.training.num_epochs
    stopped = [learner for learner, epochs in enumerate(fitted.trained_epochs) if epochs < num_epochs]
    pruner.finish(stopped, fitted.parameters)
    weights = histogram_rows(fitted.histograms, fitted.parameters, fitted.trained_epochs, family.layer_names(sizes))
    trained = {name: evaluate(family, fitted.parameters, splits[name]) for name in ("validation", "test")}

    # From here on per trial: trials that differ in quantization only share a learner, diverged ones drop out.
    position = {spec.training_key: index for index, spec in enumerate(learners)}
    fate = [(spec, position[spec.training_key]) for spec in pack.members if spec.training_key in position]
    alive = [(spec, learner) for spec, learner in fate if fitted.diverged_epoch[learner] is None]
    dead = [(spec, learner) for spec, learner in fate if fitted.diverged_epoch[learner] is not None]
    result = failed_pack(Pack(pack.sweep, tuple(spec for spec, _ in dead)), "") if dead else PackResult()
    for row, (_, learner) in zip(result.rows, dead, strict=True):
        epoch = fitted.diverged_epoch[learner]
        row["error"] = f"diverged: loss or weights out of range in epoch {epoch}; try a lower learning_rate."
        row["trained_epochs"] = fitted.trained_epochs[learner]
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
            row = spec_columns(spec) | codec.size_columns(files[m], networks[m]) | score_columns(scores, m)
            row |= {f"trained_{name}_accuracy": score.member(learner)[1] for name, score in trained.items()}
            row |= {"label_changed_fraction": changed[learner], "decoded_ok": codec.identical(networks[m], decoded[m])}
            row |= {"trained_epochs": fitted.trained_epochs[learner]}
            outcome = {"status": "stopped" if learner in stopped else "ok", "error": None}
            result.rows.append(row | (outcome if row["decoded_ok"] else DECODED_OTHERWISE))
            mine = {"trial_id": spec.trial_id}
            tensors = codec.layer_rows(family.layer_names(sizes), files[m], networks[m])
            epochs = fitted.curves.rows(
                learner, fitted.trained_epochs[learner], fitted.examples_per_epoch, images.num_validation
            )
            result.layers.extend(mine | tensor for tensor in tensors)
            result.curves.extend(mine | epoch for epoch in epochs)
            result.weights.extend(mine | histogram for histogram in weights[learner])
            result.models[spec.trial_id] = files[m].blob
    done = steps_per_epoch * sum(fitted.trained_epochs)
    return replace(result, member_steps=done, saved_member_steps=steps_per_epoch * num_epochs * len(learners) - done)


def check_names(trials: Sequence[TrialSpec]) -> None:
    """Raise ValueError for a name that no registry knows, and for choices that a trial's family does not have."""
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
    for spec in {(spec.model, spec.compression): spec for spec in trials}.values():
        # How many weight tensors there are depends on the hidden layers only, so that no data set is needed here.
        built = get_family(spec.model.family)
        shapes = built.shapes(built.sizes(spec.model, 28 * 28, 10))
        check_choices(built, spec, sum(len(shape) > 1 for shape in shapes))
    for dataset in {spec.data.dataset for spec in trials}:
        find_dataset(dataset)


def fetch_data(trials: Sequence[TrialSpec], data: Path) -> None:
    """Read each base data set once, so that it is downloaded here and not by many workers (errors: `mdlray.data`)."""
    for base in {find_dataset(spec.data.dataset).base for spec in trials}:
        find_reader(base)(data)


def _device(site: Site) -> torch.device:
    return torch.device("cuda" if site.device == "auto" and torch.cuda.is_available() else "cpu")


def _learners(trials: Sequence[TrialSpec]) -> list[TrialSpec]:
    return list({spec.training_key: spec for spec in trials}.values())


def _load(pack: Pack, site: Site) -> Images:
    spec = pack.members[0]
    return load_images(spec.data, spec.seeds.randomization, site.data, site.background_images)


def _peak(device: torch.device, learners: Sequence[TrialSpec], images: Images) -> int:
    return peak_bytes(lambda: _measure_piece(Pack("", tuple(learners)), learners, images, device, None), device)


def _out_of_memory(pack: Pack, learners: Sequence[TrialSpec], reason: str) -> PackResult:
    keys = {spec.training_key for spec in learners}
    error = (
        "one network alone does not fit into the GPU memory that this pack has; lower training.batch_size or "
        f"model.hidden_units, let fewer packs share a GPU, or use --gpus 0. {reason}"
    )
    return failed_pack(Pack(pack.sweep, tuple(s for s in pack.members if s.training_key in keys)), error)
