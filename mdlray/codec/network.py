"""A compressed network as a value: what `encode` writes into a `.mdl` file, and what `decode` returns.

    CodedTensor   symbols 0 … K and a codebook of K float16: symbol 0 is an exact zero, symbol k is codebook[k - 1]
    PlainTensor   float16 numbers as they are (biases)
    CodedNetwork  family, layer sizes, normalization of the input, tensors in the family's order

This module knows no bytes of the file. Arrays are compared by their bit patterns: -0.0 differs from 0.0, and a NaN
equals itself.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

MAX_LEVELS = 4096
"""The largest number of entries of a codebook."""
MAX_WEIGHTS = 2**28
"""The largest number of values (zeros included) of all tensors of one network together."""
MAX_SIDE = 2**22
"""The largest number of rows, and of columns, of a coded tensor as a matrix."""
MAX_DIMENSIONS = 32
"""The largest number of dimensions of a tensor."""
MAX_LAYER_SIZES = 128
"""The largest number of entries of `CodedNetwork.shape`."""

Float16s: TypeAlias = NDArray[np.float16]
Symbols: TypeAlias = NDArray[Any]


@dataclass(frozen=True, eq=False)
class CodedTensor:
    """Weights that take few different values: shape (outputs, inputs) or (outputs, inputs, height, width)."""

    symbols: Symbols
    """Integers from 0 to K with at least two dimensions; 0 is a weight that is zero."""
    codebook: Float16s
    """Shape (K,), K from 0 to MAX_LEVELS; symbol k stands for codebook[k - 1]."""

    def __post_init__(self) -> None:
        _require(self.codebook.dtype == np.float16, f"codebook has dtype {self.codebook.dtype}, it must be float16")
        _require(self.codebook.ndim == 1, f"codebook has shape {self.codebook.shape}, it must be (levels,)")
        _require(len(self.codebook) <= MAX_LEVELS, f"codebook has {len(self.codebook)} levels, at most {MAX_LEVELS}")
        _require(self.symbols.dtype.kind in "iu", f"symbols have dtype {self.symbols.dtype}, they must be integers")
        _check_dimensions("symbols", self.symbols.shape, least=2)
        rows, columns = self.symbols.shape[0], math.prod(self.symbols.shape[1:])
        _require(
            max(rows, columns) <= MAX_SIDE,
            f"symbols are a matrix of {rows} x {columns}, at most {MAX_SIDE} of either: split the tensor",
        )
        if self.symbols.size:
            low, high = int(self.symbols.min()), int(self.symbols.max())
            _require(
                low >= 0 and high <= len(self.codebook),
                f"symbols run from {low} to {high}, they must lie between 0 and {len(self.codebook)} (the codebook)",
            )

    @property
    def shape(self) -> tuple[int, ...]:
        return self.symbols.shape

    @property
    def weights(self) -> Float16s:
        """The weights that the symbols stand for, float16, in the shape of the symbols."""
        return np.concatenate([np.zeros(1, np.float16), self.codebook])[self.symbols]


@dataclass(frozen=True, eq=False)
class PlainTensor:
    """Numbers without a codebook, e.g. biases."""

    values: Float16s
    """At least one dimension."""

    def __post_init__(self) -> None:
        _require(self.values.dtype == np.float16, f"values have dtype {self.values.dtype}, they must be float16")
        _check_dimensions("values", self.values.shape, least=1)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape


@dataclass(frozen=True, eq=False)
class CodedNetwork:
    """Everything the receiver needs to run the network."""

    family: str
    """A name, e.g. `dense`. A name in `header.FAMILIES` costs one byte and implies the shapes of the tensors."""
    shape: tuple[int, ...]
    """The family's sizes (`mdlray.architectures`), e.g. (784, 100, 10) for `dense`."""
    pixel_mean: float
    """It is subtracted from every pixel (scaled to 0 … 1); a float16 number."""
    pixel_std: float
    """The difference is divided by it; a float16 number."""
    tensors: tuple[CodedTensor | PlainTensor, ...]
    """All tensors in the family's order, e.g. `dense`: weight (outputs, inputs) and bias (outputs,) of each layer."""

    def __post_init__(self) -> None:
        _require(0 < len(self.family.encode()) < 256, f"family is {self.family!r}, it must have 1 to 255 bytes")
        _require(len(self.shape) <= MAX_LAYER_SIZES, f"shape has {len(self.shape)} sizes, at most {MAX_LAYER_SIZES}")
        _require(all(0 <= size <= MAX_WEIGHTS for size in self.shape), f"shape is {self.shape}, sizes must be 0 … 2^28")
        for name in ("pixel_mean", "pixel_std"):
            number = getattr(self, name)
            exact = abs(number) < 65520 and float(np.float16(number)) == number
            _require(exact, f"{name} is {number!r}, it must be a finite float16 number: round it first")
        num_values = sum(math.prod(tensor.shape) for tensor in self.tensors)
        _require(num_values <= MAX_WEIGHTS, f"the network has {num_values} values, at most {MAX_WEIGHTS} can be coded")


def identical(first: CodedNetwork, second: CodedNetwork) -> bool:
    """Whether two networks agree in every field, bit for bit; only the integer types of their symbols may differ."""
    plain = ("family", "shape", "pixel_mean", "pixel_std")
    return (
        [repr(getattr(first, name)) for name in plain] == [repr(getattr(second, name)) for name in plain]
        and len(first.tensors) == len(second.tensors)
        and all(_identical_tensors(a, b) for a, b in zip(first.tensors, second.tensors, strict=True))
    )


def _identical_tensors(a: CodedTensor | PlainTensor, b: CodedTensor | PlainTensor) -> bool:
    if isinstance(a, CodedTensor) and isinstance(b, CodedTensor):
        return np.array_equal(a.symbols, b.symbols) and _same_bits(a.codebook, b.codebook)
    if isinstance(a, PlainTensor) and isinstance(b, PlainTensor):
        return _same_bits(a.values, b.values)
    return False


def _same_bits(a: Float16s, b: Float16s) -> bool:
    return a.shape == b.shape and a.tobytes() == b.tobytes()


def _check_dimensions(name: str, shape: Iterable[int], least: int) -> None:
    sizes = tuple(shape)
    _require(
        least <= len(sizes) <= MAX_DIMENSIONS and all(size <= MAX_WEIGHTS for size in sizes),
        f"{name} have shape {sizes}, there must be {least} to {MAX_DIMENSIONS} dimensions of at most 2^28",
    )


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message + ".")
