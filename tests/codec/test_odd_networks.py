"""Networks nobody trains but the types allow: codebooks, integer types, memory orders and shapes at their limits."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mdlray import codec
from mdlray.codec import MAX_LEVELS, CodedNetwork, CodedTensor, PlainTensor


def survives(*tensors: CodedTensor | PlainTensor) -> int:
    """Bytes of the file of a network of these tensors, which decodes to the same and is coded to the same again."""
    network = CodedNetwork("odd", (), 0.0, 1.0, tensors)
    before = [tensor.symbols.copy() for tensor in tensors if isinstance(tensor, CodedTensor)]
    blob = codec.encode(network).blob
    after = [tensor.symbols for tensor in tensors if isinstance(tensor, CodedTensor)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))  # what is encoded is left alone
    decoded = codec.decode(blob)
    assert codec.identical(decoded, network)
    assert codec.encode(decoded).blob == blob
    return len(blob)


def drawn(shape: tuple[int, ...], levels: int, density: float = 0.5, seed: int = 0) -> NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    symbols: NDArray[np.int64] = np.where(rng.random(shape) < density, rng.integers(1, levels + 1, shape), 0)
    return symbols


def all_numbers() -> NDArray[np.float16]:
    """Every float16 there is, all NaNs too."""
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16)


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    "numbers",
    [
        [NAN], [-0.0], [0.0], [0.0, -0.0], [-0.0, 0.0], [NAN, -NAN, NAN], [1.0, 1.0, 1.0, -1.0, -1.0],
        [-INFINITE, -1.0, -0.0, 0.0, 6e-8, 65504.0, INFINITE, NAN], [INFINITE, -INFINITE], [3.0, 2.0, 1.0],
        [-NAN, -INFINITE, -65504.0], [6e-8, 1.2e-7], [65504.0, -65504.0],
    ],
)  # fmt: skip
@pytest.mark.parametrize("density", [0.0, 0.4, 1.0])
def test_codebooks(numbers: list[float], density: float) -> None:
    codebook = np.array(numbers, np.float16)
    survives(CodedTensor(drawn((6, 17), len(codebook), density), codebook))


@pytest.mark.parametrize("first", [0, 0x8000, 0x7C00 - MAX_LEVELS // 2, 0x8000 - MAX_LEVELS // 2])
@pytest.mark.parametrize("order", [1, -1])
def test_the_largest_codebooks(first: int, order: int) -> None:
    codebook = all_numbers()[first : first + MAX_LEVELS][::order]
    symbols = np.arange(1, MAX_LEVELS + 1).reshape(64, 64)
    survives(CodedTensor(symbols, codebook), CodedTensor(symbols[::-1], codebook))
    symbols = drawn((5, 300), MAX_LEVELS, 0.7)
    survives(CodedTensor(symbols, codebook), CodedTensor(np.full((3, 7), MAX_LEVELS), codebook))


def test_the_largest_codebook_of_equal_entries() -> None:
    survives(CodedTensor(drawn((20, 20), MAX_LEVELS), np.full(MAX_LEVELS, -1.5, np.float16)))


def test_entries_nobody_uses() -> None:
    codebook = np.linspace(-2, 2, 100).astype(np.float16)
    survives(CodedTensor(np.where(drawn((9, 9), 1), 77, 0), codebook), CodedTensor(np.full((2, 3), 1), codebook))
    survives(CodedTensor(np.zeros((2, 3), int), codebook))


def test_every_float16_as_a_plain_number() -> None:
    survives(PlainTensor(all_numbers()))
    survives(PlainTensor(np.random.default_rng(0).permutation(all_numbers())))


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i2", ">u8"])
def test_integer_types(dtype: str) -> None:
    survives(CodedTensor(drawn((7, 12), 100).astype(dtype), np.linspace(-1, 1, 100).astype(np.float16)))


@pytest.mark.parametrize(
    "view",
    [
        lambda a: np.asfortranarray(a),
        lambda a: a.T,
        lambda a: a[::2, ::-1],
        lambda a: np.broadcast_to(a[:1], a.shape),
        lambda a: np.lib.stride_tricks.sliding_window_view(a, (3, 4)),
        lambda a: a.reshape(2, 3, 2, 5, 2).transpose(3, 1, 4, 0, 2),
        lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    ],
    ids=["fortran", "transposed", "steps", "broadcast", "windows", "five dimensions", "read-only"],
)
def test_memory_orders(view: object) -> None:
    symbols = view(drawn((12, 10), 6))  # type: ignore[operator]
    codebook = np.linspace(-1, 1, 12).astype(np.float16)[::2]
    values = view(np.arange(120).reshape(12, 10).astype(np.float16))  # type: ignore[operator]
    assert survives(CodedTensor(symbols, codebook), PlainTensor(values)) == survives(
        CodedTensor(symbols.copy(order="C"), codebook.copy()), PlainTensor(values.copy(order="C"))
    )


@pytest.mark.parametrize(
    "shape",
    [(0, 5), (5, 0), (0, 0), (3, 0, 4, 4), (1, 1), (1, 50), (50, 1), (2, 3, 2, 3, 2), (1,) * 32, (2,) * 8, (3, 2, 1, 7)]
    + [(3, 2, 7, 1), (5, 10, 3, 3), (1, 4096), (1, 4097), (2, 9000), (4, 8, 16), (3, 1, 1, 1)],
)  # fmt: skip
@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 1.0])
def test_shapes_behind_each_other(shape: tuple[int, ...], density: float) -> None:
    codebook = np.array([-0.5, 0.5, 1.0], np.float16)
    tensor = CodedTensor(drawn(shape, 3, density), codebook)
    rows = PlainTensor(np.linspace(-1, 1, shape[0]).astype(np.float16))
    survives(tensor, rows, CodedTensor(drawn((4, 2 * shape[0]), 3), codebook), tensor, rows)
    survives(CodedTensor(drawn((7, 3), 3), codebook), tensor, CodedTensor(drawn((4, shape[0] + 1), 3), codebook))


@pytest.mark.parametrize("columns_first", [False, True])
@pytest.mark.parametrize("density", [0.0, 1e-5])
def test_the_longest_matrices(columns_first: bool, density: float) -> None:
    symbols = drawn((2**22, 1) if columns_first else (1, 2**22), 2, density)
    codebook = np.array([-0.5, 0.5], np.float16)
    network = CodedNetwork("odd", (), 0.0, 1.0, (CodedTensor(symbols, codebook),))
    assert codec.identical(codec.decode(codec.encode(network).blob), network)


@pytest.mark.parametrize("end", [1, 2, 3])
def test_surprises_after_certainty(end: int) -> None:
    """Probabilities run to their ends, and what then comes was next to impossible."""
    symbols = np.full((200, 100), 1)
    symbols[199, 98:] = [end, 0]
    symbols[100] = 0
    codebook = np.array([1.0, -1.0, 2.0], np.float16)
    survives(CodedTensor(symbols, codebook), CodedTensor(3 - symbols, codebook), PlainTensor(np.zeros(200, np.float16)))
    survives(CodedTensor(np.where(symbols == 1, 0, symbols), codebook))
    numbers = np.zeros(20_000, np.float16)
    numbers[[5, 9_999, 19_999]] = [-NAN, 6e-8, -0.0]
    survives(PlainTensor(numbers), PlainTensor(1 - numbers))
