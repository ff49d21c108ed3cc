"""How many members fit into a GPU's memory, measured on the GPU, and a pack in pieces that fit.

A pack is planned for a whole sweep, GPUs differ. What a piece of m members needs at its peak is taken as linear in m:

    need(m) = fixed + m · per_member

through the measured peaks of two small pieces, which go the whole way for one epoch on few images; what all images
and their labels take is added. m is the largest number whose need lies within `SAFETY` of what is free, and of the
process's share of the GPU. If that was too hopeful the piece is halved, and so are those after it. Members compete in
halving within a piece only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch

from mdlray.data import Images
from mdlray.planning import ceil_div
from mdlray.spec import TrialSpec, replace_fields
from mdlray.training.evaluation import CHUNK
from mdlray.training.isolation import is_out_of_memory

SAFETY = 0.9
"""Fraction of the memory that is planned with; the rest is for fragments between tensors and kernels' workspaces."""
PROBED = (2, 6)
"""Members of the two pieces that are measured."""
BYTES_PER_LABEL = 24
"""Of one member: int64, a copy for a part of the members, and the example's place in an order of the member's own."""
TARGET_COPIES = 2
"""A teacher's logits, float32, while they are put together from chunks."""

CONTEXT_BYTES = 600 * 2**20
"""Of a process, before its first tensor: CUDA's context and the libraries' kernels."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Peak = Callable[[Sequence[TrialSpec], Images], int]
"""(networks, images) -> peak bytes of their whole way."""


@dataclass(frozen=True)
class Need:
    """Peak bytes of a piece: `fixed_bytes + m · bytes_per_member`."""

    fixed_bytes: int
    bytes_per_member: int

    def of(self, members: int) -> int:
        """Peak bytes of a piece of so many members."""
        return self.fixed_bytes + members * self.bytes_per_member


def need_from_peaks(few: int, few_bytes: int, more: int, more_bytes: int) -> Need:
    """The line through the peaks of `few` and of `more` members; one that falls is taken as level."""
    per_member = max(0, ceil_div(more_bytes - few_bytes, more - few))
    return Need(max(0, few_bytes - few * per_member), per_member)


def measure_need(networks: Sequence[TrialSpec], images: Images, peak: Peak, *, with_students: bool = False) -> Need:
    """What pieces of these networks need, from short runs of a few that are spread over them.

    Students are smaller and are not run; the images and the targets that they are fitted to are added.
    """
    num_few = max(CHUNK, networks[0].training.batch_size)
    few = _first_of_each_split(images, num_few)
    peaks = [peak([_short(networks[i * len(networks) // size], i) for i in range(size)], few) for size in PROBED]
    need = need_from_peaks(PROBED[0], peaks[0], PROBED[1], peaks[1])
    label_bytes = BYTES_PER_LABEL * images.labels_N.size
    fixed_bytes, per_member = images.pixels_NP.nbytes, label_bytes
    if with_students:
        fixed_bytes += images.num_train * images.pixels_NP.shape[1]
        per_member += TARGET_COPIES * images.num_train * images.num_classes * 4
    return Need(need.fixed_bytes + fixed_bytes, need.bytes_per_member + per_member)


def members_that_fit(need: Need, free_bytes: int, total_bytes: int, share: float) -> int:
    """How many members a piece may have, at least one.

    `share` is the process's fraction of the GPU. It is taken of the whole memory and not of what is free: packs that
    already run there have taken theirs.
    """
    budget = SAFETY * min(free_bytes, share * total_bytes) - need.fixed_bytes
    return max(1, int(budget // max(1, need.bytes_per_member)))


def packs_that_fit(pack_bytes: int, free_bytes: int) -> int:
    """How many packs fit at once, each in a process of its own; at least one, which is cut into pieces if it must."""
    return max(1, int(SAFETY * free_bytes // (pack_bytes + CONTEXT_BYTES)))


def most_on_gpu(
    networks: Sequence[TrialSpec],
    images: Images,
    share: float,
    device: torch.device,
    peak: Peak,
    *,
    with_students: bool = False,
) -> int:
    """How many of these networks a piece may have on this CUDA device, measured there."""
    try:
        need = measure_need(networks, images, peak, with_students=with_students)
    except torch.OutOfMemoryError:  # not even the few that are measured fit
        return 1
    return members_that_fit(need, *torch.cuda.mem_get_info(device), share)


def in_pieces(
    items: Sequence[Item],
    limit: int,
    work: Callable[[Sequence[Item]], Result],
    fail: Callable[[Sequence[Item], str], Result],
) -> list[Result]:
    """Results of `work` on even pieces of at most `limit` items, in order.

    A piece that runs out of GPU memory is halved, and the limit with it; one item that does not fit is given to `fail`
    together with what torch says.
    """
    results: list[Result] = []
    left = list(items)
    while left:
        num_pieces = ceil_div(len(left), limit)
        piece = left[: ceil_div(len(left), num_pieces)]
        reason = None
        try:
            results.append(work(piece))
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error)
        # Outside of the handler, where the error's traceback no longer holds the tensors of the attempt.
        if reason is not None:
            torch.cuda.empty_cache()
            if len(piece) > 1:
                limit = ceil_div(len(piece), 2)
                continue
            results.append(fail(piece, reason))
        left = left[len(piece) :]
    return results


def peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """Bytes that `work` allocates on a CUDA device at its peak, beyond what is allocated already."""
    torch.cuda.synchronize(device)
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    work()
    torch.cuda.synchronize(device)
    peak = torch.cuda.max_memory_allocated(device) - before
    torch.cuda.empty_cache()
    return peak


def _first_of_each_split(images: Images, count: int) -> Images:
    sizes = {name: min(count, getattr(images, name)) for name in ("num_train", "num_validation", "num_test")}
    starts = (images.train.start, images.validation.start, images.test.start)
    chosen = [i for start, size in zip(starts, sizes.values(), strict=True) for i in range(start, start + size)]
    return replace(images, pixels_NP=images.pixels_NP[chosen], labels_N=images.labels_N[chosen], **sizes)


def _short(spec: TrialSpec, number: int) -> TrialSpec:
    """The same tensors in one epoch with one pruning step; the number keeps copies of one network apart."""
    changes = {
        "training.num_epochs": 1,
        "compression.num_pruning_steps": 1,
        "compression.first_pruning_epoch": 0,
        "compression.last_pruning_epoch": 1,
        "compression.centroid_epochs": min(1, spec.compression.centroid_epochs),
        "seeds.initialization": number,
    }
    return replace_fields(spec, changes)
