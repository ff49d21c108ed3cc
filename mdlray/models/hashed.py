"""HashedNets (Chen, Wilson, Tyree, Weinberger and Chen 2015): dense networks whose weights share a few stored values.

    V_l[j, i] = ξ_l(j, i) · w_l[h_l(j, i)],   z_l = V_l a_{l-1} + b_l,   a_l = max(z_l, 0)

A layer of O units with I inputs has K buckets w_l. A hash says which bucket the virtual weight V[j, i] uses, and with
which sign. A file stores the buckets and the biases only, because the receiver computes the same hash. With layers
counted from 0,

    d = xxh64(j, i as little-endian unsigned 32-bit numbers, seed = 256 · hash_seed + l)
    ξ = 1 - 2 · (d mod 2),   h = (d // 2) mod K

Sizes are (pixels, units ..., classes, K of each layer ..., hash_seed): (784, 100, 10, 7840, 100, 0) has two layers. A
layer has K = max(1, round(bucket_fraction · O · I)) buckets. The "inflation" of the paper, a network e times as wide in
the space of one with 100 units, is hidden_units=(100 * e,) with bucket_fraction=1 / e.

The gradient of a bucket is the sum over its virtual weights, with their signs. The forward pass looks virtual weights
up in (w, -w), the buckets followed by the negated buckets. So the forward pass is one gather and the backward pass is
one scatter, which is faster than sparse products, sorted segments and bags of embeddings.

Axes: M members, B examples, P pixels, O units out, I units in, K buckets, V virtual weights (O · I).
"""

import struct
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
import xxhash
from torch import Tensor

from mdlray.architectures import Sizes
from mdlray.architectures.families import MAX_VIRTUAL, parts_of_hashed
from mdlray.models import dense
from mdlray.models.curvature import curvature_of
from mdlray.models.family import Dropout, Family, Parameters, described, needs_sizes
from mdlray.spec import ModelSpec

MAX_BUCKETS = 2**22
"""The largest number of buckets of a layer, because a tensor in a file has at most so many columns."""
MAX_LAYERS = 63
"""The largest number of layers, because a file has room for 128 sizes."""


def sizes_of(model: ModelSpec, num_pixels: int, num_classes: int) -> Sizes:
    """(pixels, units ..., classes, buckets ..., hash_seed); ValueError if a file could not hold the network."""
    units = (num_pixels, *model.hidden_units, num_classes)
    virtual = [i * o for i, o in zip(units, units[1:], strict=False)]
    if sum(virtual) > MAX_VIRTUAL:
        raise ValueError(
            f"hashed has {sum(virtual)} virtual weights with hidden_units={model.hidden_units}; at most {MAX_VIRTUAL} "
            "can be coded: lower hidden_units."
        )
    buckets = [max(1, round(model.bucket_fraction * number)) for number in virtual]
    if max(buckets) > MAX_BUCKETS or len(buckets) > MAX_LAYERS:
        raise ValueError(
            f"hashed has {buckets} buckets with bucket_fraction={model.bucket_fraction} and hidden_units="
            f"{model.hidden_units}; at most {MAX_BUCKETS} in each of at most {MAX_LAYERS} layers can be coded: lower "
            "bucket_fraction or hidden_units."
        )
    return (*units, *buckets, model.hash_seed)


def fans(sizes: Sizes) -> list[int]:
    """Inputs of a unit in each layer: its virtual weights, not the buckets behind them."""
    return [inputs for inputs in parts_of_hashed(sizes)[0][:-1] for _ in ("weight", "bias")]


def with_sizes(sizes: Sizes) -> Family:
    """The family for these sizes: its forward pass knows the hash."""
    units, buckets, hash_seed = parts_of_hashed(sizes)

    def forward(parameters: Parameters, inputs: Tensor, dropout: Dropout | None = None) -> Tensor:
        return dense.forward(virtual_parameters(parameters, units, hash_seed), inputs, dropout)

    def curvature(parameters: Parameters, inputs_BP: Tensor) -> Parameters:
        numbers = sum(2 * i * o for i, o in zip(units, units[1:], strict=False))
        return curvature_of(forward, parameters, range(0, len(parameters), 2), inputs_BP, numbers)

    return replace(HASHED, forward=forward, own_curvature=curvature)


def virtual_parameters(parameters: Parameters, units: Sizes, hash_seed: int) -> Parameters:
    """The dense network that buckets (M, 1, K) and biases (M, O) stand for: weights (M, O, I) and the same biases."""
    virtual: Parameters = []
    for layer, (inputs, outputs) in enumerate(zip(units, units[1:], strict=False)):
        bucket_MK, bias_MO = parameters[2 * layer].flatten(1), parameters[2 * layer + 1]
        place_V = places(outputs, inputs, bucket_MK.shape[1], 256 * hash_seed + layer, bucket_MK.device)
        both = torch.cat([bucket_MK, -bucket_MK], dim=1)
        virtual += [both.index_select(1, place_V).view(-1, outputs, inputs), bias_MO]
    return virtual


@lru_cache(maxsize=64)
def places(outputs: int, inputs: int, num_buckets: int, seed: int, device: torch.device) -> Tensor:
    """The index of each virtual weight, row by row, in (buckets, negated buckets).

    An index takes 8 bytes, and computing it needs no more memory: digests are made one by one.
    """
    digests = (
        xxhash.xxh64_intdigest(struct.pack("<II", j, i), seed=seed) for j in range(outputs) for i in range(inputs)
    )
    indices = ((d >> 1) % num_buckets + (d & 1) * num_buckets for d in digests)
    return torch.from_numpy(np.fromiter(indices, np.int64, outputs * inputs)).to(device)


shapes, layer_names = described("hashed")

HASHED = Family(
    "hashed",
    shapes,
    layer_names,
    needs_sizes,
    sizes=sizes_of,
    with_sizes=with_sizes,
    fans=fans,
    own_fields=("bucket_fraction", "hash_seed"),
)
