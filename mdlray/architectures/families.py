"""The tensors of our four families: each is a function from sizes to tensors; ValueError for sizes that are no network.

Every layer is a weight and a bias. The modules of `mdlray.models` say what the layers compute.
"""

import math
from collections.abc import Callable, Iterable

from mdlray.architectures.tensors import PLAIN, WEIGHT, Sizes, TensorSpec

LENET5_KERNEL = 5
"""Pixels along an edge of LeNet-5's kernels. Its maxima are taken over squares of 2 x 2."""
MAX_VIRTUAL = 2**28
"""The largest number of virtual weights of all layers of a hashed network together."""


def dense(sizes: Sizes) -> list[TensorSpec]:
    """Sizes are (inputs, units ..., classes)."""
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"a dense network needs at least two layer sizes of at least 1, not {sizes}.")
    return _layers(_dense_names(len(sizes) - 1), zip(sizes[1:], sizes, strict=False), sizes[1:])


def lenet5(sizes: Sizes) -> list[TensorSpec]:
    """Sizes are (pixels of a square, filters, filters, units ..., classes)."""
    side = _side(sizes)
    if len(sizes) < 4 or min(sizes) < 1 or side < 16:
        raise ValueError(
            f"lenet5 has sizes {sizes}; they must be the pixels of a square image of at least 16 x 16, two numbers "
            "of filters, units of hidden layers (or none) and the classes, e.g. (784, 20, 50, 500, 10): "
            "hidden_units=(20, 50, 500)."
        )
    _, first, second, *units = sizes
    for _ in range(2):
        side = (side - LENET5_KERNEL + 1) // 2
    kernels = [(first, 1, LENET5_KERNEL, LENET5_KERNEL), (second, first, LENET5_KERNEL, LENET5_KERNEL)]
    matrices = zip(units, (second * side**2, *units), strict=False)
    return _layers(["conv_1", "conv_2", *_dense_names(len(units))], [*kernels, *matrices], sizes[1:])


def convnet(sizes: Sizes) -> list[TensorSpec]:
    """Sizes are (pixels of a square, channels, kernel_size, stride, pool_size, classes)."""
    side = _side(sizes)
    if len(sizes) == 6 and min(sizes) > 0 and side >= sizes[2]:
        _, channels, kernel, stride, pool, classes = sizes
        pooled = ((side - kernel) // stride + 1) // pool
        if pooled:
            shapes = [(channels, 1, kernel, kernel), (classes, channels * pooled**2)]
            return _layers(["conv_1", "output"], shapes, (channels, classes))
    raise ValueError(
        f"convnet has sizes {sizes}, which is no network; a convnet network needs six sizes of at least 1 (pixels of a "
        "square, channels, kernel_size, stride, pool_size, classes): one number of channels, e.g. hidden_units=(8,), "
        "and a kernel and maxima that fit into the image: (edge - kernel_size) // stride + 1 places along an edge, "
        "at least pool_size of them."
    )


def hashed(sizes: Sizes) -> list[TensorSpec]:
    """Sizes are (inputs, units ..., classes, buckets of each layer ..., hash_seed)."""
    units, buckets, _ = parts_of_hashed(sizes)
    return _layers(_dense_names(len(buckets)), [(1, count) for count in buckets], units[1:])


def parts_of_hashed(sizes: Sizes) -> tuple[Sizes, Sizes, int]:
    """The three parts of the sizes: units of all layers (inputs first), buckets of each layer, the seed of the hash."""
    num_layers = len(sizes) // 2 - 1
    units, buckets = sizes[: num_layers + 1], sizes[num_layers + 1 : -1]
    virtual = [inputs * outputs for inputs, outputs in zip(units, units[1:], strict=False)]
    if (
        len(sizes) < 4
        or len(sizes) % 2
        or min(units) < 1
        or sum(virtual) > MAX_VIRTUAL
        or not all(1 <= few <= many for few, many in zip(buckets, virtual, strict=True))
    ):
        raise ValueError(
            f"hashed has sizes {sizes}; a hashed network needs two or more layer sizes of at least 1 (at most "
            f"{MAX_VIRTUAL} virtual weights), for each layer a number of buckets from 1 to that of its virtual "
            "weights, and the hash's seed, e.g. (784, 100, 10, 7840, 100, 0)."
        )
    return units, buckets, sizes[-1]


ARCHITECTURES: dict[str, Callable[[Sizes], list[TensorSpec]]] = {
    "dense": dense,
    "lenet5": lenet5,
    "convnet": convnet,
    "hashed": hashed,
}


def _dense_names(num_layers: int) -> list[str]:
    return [f"hidden_{number}" for number in range(1, num_layers)] + ["output"]


def _layers(names: list[str], weights: Iterable[tuple[int, ...]], units: Sizes) -> list[TensorSpec]:
    """For each layer its weight and the biases of its units."""
    return [
        tensor
        for name, shape, count in zip(names, weights, units, strict=True)
        for tensor in (TensorSpec(f"{name}.weight", shape, WEIGHT), TensorSpec(f"{name}.bias", (count,), PLAIN))
    ]


def _side(sizes: Sizes) -> int:
    """The number of pixels along an edge of the image; 0 if it is not a square."""
    side = math.isqrt(max(sizes[0], 0)) if sizes else 0
    return side if sizes and side**2 == sizes[0] else 0
