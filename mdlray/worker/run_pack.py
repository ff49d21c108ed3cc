"""A pack's whole way on one screen: load -> train -> compress -> measure -> rows.

`run_pack` is an ordinary function: no Ray, no files but the data set. The accuracies of a row are those of the network
that was decoded from its file; those before quantization are other columns (`trained_...`). A failure is a row: what
fails for one member (it diverged, its saliency or a measurement raises) fails that member only, anything else fails the
pack, whose members then all carry the error. Students are trained after the networks they come from, stage by stage,
each stage one stack.
"""

import time
import traceback
from collections.abc import Sequence
from functools import partial

import torch

from mdlray.data import Images, describe_images
from mdlray.planning import Pack
from mdlray.planning.definitions import define, sweep_version
from mdlray.results.pack_result import PackResult, failed_result, join, of_pack
from mdlray.spec import TrialSpec
from mdlray.training.checkpoint import Checkpoints, Progress, Save
from mdlray.training.students import plan_stages, teachers_of
from mdlray.worker.compress import compress
from mdlray.worker.config import Load, WorkerConfig, device_of, load_pack_images, released
from mdlray.worker.epochs import EpochCounter, Report, count_epochs
from mdlray.worker.measure import failed_networks, measure
from mdlray.worker.measurements import added_columns, all_measurements
from mdlray.worker.pieces import about_pack, packs_on_gpu, run_in_pieces
from mdlray.worker.train import load_data, train_stage

__all__ = ["WorkerConfig", "count_packs_on_gpu", "run_networks", "run_pack"]


def run_pack(
    pack: Pack,
    config: WorkerConfig,
    *,
    images: Load | None = None,
    checkpoint: bytes | None = None,
    save: Save | None = None,
    report: Report | None = None,
) -> PackResult:
    """Train, compress, decode and measure every member of the pack; errors become failed rows.

    `images` gives the pack's, where somebody has prepared them; otherwise they are loaded here. `save` is given the
    state of training as bytes every `config.checkpoint_seconds`, at the end of an epoch; with such bytes as
    `checkpoint` the pack goes on there, on the CPU with the same result to the bit. `report` is told about once a
    second how many epochs are done.
    """
    started, device = time.perf_counter(), device_of(config)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    with released(device, config.num_threads):
        try:
            define(config.definitions)
            added = added_columns(all_measurements())
            loaded = (images or partial(load_pack_images, pack, config))()
            about = about_pack(pack, config, loaded)
            checkpoints = Checkpoints(about, checkpoint, save, config.checkpoint_seconds)
            run = partial(run_networks, epochs=count_epochs(pack, checkpoints.done, report, name) if report else None)
            result = run_in_pieces(run, pack, loaded, device, config, checkpoints)
            first = pack.members[0]
            checksums = {describe_images(first.data, first.seeds.randomization): loaded.checksum}
            result = join([PackResult(columns=added, checksums=checksums, notes=checkpoints.notes), result])
        except Exception:  # the one place where a failure of any kind becomes rows
            result = failed_result(pack.members, traceback.format_exc())
        if device.type == "cuda" and any(row["status"] == "failed" for row in result.rows):
            # A broken CUDA context stays broken: let this raise, so that the next pack gets a new worker.
            torch.cuda.synchronize()
    return of_pack(result, pack, sweep_version(config.definitions), device=name, seconds=time.perf_counter() - started)


def run_networks(
    networks: Sequence[TrialSpec],
    trials: Sequence[TrialSpec],
    images: Images,
    device: torch.device,
    config: WorkerConfig,
    checkpoints: Checkpoints | None = None,
    epochs: EpochCounter | None = None,
) -> PackResult:
    """Train these networks as one stack, then their students stage by stage; measure the trials of each."""
    data = load_data(images, networks, device)
    stages = plan_stages(networks, trials)
    progress = checkpoints.progress(networks) if checkpoints else Progress()
    after_epoch = partial(checkpoints.after_epoch, networks, progress) if checkpoints else None
    if epochs:
        epochs.skip(spec for stage in stages[: len(progress.results)] for spec in stage.specs)
    for number in range(len(progress.results), len(stages)):
        stage = stages[number]
        each_epoch = epochs.after(stage.specs, after_epoch) if epochs else after_epoch
        teachers = None if stage.teacher is None else progress.teachers[stage.teacher]
        resume = partial(progress.begin, device=device)
        stack = train_stage(stage, networks, teachers, data, config.halving, resume, each_epoch)
        lost = teachers.lost if teachers else {}
        results = [failed_networks(trials, stage.specs, lost)]
        if stack:
            results.append(measure(stack, *compress(stack, trials)))
        needed = {later.teacher for later in stages[number + 1 :] if later.teacher is not None}
        if stack and number in needed:
            teachers = teachers_of(stack.specs, stack.sizes, stack.fitted, lost)
        progress.stage_done(join(results), teachers if number in needed else None, needed)
    return join(progress.results)


def count_packs_on_gpu(pack: Pack, config: WorkerConfig, images: Load | None = None) -> int | None:
    """How many packs like this one fit into the free memory of this GPU at once, measured there; None without CUDA."""
    return packs_on_gpu(run_networks, pack, config, images)
