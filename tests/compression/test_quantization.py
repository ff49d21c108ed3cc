"""Codebooks: zeros stay zero, nothing is carried unused, and k-means is close to the optimum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdlray.compression import dequantize, quantize
from mdlray.compression.quantization import kmeans_sorted


def squared_error(sorted_W: np.ndarray, centers_K: np.ndarray) -> float:
    """Sum of squared distances to the nearest center."""
    return float(np.square(sorted_W[:, None] - centers_K).min(axis=1).sum())


def optimal_error(sorted_W: np.ndarray, levels: int) -> float:
    """Exact one-dimensional k-means by dynamic programming, the slow way."""
    size = len(sorted_W)
    cost = np.array(
        [[sorted_W[i : j + 1].var() * (j + 1 - i) if j >= i else 0.0 for j in range(size)] for i in range(size)]
    )
    best = cost[0].copy()
    for _ in range(levels - 1):
        best = np.array([min([cost[0][j], *(best[i - 1] + cost[i][j] for i in range(1, j + 1))]) for j in range(size)])
    return float(best[-1])


@given(st.integers(0, 2**31 - 1), st.floats(0, 1), st.integers(1, 20))
def test_zeros_stay_and_every_entry_is_used(seed: int, sparsity: float, levels: int) -> None:
    generator = np.random.default_rng(seed)
    weights = generator.normal(size=(6, 11)).astype(np.float32)
    weights[generator.random(weights.shape) < sparsity] = 0
    quantized = quantize(weights, levels)
    back = dequantize(quantized)
    assert ((back == 0) == (weights == 0)).all()
    used = np.unique(quantized.symbols)
    assert quantized.codebook.size <= levels and (quantized.codebook != 0).all()
    assert np.array_equal(used[used > 0], np.arange(1, quantized.codebook.size + 1))
    assert back.shape == weights.shape and back.dtype == np.float32


@pytest.mark.parametrize("levels", [2, 4, 8])
def test_close_to_the_optimum(levels: int) -> None:
    for seed in range(5):
        sorted_W = np.sort(np.random.default_rng(seed).standard_t(3, size=60))
        found = squared_error(sorted_W, kmeans_sorted(sorted_W, levels))
        assert optimal_error(sorted_W, levels) - 1e-9 <= found <= 1.001 * optimal_error(sorted_W, levels)


def test_few_distinct_values_are_kept_exactly() -> None:
    weights = np.array([[0.5, -0.25, 0.0, 0.5]], np.float32)
    assert np.array_equal(dequantize(quantize(weights, 16)), weights)


def test_values_that_round_to_zero_in_float16_become_zeros() -> None:
    quantized = quantize(np.array([[1e-9, 1.0]], np.float32), 2)
    assert quantized.symbols.tolist() == [[0, 1]] and quantized.codebook.tolist() == [1.0]


def test_infinite_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="weights must be finite"):
        quantize(np.array([[np.inf]], np.float32), 2)
