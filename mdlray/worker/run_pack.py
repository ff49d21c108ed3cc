"""A pack's whole way on one screen: data -> training with pruning -> quantization -> bytes -> decoded network -> rows.

`run_pack` is an ordinary function: no Ray, no files but the data set. The accuracies of a row are those of the network
that was decoded from its file; those before quantization are other columns (`trained_...`). A failure is a row: a
member that diverged fails alone, anything else fails the pack, whose members then all carry the error. A member that
was stopped early (`WorkerConfig.halving`) goes the same way from where it was, pruned to its ratio at once. Students
(`mdlray.training.students`) are trained in stages after the networks they come from, each stage one stack.
"""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from mdlray.compression import Pruner
from mdlray.data import Images, describe_images, load_images
from mdlray.models import Family, get_family
from mdlray.planning import Halving, Pack
from mdlray.planning.definitions import Definitions, define
from mdlray.results.pack_result import PackResult, failed_pack, from_plain, join, to_plain
from mdlray.spec import SPEC_VERSION, TrialSpec
from mdlray.training import Examples, State, fit, num_batches, place_splits
from mdlray.training.checkpoint import Checkpoints, Progress, Save
from mdlray.training.memory import in_pieces, measure_need, most_on_gpu, packs_that_fit, peak_bytes
from mdlray.training.students import Teachers, fit_students, plan_stages, teachers_of
from mdlray.worker.measure import Stack, failed_trials, measure

Load = Callable[[], Images]
Resume = Callable[[Sequence[TrialSpec]], State | None]
AfterEpoch = Callable[[State], None]


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker must know that is not part of any trial."""

    data: Path | None = None
    """Root of the data sets in torchvision's layout."""
    background_images: Path | None = None
    """Folder of photographs for `*_background_images`; without it scikit-learn's two."""
    device: str = "cpu"
    """`cpu`, or `auto`: CUDA where there is one."""
    num_threads: int = 1
    """CPU threads of a product; results repeat bit for bit for the same number."""
    definitions: Definitions = Definitions()
    """The sweep's file, which may add members to the registries, and what it needs from its folder."""
    halving: Halving | None = None
    """Stop the worse members early (`Sweep.halving`)."""
    gpu_share: float = 1.0
    """Fraction of a GPU's memory that is this process's: 1/k where k packs share a GPU."""
    checkpoint_seconds: float = 600.0
    """Least time between two checkpoints."""


def run_pack(
    pack: Pack,
    config: WorkerConfig,
    *,
    images: Load | None = None,
    checkpoint: bytes | None = None,
    save: Save | None = None,
) -> PackResult:
    """Train, compress, decode and measure every member of the pack; errors become failed rows.

    `images` gives the pack's, where somebody has prepared them; otherwise they are loaded here. `save` is given the
    state of training as bytes every `site.checkpoint_seconds`, at the end of an epoch; with such bytes as `checkpoint`
    the pack goes on there, on the CPU with the same result to the bit.
    """
    started = time.perf_counter()
    device = _device(config)
    torch.set_num_threads(config.num_threads)
    try:
        # Momentum of dead units decays into denormal numbers, which makes a pruned network's step 1.3 times slower.
        torch.set_flush_denormal(True)
        define(config.definitions)
        result = _measure_pack(pack, config, device, images or partial(_load, pack, config), checkpoint, save)
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
    return replace(result, tables=result.tables | {"trials": [row | about for row in result.rows]})


def count_packs_on_gpu(pack: Pack, config: WorkerConfig, images: Load | None = None) -> int | None:
    """How many packs like this one fit into the free memory of this GPU at once, measured there; None without CUDA."""
    device = _device(config)
    if device.type != "cuda":
        return None
    define(config.definitions)
    learners = _learners(pack.members)
    loaded = (images or partial(_load, pack, config))()
    need = measure_need(learners, loaded, partial(_peak, device), with_students=_with_students(pack))
    return packs_that_fit(need.of(len(learners)), torch.cuda.mem_get_info(device)[0])


def _measure_pack(
    pack: Pack, config: WorkerConfig, device: torch.device, load: Load, checkpoint: bytes | None, save: Save | None
) -> PackResult:
    learners, images = _learners(pack.members), load()
    about = {
        "pack": pack.pack_id,
        "spec version": SPEC_VERSION,
        "torch": torch.__version__,
        "data": images.checksum,
        "halving": repr(config.halving),
        "definitions": config.definitions.digest,
    }
    checkpoints = Checkpoints(about, checkpoint, save, config.checkpoint_seconds)

    def work(piece: Sequence[TrialSpec]) -> PackResult:
        result = _measure_piece(pack, piece, images, device, config.halving, checkpoints)
        checkpoints.piece_done(piece, to_plain(result))
        return result

    results = [from_plain(plain) for plain in checkpoints.finished]
    left = [spec for spec in learners if spec.training_key not in checkpoints.done]
    begun = [spec for spec in left if spec.training_key in checkpoints.piece]
    results += in_pieces(begun, len(begun), work, partial(_out_of_memory, pack))
    if new := left[len(begun) :]:
        on_gpu = device.type == "cuda"
        peak, students = partial(_peak, device), _with_students(pack)
        most = partial(most_on_gpu, new, images, config.gpu_share, device, peak, with_students=students)
        limit = most() if on_gpu else len(new)
        results += in_pieces(new, limit, work, partial(_out_of_memory, pack))
    result = join(results)
    pack_columns = {"sweep": pack.sweep, "pack_id": pack.pack_id, "num_members_in_pack": len(pack.members)}
    tables = result.tables | {"trials": [row | pack_columns for row in result.rows]}
    checksums = {describe_images(learners[0].data, learners[0].seeds.randomization): images.checksum}
    return replace(result, tables=tables, checksums=checksums, notes=checkpoints.notes)


def _measure_piece(
    pack: Pack,
    learners: Sequence[TrialSpec],
    images: Images,
    device: torch.device,
    halving: Halving | None,
    checkpoints: Checkpoints | None = None,
) -> PackResult:
    """Train these learners as one stack, then their students stage by stage; measure the pack's trials of each."""
    splits, changed = place_splits(images, learners, device)
    place = {spec.training_key: number for number, spec in enumerate(learners)}
    stages = plan_stages(learners, [spec for spec in pack.members if spec.lineage_key in place])
    progress = checkpoints.progress(learners) if checkpoints else Progress()
    after_epoch = partial(checkpoints.after_epoch, learners, progress) if checkpoints else None
    resume = partial(progress.begin, device=device)
    for number in range(len(progress.results), len(stages)):
        stage = stages[number]
        if stage.teacher is None:
            stack: Stack | None = _train(stage.specs, images, splits, changed, halving, resume, after_epoch)
            lost: dict[str, str] = {}
        else:
            teachers = Teachers(**progress.teachers[stage.teacher])
            specs, lost = teachers.with_teacher(stage.specs), teachers.lost
            at = [place[spec.lineage_key] for spec in specs]
            seen = {name: split.of_members(at) for name, split in splits.items()}
            shares = [changed[one] for one in at]
            stack = _fit(specs, teachers, images, seen, shares, resume, after_epoch) if specs else None
        results = [failed_trials(pack, stage.specs, lost)]
        results += [measure(pack, stack, images)] if stack else []
        needed = {later.teacher for later in stages[number + 1 :] if later.teacher is not None}
        kept = None
        if number in needed:
            kept = teachers_of(stack.specs, stack.sizes, stack.fitted, lost) if stack else teachers
        progress.stage_done(to_plain(join(results)), vars(kept) if kept else None, needed)
    return join([from_plain(plain) for plain in progress.results])


def _train(
    specs: Sequence[TrialSpec],
    images: Images,
    splits: dict[str, Examples],
    changed: Sequence[float],
    halving: Halving | None,
    resume: Resume,
    after_epoch: AfterEpoch | None,
) -> Stack:
    """Round 0: trained on the data, with pruning on the way."""
    training = specs[0].training
    family, sizes = _network(specs[0], images)
    steps_per_epoch = num_batches(images.num_train, training.batch_size)
    pruner = Pruner(family, specs, splits["train"], steps_per_epoch)
    fitted = fit(
        family,
        sizes,
        specs,
        splits["train"],
        splits["validation"],
        pruner,
        halving=halving,
        begin=resume(specs),
        after_epoch=after_epoch,
    )
    stopped = [member for member, epochs in enumerate(fitted.trained_epochs) if epochs < training.num_epochs]
    pruner.finish(stopped, fitted.parameters)
    return Stack(specs, family, sizes, fitted, stopped, splits, changed)


def _fit(
    specs: Sequence[TrialSpec],
    teachers: Teachers,
    images: Images,
    splits: dict[str, Examples],
    changed: Sequence[float],
    resume: Resume,
    after_epoch: AfterEpoch | None,
) -> Stack:
    """A later round: students of these teachers."""
    family, sizes = _network(specs[0], images)
    train, validation = splits["train"], splits["validation"]
    fitted = fit_students(family, sizes, specs, teachers, train, validation, resume, after_epoch)
    return Stack(specs, family, sizes, fitted, [], splits, changed)


def _device(config: WorkerConfig) -> torch.device:
    return torch.device("cuda" if config.device == "auto" and torch.cuda.is_available() else "cpu")


def _learners(trials: Sequence[TrialSpec]) -> list[TrialSpec]:
    """Networks of round 0 that these trials are, or come from."""
    return list({spec.lineage_key: spec.ancestor for spec in trials}.values())


def _with_students(pack: Pack) -> bool:
    return any(spec.student.round for spec in pack.members)


def _network(spec: TrialSpec, images: Images) -> tuple[Family, tuple[int, ...]]:
    family = get_family(spec.model.family)
    family.check_fields(spec.model)
    sizes = family.sizes(spec.network, images.pixels_NP.shape[1], images.num_classes)
    return family.of(sizes), sizes


def _load(pack: Pack, config: WorkerConfig) -> Images:
    spec = pack.members[0]
    return load_images(spec.data, spec.seeds.randomization, config.data, config.background_images)


def _peak(device: torch.device, learners: Sequence[TrialSpec], images: Images) -> int:
    return peak_bytes(lambda: _measure_piece(Pack("", tuple(learners)), learners, images, device, None), device)


def _out_of_memory(pack: Pack, learners: Sequence[TrialSpec], reason: str) -> PackResult:
    keys = {spec.lineage_key for spec in learners}
    error = (
        "one network alone does not fit into the GPU memory that this pack has; lower training.batch_size or "
        f"model.hidden_units, let fewer packs share a GPU, or use --gpus 0. {reason}"
    )
    return failed_pack(Pack(pack.sweep, tuple(s for s in pack.members if s.lineage_key in keys)), error)
