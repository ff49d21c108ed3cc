"""The settings of a worker that are not part of any trial, and its device."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from mdlray.data import Images, load_images
from mdlray.planning import Halving, Pack
from mdlray.planning.definitions import Definitions

Load = Callable[[], Images]


@dataclass(frozen=True)
class WorkerConfig:
    """The settings of a worker that are not part of any trial."""

    data: Path | None = None
    """Root of the data sets in torchvision's layout."""
    background_images: Path | None = None
    """Folder of photographs for the data sets `*_background_images`; None for the two photographs of scikit-learn."""
    device: str = "cpu"
    """`cpu`, or `auto`, which means CUDA if the machine has it and else the CPU."""
    num_threads: int = 1
    """CPU threads of a matrix product; with the same number of threads, results are equal to the bit."""
    definitions: Definitions = Definitions()
    """The sweep's file, which may add entries to the registries, and the files of its folder that it needs."""
    halving: Halving | None = None
    """How the worse networks of a pack are stopped early (`Sweep.halving`)."""
    gpu_share: float = 1.0
    """Fraction of a GPU's memory that this process may use: 1/k if k packs share the GPU."""
    checkpoint_seconds: float = 600.0
    """Shortest time between two checkpoints."""


def device_of(config: WorkerConfig) -> torch.device:
    """The device on which this worker trains."""
    return torch.device("cuda" if config.device == "auto" and torch.cuda.is_available() else "cpu")


def load_pack_images(pack: Pack, config: WorkerConfig) -> Images:
    """The images of the pack, which all its trials share, read from the worker's own data folder."""
    spec = pack.members[0]
    return load_images(spec.data, spec.seeds.randomization, config.data, config.background_images)


@contextmanager
def released(device: torch.device, num_threads: int) -> Iterator[None]:
    """Set up the device for one pack, and release its memory afterwards."""
    torch.set_num_threads(num_threads)
    # The momentum of dead units decays to denormal numbers, and these make a step of a pruned network 1.3 times slower.
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
    if device.type == "cuda":
        # The worker's process lives on, and torch would keep the memory, which other packs on this GPU need.
        torch.cuda.empty_cache()
