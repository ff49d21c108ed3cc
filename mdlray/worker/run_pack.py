"""All steps of a pack on one screen: load -> train -> compress -> measure -> rows.

`run_pack` is an ordinary function. It does not use Ray, and it reads no files but the data set and those of the sweep.
The accuracies of a row are those of the network that was decoded from its file. The columns `trained_...` have the
accuracies before quantization.

A failure becomes a row. An error that concerns one network or one trial (a network diverges, its saliency raises, a
measurement raises) fails only the trials that it concerns. After any other error, all trials of the pack fail, and
their rows have the error.

Students are trained after their teachers, in stages: the networks of round 0 first, then the students of round 1, and
so on. The networks of a stage are one stack.
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
    """Train, compress, decode and measure every trial of the pack; errors become failed rows.

    `images` returns the images of the pack; without it, they are loaded here. `save` is called with the state of the
    training as bytes, at the end of an epoch, about every `config.checkpoint_seconds` seconds. If these bytes are given
    as `checkpoint`, the training goes on from there; on a CPU, the result is then equal to the bit. `report` is called
    about once a second with the number of epochs that are done.
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
        except Exception:  # whatever fails, the trials of the pack get rows that say so
            result = failed_result(pack.members, traceback.format_exc())
        if device.type == "cuda" and any(row["status"] == "failed" for row in result.rows):
            # After some errors CUDA is unusable in this process. Then this raises, and the next pack gets a new worker.
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
    """Train these networks as one stack, then their students stage by stage; measure the trials of each stage."""
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
    """How many packs like this one fit into the free memory of this GPU together, as measured; None without CUDA."""
    return packs_on_gpu(run_networks, pack, config, images)
