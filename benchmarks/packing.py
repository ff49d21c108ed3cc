"""How much faster are packs? The usual training loop against stacked packs, on the same work, in one run.

    python benchmarks/packing.py [--device cuda] [--sizes 1 5 20 70 500] [--rounds 3]

The work: 784-100-10, batches of 128, SGD with momentum and weight decay, on random pictures. The usual loop is what a
paper's script does: nn.Module, DataLoader over float tensors, optim.SGD. Rounds alternate between all contestants, so
that a slow spell of the machine hits all of them; the median of the rounds counts. Reported per contestant:
member-steps per second, the ratio to the usual loop, and the rate of multiply-adds as a fraction of what one large
matrix product reaches on this machine in the same run.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from mdlray.models import get_family
from mdlray.spec import TrialSpec, replace_fields
from mdlray.training import Examples, fit

BATCH, NUM_EXAMPLES, SIZES = 128, 12_800, (784, 100, 10)
# Forward and weight gradients of both layers, input gradient of the second; a multiply-add is two operations.
FLOP_PER_MEMBER_STEP = 2 * BATCH * (2 * 784 * 100 + 3 * 100 * 10)


def synchronize(device: torch.device) -> None:
    """Wait for the device, so that the clock sees its work."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def usual_loop(pixels: torch.Tensor, labels: torch.Tensor, device: torch.device) -> int:
    """One epoch as it is usually written; returns member-steps."""
    inputs = (pixels.float() / 255 - 0.13) / 0.31
    network = nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10)).to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    steps = 0
    for x, y in DataLoader(TensorDataset(inputs, labels), batch_size=BATCH, shuffle=True, drop_last=True):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x.to(device)), y.to(device)).backward()
        optimizer.step()
        steps += 1
    return steps


def pack(members: int, own_orders: bool, pixels: torch.Tensor, labels: torch.Tensor, device: torch.device) -> int:
    """One epoch of a stacked pack; returns member-steps."""
    settings = {
        "training.num_epochs": 1,
        "training.batch_size": BATCH,
        "training.regularizer": "l2",
        "training.regularizer_strength": 1e-4,
    }
    specs = [
        replace_fields(TrialSpec(), settings | {"seeds.initialization": m, "seeds.data_order": m if own_orders else 0})
        for m in range(members)
    ]
    examples = Examples(pixels.to(device), labels.to(device).expand(members, -1), 0.13, 0.31)
    few = Examples(examples.pixels_NP[:1], examples.labels_MN[:, :1], 0.13, 0.31)
    fit(get_family("dense"), SIZES, specs, examples, few, lambda *_: None)
    return members * (NUM_EXAMPLES // BATCH)


def matrix_rate(device: torch.device) -> float:
    """Operations per second of one large float32 product."""
    size = 8192 if device.type == "cuda" else 2048
    a = torch.randn(size, size, device=device)
    rates = []
    for _ in range(5):
        synchronize(device)
        started = time.perf_counter()
        a @ a
        synchronize(device)
        rates.append(2 * size**3 / (time.perf_counter() - started))
    return max(rates)


def main() -> None:
    """Time everything, print a table in Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 5, 20, 70])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (NUM_EXAMPLES, 784), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 10, (NUM_EXAMPLES,), generator=generator)
    contestants: dict[str, Callable[[], int]] = {"usual loop": lambda: usual_loop(pixels, labels, device)}
    for size in arguments.sizes:
        for own in (False, True) if size > 1 else (False,):
            name = f"pack of {size}" + (", own data orders" if own else "")
            contestants[name] = lambda size=size, own=own: pack(size, own, pixels, labels, device)  # type: ignore[misc]
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(arguments.rounds + 1):
        for name, run in contestants.items():
            synchronize(device)
            started = time.perf_counter()
            steps = run()
            synchronize(device)
            if turn:  # the first turn warms up
                seconds[name].append((time.perf_counter() - started) / steps)
    peak = matrix_rate(device)
    usual = statistics.median(seconds["usual loop"])
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"{where}; torch {torch.__version__}; one large product: {peak / 1e9:,.0f} GFLOP/s\n")
    print("| contestant | µs per member-step | member-steps/s | times the usual loop | of the product rate |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, values in seconds.items():
        each = statistics.median(values)
        share = FLOP_PER_MEMBER_STEP / each / peak
        print(f"| {name} | {1e6 * each:,.1f} | {1 / each:,.0f} | {usual / each:.2f} | {100 * share:.1f} % |")


if __name__ == "__main__":
    main()
