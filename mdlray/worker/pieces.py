"""A pack in pieces, so that the networks of a piece fit into the memory of the device together.

    results that a checkpoint has -> the piece that a checkpoint was in -> all other networks, in as few pieces as fit

On a CPU a pack is one piece. On a GPU `mdlray.training.memory` says how many networks fit.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from mdlray.data import Images
from mdlray.planning import Pack
from mdlray.planning.definitions import define
from mdlray.results.pack_result import PackResult, failed_result, join
from mdlray.spec import SPEC_VERSION, TrialSpec
from mdlray.training.checkpoint import Checkpoints
from mdlray.training.memory import in_pieces, measure_need, most_on_gpu, packs_that_fit, peak_bytes
from mdlray.worker.config import Load, WorkerConfig, device_of, load_pack_images

RunNetworks = Callable[..., PackResult]
"""`mdlray.worker.run_pack.run_networks`."""


def networks_of(trials: Sequence[TrialSpec]) -> list[TrialSpec]:
    """The networks of round 0 of these trials: their own networks, or those that their students descend from."""
    return list({spec.lineage_key: spec.ancestor for spec in trials}.values())


def about_pack(pack: Pack, config: WorkerConfig, images: Images) -> dict[str, Any]:
    """Everything that must be equal in a checkpoint and here for the training to go on from that checkpoint."""
    return {
        "pack": pack.pack_id,
        "spec version": SPEC_VERSION,
        "torch": str(torch.__version__),
        "data": images.checksum,
        "halving": repr(config.halving),
        "definitions": config.definitions.digest,
    }


def run_in_pieces(
    run_networks: RunNetworks,
    pack: Pack,
    images: Images,
    device: torch.device,
    config: WorkerConfig,
    checkpoints: Checkpoints,
) -> PackResult:
    """The results of all networks of the pack; if a network does not fit even alone, its trials have failed rows."""

    def run_piece(networks: Sequence[TrialSpec]) -> PackResult:
        result = run_networks(networks, _trials_of(pack, networks), images, device, config, checkpoints)
        checkpoints.piece_done(networks, result)
        return result

    fail = partial(_out_of_memory, pack)
    unfinished = [spec for spec in networks_of(pack.members) if spec.training_key not in checkpoints.done]
    begun = [spec for spec in unfinished if spec.training_key in checkpoints.piece]
    results = [*checkpoints.finished, *in_pieces(begun, len(begun), run_piece, fail)]
    # Pieces are run in the order of the networks, so the networks of the piece that was begun come first.
    if new := unfinished[len(begun) :]:
        limit = len(new)
        if device.type == "cuda":
            peak = partial(_peak, run_networks, device)
            with_students = _has_students(pack)
            limit = most_on_gpu(new, images, config.gpu_share, device, peak, with_students=with_students)
        results += in_pieces(new, limit, run_piece, fail)
    return join(results)


def packs_on_gpu(run_networks: RunNetworks, pack: Pack, config: WorkerConfig, images: Load | None = None) -> int | None:
    """How many packs like this one fit into the free memory of this GPU together, as measured; None without CUDA."""
    device = device_of(config)
    if device.type != "cuda":
        return None
    define(config.definitions)
    networks = networks_of(pack.members)
    loaded = (images or partial(load_pack_images, pack, config))()
    peak = partial(_peak, run_networks, device)
    need = measure_need(networks, loaded, peak, with_students=_has_students(pack))
    return packs_that_fit(need.of(len(networks)), torch.cuda.mem_get_info(device)[0])


def _trials_of(pack: Pack, networks: Sequence[TrialSpec]) -> list[TrialSpec]:
    keys = {spec.lineage_key for spec in networks}
    return [spec for spec in pack.members if spec.lineage_key in keys]


def _has_students(pack: Pack) -> bool:
    return any(spec.student.round for spec in pack.members)


def _peak(run_networks: RunNetworks, device: torch.device, networks: Sequence[TrialSpec], images: Images) -> int:
    return peak_bytes(lambda: run_networks(networks, networks, images, device, WorkerConfig()), device)


def _out_of_memory(pack: Pack, networks: Sequence[TrialSpec], reason: str) -> PackResult:
    error = (
        "one network alone does not fit into the GPU memory that this pack has; lower training.batch_size or "
        f"model.hidden_units, let fewer packs share a GPU, or use --gpus 0. {reason}"
    )
    return failed_result(_trials_of(pack, networks), error)
