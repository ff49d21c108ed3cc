"""How many members fit into the memory of a GPU (measured there), and how a pack is cut into pieces that fit.

Packs are planned for the whole sweep, but GPUs differ. The peak memory of a piece of m members is taken as linear in m:

    need(m) = fixed + m · per_member

The line goes through the measured peaks of two small pieces, which are trained for one epoch on few images and then
compressed and measured, too. The memory of all images and labels is added. m is the largest number whose need is at
most `SAFETY` times the free memory, and `SAFETY` times the process's share of the GPU. If memory runs out all the same,
the piece is halved, and so are later pieces. In early stopping, members compete within a piece only.
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
"""The fraction of the memory that is used for planning; fragments and the workspaces of kernels take the rest."""
PROBED = (2, 6)
"""The numbers of members of the two pieces that are measured."""
BYTES_PER_LABEL = 24
"""Bytes per label of one member: int64, a copy for a subset of the members, and an entry of the member's own order."""
TARGET_COPIES = 2
"""Copies of a teacher's logits (float32) in memory while they are concatenated from chunks."""

CONTEXT_BYTES = 600 * 2**20
"""The memory of a process before its first tensor: CUDA's context and the kernels of the libraries."""

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
        """The peak bytes of a piece of so many members."""
        return self.fixed_bytes + members * self.bytes_per_member


def need_from_peaks(few: int, few_bytes: int, more: int, more_bytes: int) -> Need:
    """The line through the peaks of `few` and of `more` members; a falling line is taken as a level one."""
    per_member = max(0, ceil_div(more_bytes - few_bytes, more - few))
    return Need(max(0, few_bytes - few * per_member), per_member)


def measure_need(networks: Sequence[TrialSpec], images: Images, peak: Peak, *, with_students: bool = False) -> Need:
    """The need of pieces of these networks, from short runs of a few networks that are spread over the list.

    Students are smaller than their ancestors, so they are not run; the memory of their images and targets is added.
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

    `share` is the process's fraction of the whole memory, not of the free memory: other packs that run on the GPU
    already use their shares.
    """
    budget = SAFETY * min(free_bytes, share * total_bytes) - need.fixed_bytes
    return max(1, int(budget // max(1, need.bytes_per_member)))


def packs_that_fit(pack_bytes: int, free_bytes: int) -> int:
    """How many packs fit at once, each in its own process; at least one, which is cut into pieces if necessary."""
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
    """The largest number of these networks in a piece on this CUDA device, measured there."""
    try:
        need = measure_need(networks, images, peak, with_students=with_students)
    except torch.OutOfMemoryError:  # not even the small pieces fit
        return 1
    return members_that_fit(need, *torch.cuda.mem_get_info(device), share)


def in_pieces(
    items: Sequence[Item],
    limit: int,
    work: Callable[[Sequence[Item]], Result],
    fail: Callable[[Sequence[Item], str], Result],
) -> list[Result]:
    """The results of `work` on pieces of at most `limit` items and of almost equal size, in order.

    If a piece runs out of GPU memory, the limit becomes half of its size. A single item that does not fit is given to
    `fail`, together with torch's message.
    """
    results: list[Result] = []
    remaining = list(items)
    while remaining:
        num_pieces = ceil_div(len(remaining), limit)
        piece = remaining[: ceil_div(len(remaining), num_pieces)]
        reason = None
        try:
            results.append(work(piece))
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error)
        # This is outside of the handler, because in there the error's traceback would still hold the tensors.
        if reason is not None:
            torch.cuda.empty_cache()
            if len(piece) > 1:
                limit = ceil_div(len(piece), 2)
                continue
            results.append(fail(piece, reason))
        remaining = remaining[len(piece) :]
    return results


def peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """The peak of the bytes that `work` allocates on a CUDA device, in addition to those allocated before."""
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
    """The trial with one epoch and one pruning step; `number` becomes its seed, so that copies of a trial differ."""
    changes = {
        "training.num_epochs": 1,
        "compression.num_pruning_steps": 1,
        "compression.first_pruning_epoch": 0,
        "compression.last_pruning_epoch": 1,
        "compression.centroid_epochs": min(1, spec.compression.centroid_epochs),
        "seeds.initialization": number,
    }
    return replace_fields(spec, changes)
