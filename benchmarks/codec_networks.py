"""The networks that codec.py codes: trained ones from `.mdl` files, and synthetic ones drawn from fixed seeds.

All coders get the same integers, codebooks and float16 numbers. `signed_levels` turns symbols into what NNCodec wants.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mdlray import codec
from mdlray.codec import CodedNetwork, CodedTensor, PlainTensor

REFERENCE = Path("results/reference/compare_pruning")
NETWORKS = Path("benchmarks/networks")
"""Trained networks that are no rows of a reference run: `small_resnet.py`, and `lenet5_985.json` (a trial)."""
RECORDS = Path("results/reference/lenet5_records")

FROM_REFERENCE = (
    ("none", "none", 0.0),
    ("magnitude", "l2", 0.9),
    ("magnitude", "l2", 0.97),
    ("magnitude", "l2", 0.99),
    ("magnitude", "l2", 0.998),
    ("magnitude", "l1", 0.9),
    ("magnitude", "l1", 0.985),
    ("obd", "l2", 0.95),
    ("obd", "l2", 0.995),
)
"""Method, regularizer and pruning ratio of 784-100-10 networks of the reference run, those of seed 0."""

LEVELS = np.array([level for level in range(-7, 9) if level])
"""Fifteen levels other than zero, drawn with P(level) ~ exp(-|level| / 3)."""

RESNET_50 = ((256, 64, 3), (512, 128, 4), (1024, 256, 6), (2048, 512, 3))
"""Outputs, inner channels and blocks of the four stages (He et al. 2016)."""


def trained_networks(more: list[Path]) -> Iterator[tuple[str, CodedNetwork]]:
    """Names and networks: of the reference runs, of NETWORKS, and of further files."""
    trials = pd.read_parquet(REFERENCE / "trials.parquet")
    for method, regularizer, ratio in FROM_REFERENCE:
        chosen = (trials["architecture"] == "dense-100") & (trials["seed"] == 0) & (trials["dataset"] == "mnist")
        chosen &= trials["pruning_ratio"] == ratio
        chosen &= (trials["method"] == method) & (trials["regularizer"] == regularizer)
        (trial,) = trials["trial_id"][chosen]
        name = f"784-100-10, {method} {regularizer}, {ratio:.1%}" if ratio else "784-100-10, unpruned"
        yield name, codec.decode((REFERENCE / "models" / f"{trial}.mdl").read_bytes())
    records = pd.read_parquet(RECORDS / "trials.parquet")
    good = records[(records["status"] == "ok") & (records["test_accuracy"] >= 0.99)]
    for trial in good.sort_values("compressed_bytes")["trial_id"][:1]:
        yield "LeNet-5, smallest at 1.0 %", codec.decode((RECORDS / "models" / f"{trial}.mdl").read_bytes())
    for path in [*sorted(NETWORKS.glob("*.mdl")), *more]:
        yield path.stem, codec.decode(path.read_bytes())


def synthetic_networks() -> Iterator[tuple[str, CodedNetwork]]:
    """Names and networks of one tensor each."""
    yield "300×784, 95 % zeros", one_tensor(drawn((300, 784), 0.05, seed=1))
    yield "300×784, 98.5 % zeros", one_tensor(drawn((300, 784), 0.015, seed=2))
    yield "300×784, 95 %, bell-shaped", one_tensor(drawn((300, 784), bell(0.05), seed=3))
    yield "100×784, 99 % zeros", one_tensor(drawn((100, 784), 0.01, seed=4))
    yield "100×784, 99.8 % zeros", one_tensor(drawn((100, 784), 0.002, seed=5))


def bell(mean: float) -> NDArray[np.float64]:
    """Densities of 784 pixels, a Gaussian of standard deviation 6 around the middle of the image, of a given mean."""
    offsets = np.arange(28) - 13.5
    density = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * 6**2)).ravel()
    return density * (mean / density.mean())


def drawn(shape: tuple[int, ...], density: float | NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """Symbols, each independently other than zero with a probability given for all or per input."""
    chance = np.random.default_rng(seed)
    shares = np.exp(-np.abs(LEVELS) / 3)
    values = chance.choice(len(LEVELS), size=shape, p=shares / shares.sum()) + 1
    return np.where(chance.random(shape) < density, values, 0)


def one_tensor(symbols: NDArray[np.int64]) -> CodedNetwork:
    """A network of one tensor whose levels are equally spaced."""
    return CodedNetwork("x", (), 0.0, 1.0, (CodedTensor(symbols, (LEVELS / 32).astype(np.float16)),))


def large_network(width: float, dense: bool, seed: int = 9) -> CodedNetwork:
    """ResNet-50's shapes with a share `width` of the channels: 95 % zeros and 15 levels, or 16 levels and no zeros."""
    chance = np.random.default_rng(seed)
    tensors: list[CodedTensor | PlainTensor] = []
    borders = np.linspace(-2.4, 2.4, 15)  # of Gaussian weights, near what k-means finds for 16 levels
    for shape in resnet_50_shapes(width):
        if dense:
            symbols = np.searchsorted(borders, chance.standard_normal(shape, dtype=np.float32)).astype(np.uint8) + 1
            codebook = np.linspace(-2.6, 2.6, 16).astype(np.float16)
        else:
            symbols = drawn(shape, 0.05, seed + len(tensors)).astype(np.uint8)
            codebook = (LEVELS / 32).astype(np.float16)
        tensors.append(CodedTensor(symbols.astype(np.uint8), codebook))
    return CodedNetwork("resnet50", (), 0.0, 1.0, tuple(tensors))


def resnet_50_shapes(width: float) -> list[tuple[int, ...]]:
    """Shapes of the weights (outputs, inputs, height, width), the linear layer last."""
    before = round(64 * width)
    shapes: list[tuple[int, ...]] = [(before, 3, 7, 7)]
    for full_outputs, full_inner, blocks in RESNET_50:
        outputs, inner = round(full_outputs * width), round(full_inner * width)
        for block in range(blocks):
            shapes += [(inner, before, 1, 1), (inner, inner, 3, 3), (outputs, inner, 1, 1)]
            shapes += [(outputs, before, 1, 1)] if block == 0 else []
            before = outputs
    return [*shapes, (1000, before)]


def signed_levels(tensor: CodedTensor) -> NDArray[np.int32]:
    """0 for zero, and -1, -2 … and 1, 2 … for the codebook's negative and other entries by their rank from zero."""
    ranks = np.argsort(np.argsort(tensor.codebook, kind="stable")) - int((tensor.codebook < 0).sum())
    levels = np.where(ranks < 0, ranks, ranks + 1)
    return np.concatenate([[0], levels]).astype(np.int32)[tensor.symbols]


def write_integers(path: Path, network: CodedNetwork) -> None:
    """The file that nncodec_sizes.py reads."""
    coded = [tensor for tensor in network.tensors if isinstance(tensor, CodedTensor)]
    floats = [t.codebook if isinstance(t, CodedTensor) else t.values.ravel() for t in network.tensors]
    arrays = {f"weights_{number}": signed_levels(tensor) for number, tensor in enumerate(coded)}
    np.savez(path, **arrays, **{f"floats_{n}": f.view(np.uint16) for n, f in enumerate(floats) if f.size})
