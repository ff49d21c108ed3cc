"""The small ResNet of codec.py: trained on CIFAR-10, pruned to 90 % and 95 % zeros, 16 levels per layer, as files.

    python benchmarks/small_resnet.py DATA [--epochs 10] [--retraining 2] [--out benchmarks/networks]
    python benchmarks/small_resnet.py DATA --evaluate benchmarks/networks/resnet8_95.mdl

DATA holds `train.parquet` and `test.parquet` with columns `img` (its field `bytes`: a picture of 32×32 pixels as JPEG
or PNG) and `label`. The network is a ResNet-8 (He et al. 2016, section 4.2, one block per stage of 16, 32 and 64
channels, 1×1 convolutions where a stage begins): 77,360 weights. It is trained by SGD with flips and shifts; then the
smallest weights of all layers together are removed in steps with retraining between and after them, and each layer is
quantized by `mdlray.compression.quantize`. BatchNorm's scales, shifts and running statistics and biases are float16.
The accuracy that is noted is that of the network in the decoded file, on all of the test set, which chooses nothing.

Axes: B pictures of a batch, C channels, H and W pixels.
"""

import argparse
import io
import json
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from mdlray import codec
from mdlray.codec import CodedNetwork, CodedTensor, PlainTensor
from mdlray.compression import quantize

FAMILY = "resnet8"
CHANNELS = (16, 32, 64)
LEVELS = 16
BATCH_SIZE = 128
STEPS_OF_PRUNING = {0.9: (0.6, 0.8, 0.9), 0.95: (0.93, 0.95)}
"""Fractions of zeros after each step on the way to a saved network, continuing from the one before."""
PIXEL_MEAN, PIXEL_STD = float(np.float16(120.7)), float(np.float16(64.1))
"""Of all training pixels, rounded: one mean and one standard deviation for the three colors."""


class Block(nn.Module):
    """Two 3×3 convolutions with BatchNorm, and the way around them."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.around = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        inner_BCHW = functional.relu(self.first_norm(self.first(x_BCHW)))
        return functional.relu(self.second_norm(self.second(inner_BCHW)) + self.around(x_BCHW))


class ResNet8(nn.Module):
    """Pixels from 0 to 255, normalized inside, to ten logits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, CHANNELS[0], 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(CHANNELS[0])
        widths = zip((CHANNELS[0], *CHANNELS), CHANNELS, (1, 2, 2), strict=False)
        self.blocks = nn.Sequential(*(Block(inputs, outputs, stride) for inputs, outputs, stride in widths))
        self.head = nn.Linear(CHANNELS[-1], 10)

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        x_BCHW = (pixels_BCHW - PIXEL_MEAN) / PIXEL_STD
        x_BCHW = functional.relu(self.stem_norm(self.stem(x_BCHW)))
        return self.head(self.blocks(x_BCHW).mean((2, 3)))


def read_split(path: Path) -> tuple[Tensor, Tensor]:
    """Pictures as bytes (B, 3, 32, 32) and labels (B,)."""
    table = pq.read_table(path)
    pictures = table["img"].combine_chunks().field("bytes").to_pylist()
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")) for picture in pictures])
    return torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()), torch.from_numpy(table["label"].to_numpy().copy())


def augmented(pixels_BCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Each picture shifted by up to 4 pixels (zeros come in) and mirrored half of the time."""
    size = len(pixels_BCHW)
    padded = functional.pad(pixels_BCHW, (4, 4, 4, 4))
    mirrored = torch.rand(size, generator=generator) < 0.5
    padded[mirrored] = padded[mirrored].flip(3)
    rows, columns = torch.randint(0, 9, (2, size, 1), generator=generator) + torch.arange(32)
    picture = torch.arange(size)[:, None, None]
    return padded.permute(0, 2, 3, 1)[picture, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def weights_of(network: nn.Module) -> list[nn.Parameter]:
    """What is pruned and quantized: everything with two dimensions or more."""
    return [parameter for parameter in network.parameters() if parameter.dim() > 1]


def train(
    network: ResNet8,
    masks: list[Tensor],
    train_set: tuple[Tensor, Tensor],
    epochs: int,
    peak_rate: float,
    generator: torch.Generator,
) -> None:
    """SGD with a learning rate that rises for a fifth of the steps and falls to zero; masked weights stay zero."""
    pixels, labels = train_set
    optimizer = torch.optim.SGD(network.parameters(), lr=peak_rate, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps = len(pixels) // BATCH_SIZE
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, peak_rate, total_steps=steps * epochs, pct_start=0.2, cycle_momentum=False
    )
    network.train()
    for epoch in range(epochs):
        begun, correct = time.perf_counter(), 0
        for batch in torch.randperm(len(pixels), generator=generator)[: steps * BATCH_SIZE].split(BATCH_SIZE):
            logits = network(augmented(pixels[batch], generator).float())
            functional.cross_entropy(logits, labels[batch]).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            with torch.no_grad():
                for weight, mask in zip(weights_of(network), masks, strict=True):
                    weight.mul_(mask)
            correct += int((logits.argmax(1) == labels[batch]).sum())
        seconds = time.perf_counter() - begun
        print(f"  epoch {epoch + 1}: training accuracy {correct / steps / BATCH_SIZE:.4f}, {seconds:.1f} s", flush=True)


@torch.no_grad()
def prune(network: ResNet8, sparsity: float) -> list[Tensor]:
    """Masks of the largest weights of all layers together, exactly round(sparsity · n) zeros; applied at once."""
    weights = weights_of(network)
    sizes = torch.cat([weight.abs().flatten() for weight in weights])
    kept = torch.ones_like(sizes)
    kept[sizes.argsort(stable=True)[: round(sparsity * len(sizes))]] = 0
    masks = [m.view_as(w) for m, w in zip(kept.split([w.numel() for w in weights]), weights, strict=True)]
    for weight, mask in zip(weights, masks, strict=True):
        weight.mul_(mask)
    return masks


@torch.no_grad()
def accuracy(network: ResNet8, test_set: tuple[Tensor, Tensor]) -> float:
    """Share of the pictures whose label has the largest logit."""
    network.eval()
    batches = zip(test_set[0].split(1000), test_set[1].split(1000), strict=True)
    return sum(int((network(p.float()).argmax(1) == labels).sum()) for p, labels in batches) / len(test_set[0])


def coded(network: ResNet8) -> CodedNetwork:
    """The network as symbols, codebooks and float16 values, in the order of its state."""
    tensors: list[CodedTensor | PlainTensor] = []
    for name, value in network.state_dict().items():
        if value.dim() > 1:
            quantized = quantize(value.numpy(), LEVELS)
            tensors.append(CodedTensor(quantized.symbols, quantized.codebook))
        elif not name.endswith("num_batches_tracked"):
            tensors.append(PlainTensor(value.numpy().astype(np.float16)))
    return CodedNetwork(FAMILY, (3, *CHANNELS, 10), PIXEL_MEAN, PIXEL_STD, tuple(tensors))


def built(decoded: CodedNetwork) -> ResNet8:
    """The way back from `coded`."""
    network = ResNet8()
    names = [name for name in network.state_dict() if not name.endswith("num_batches_tracked")]
    values = [t.weights if isinstance(t, CodedTensor) else t.values for t in decoded.tensors]
    state = {name: torch.from_numpy(v.astype(np.float32)) for name, v in zip(names, values, strict=True)}
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)
    return network


def main() -> None:
    """Train, prune, quantize, write, decode, measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--retraining", type=int, default=2, help="epochs after each step of pruning")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/networks"))
    parser.add_argument("--evaluate", type=Path, nargs="*", help="files to measure instead of training")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    test_set = read_split(arguments.data / "test.parquet")
    if arguments.evaluate:
        for path in arguments.evaluate:
            network = built(codec.decode(path.read_bytes()))
            print(f"{path.name}: test accuracy {accuracy(network, test_set):.4f}")
        return
    train_set = read_split(arguments.data / "train.parquet")
    torch.manual_seed(arguments.seed)  # of the initialization; batches and pictures have a generator of their own
    network, generator = ResNet8(), torch.Generator().manual_seed(arguments.seed)
    train(network, prune(network, 0.0), train_set, arguments.epochs, 0.2, generator)
    notes = {"dense": {"test_accuracy": accuracy(network, test_set)}}
    print(notes, flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for final, steps in STEPS_OF_PRUNING.items():
        for sparsity in steps:
            print(f"{sparsity:.0%} zeros", flush=True)
            train(network, prune(network, sparsity), train_set, arguments.retraining, 0.05, generator)
        path = arguments.out / f"{FAMILY}_{100 * final:.0f}.mdl"
        path.write_bytes(codec.encode(coded(network)).blob)
        decoded = built(codec.decode(path.read_bytes()))
        notes[path.name] = {
            "zeros": final,
            "test_accuracy_before_quantization": accuracy(network, test_set),
            "test_accuracy": accuracy(decoded, test_set),
        }
        print(path.name, path.stat().st_size, "bytes", notes[path.name], flush=True)
    (arguments.out / "small_resnet.json").write_text(json.dumps(notes, indent=1) + "\n")


if __name__ == "__main__":
    main()
