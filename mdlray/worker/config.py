"""What a worker must know that is not part of any trial, and its device."""

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


def device_of(config: WorkerConfig) -> torch.device:
    """Where this worker trains."""
    return torch.device("cuda" if config.device == "auto" and torch.cuda.is_available() else "cpu")


def load_pack_images(pack: Pack, config: WorkerConfig) -> Images:
    """The images that all members of the pack see, from the worker's own data folder."""
    spec = pack.members[0]
    return load_images(spec.data, spec.seeds.randomization, config.data, config.background_images)


@contextmanager
def released(device: torch.device, num_threads: int) -> Iterator[None]:
    """The device set up for one pack; its memory is given back afterwards."""
    torch.set_num_threads(num_threads)
    # Momentum of dead units decays into denormal numbers, which makes a pruned network's step 1.3 times slower.
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
    if device.type == "cuda":
        # The worker lives on, and so would the memory that torch keeps for it, which other packs on this GPU need.
        torch.cuda.empty_cache()
