"""Levels that pay: free bits change nothing, dear bits cost weights, and in the end no single move pays."""

import numpy as np
import pytest

from mdlray import codec
from mdlray.codec.network import CodedNetwork, CodedTensor, PlainTensor
from mdlray.compression import Quantized, dequantize, quantize
from mdlray.compression.rate_distortion import mask_bits, reassign


def layer(seed: int = 0, shape: tuple[int, ...] = (30, 60)) -> tuple[np.ndarray, np.ndarray]:
    """Weights and curvatures of a layer whose units and inputs are of unequal use."""
    generator = np.random.default_rng(seed)
    used = generator.random((shape[0], 1)) * generator.random(int(np.prod(shape[1:])))
    weights = generator.standard_t(4, size=used.shape) * (generator.random(used.shape) < used)
    curvature = generator.gamma(0.5, 2, size=used.shape)
    return weights.reshape(shape).astype(np.float32), curvature.reshape(shape).astype(np.float32)


def num_bytes(quantized: Quantized) -> int:
    num_rows, num_columns = quantized.symbols.shape
    tensors = (CodedTensor(quantized.symbols, quantized.codebook), PlainTensor(np.zeros(num_rows, np.float16)))
    network = CodedNetwork("dense", (num_columns, num_rows), 0.5, 0.25, tensors)
    return len(codec.encode(network).blob)


def damped(weights: np.ndarray, curvature: np.ndarray) -> np.ndarray:
    return curvature + curvature[weights != 0].mean()


def loss(weights: np.ndarray, curvature: np.ndarray, quantized: Quantized) -> float:
    return float((0.5 * damped(weights, curvature) * (weights - dequantize(quantized)) ** 2).sum())


@pytest.mark.parametrize("grid", ["kmeans", "uniform"])
def test_dearer_bits_make_smaller_files_and_larger_losses(grid: str) -> None:
    weights, curvature = layer()
    start = quantize(weights, 12, grid)
    found = [reassign(weights, curvature, start, price) for price in (1e-9, 1e-3, 1e-2, 0.1, 1.0)]
    sizes, losses = [num_bytes(one) for one in found], [loss(weights, curvature, one) for one in found]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 0.5 * sizes[0]
    # Both are local optima, and the first, where bits are all but free, may be one a little worse than the second.
    assert (np.diff(losses) > -0.05 * np.array(losses[:-1])).all() and losses[-1] > 2 * losses[0]
    for one in found:
        assert (dequantize(one)[weights == 0] == 0).all()
        assert set(one.symbols[one.symbols > 0]) == set(range(1, one.codebook.size + 1))
        if grid == "uniform":
            assert np.array_equal(one.codebook, (one.step * one.multiples).astype(np.float16))


def test_free_bits_leave_every_weight_at_its_nearest_level() -> None:
    weights, curvature = layer(1)
    found = reassign(weights, curvature, quantize(weights, 8), 1e-12)
    assert loss(weights, curvature, found) < loss(weights, curvature, quantize(weights, 8))
    values = np.concatenate([[0.0], found.codebook]).astype(np.float64)
    distances = np.abs(weights[..., None] - values)
    assert (np.take_along_axis(distances, found.symbols[..., None], -1)[..., 0] <= distances.min(-1) + 1e-2).all()


def price_of(symbols: np.ndarray, row: int, column: int, symbol: int, num_levels: int) -> float:
    """Bits of one weight being `symbol`, from the others' counts: the module's formulas for a single weight."""
    others = symbols.copy()
    others[row, column] = 0
    ones = others > 0
    rows, columns = symbols.shape
    overall = (ones.sum() + 1) / symbols.size
    row_density = (ones[row].sum() + 2) / (columns + 2 / overall)
    column_density = (ones[:, column].sum() + 1) / (rows + 1 / overall)
    p = min(max(row_density * column_density / overall, 2**-16), 1 - 2**-16)
    if symbol == 0:
        return -np.log2(1 - p)
    return -np.log2(p) - np.log2(((others == symbol).sum() + 0.5) / (ones.sum() + num_levels / 2))


@pytest.mark.parametrize("price", [1e-3, 2e-2, 0.1])
def test_in_the_end_no_single_move_pays(price: float) -> None:
    weights, curvature = layer(2, (8, 12))
    found = reassign(weights, curvature, quantize(weights, 4), price)
    values = np.concatenate([[0.0], found.codebook.astype(np.float64)])
    assert len(values) > 2
    moves = 0
    for row, column in np.argwhere(weights):
        now = int(found.symbols[row, column])
        costs = [
            0.5 * damped(weights, curvature)[row, column] * (weights[row, column] - value) ** 2
            + price * price_of(found.symbols, row, column, symbol, len(values) - 1)
            for symbol, value in enumerate(values)
        ]
        nearest = 1 + int(np.abs(values[1:] - weights[row, column]).argmin())
        for other in {0, nearest - 1, nearest, nearest + 1} & set(range(len(values))):
            moves += 1
            # Entries are rounded to float16, which may turn a tie.
            assert costs[now] <= costs[other] + 1e-3 * price + 1e-4, (row, column, now, other)
    assert moves > 20


def test_estimated_bits_are_near_those_of_the_file() -> None:
    """Masks alone; the estimate knows the densities that the file has to learn, so it is lower, but not by much."""
    weights, _ = layer(3, (100, 400))
    row_V, column_V = np.indices(weights.shape).reshape(2, -1)
    one_V = weights.reshape(-1) != 0
    zero_bits_V, one_bits_V = mask_bits(row_V, column_V, one_V, weights.shape)
    estimated = float(np.where(one_V, one_bits_V, zero_bits_V).sum())
    file = 8 * num_bytes(Quantized((weights != 0).astype(np.int64), np.ones(1, np.float16)))
    assert 0.8 * file < estimated < 1.05 * file


def test_convolutions_are_rows_of_filters() -> None:
    weights, curvature = layer(4, (10, 3, 5, 5))
    start = quantize(weights, 6)
    flat = Quantized(start.symbols.reshape(10, -1), start.codebook)
    found = reassign(weights, curvature, start, 0.05)
    expected = reassign(weights.reshape(10, -1), curvature.reshape(10, -1), flat, 0.05)
    assert found.symbols.shape == weights.shape and np.array_equal(found.symbols.reshape(10, -1), expected.symbols)


def test_all_weights_may_go() -> None:
    weights, curvature = layer(5)
    found = reassign(weights, curvature, quantize(weights, 6), 1e6)
    assert not found.symbols.any() and found.codebook.size == 0
    assert reassign(np.zeros((3, 4), np.float32), np.ones((3, 4), np.float32), found, 1.0) is found
