"""Uniform grids: multiples of one step, zero among them, close to the best step there is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdlray.compression import dequantize, quantize
from mdlray.compression.uniform import uniform_step


def error(weights_W: np.ndarray, step: float, negative: int, levels: int) -> float:
    """Squared error of the nearest multiples of a step, every weight against every multiple."""
    grid = step * np.arange(-negative, levels - negative + 1)
    return float((np.abs(weights_W[:, None] - grid).min(axis=1) ** 2).sum())


@pytest.mark.parametrize("levels", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("kind", ["symmetric", "lopsided", "positive"])
def test_close_to_the_best_step_and_split(levels: int, kind: str) -> None:
    for seed in range(3):
        drawn = np.random.default_rng(seed).standard_t(4, size=80)
        weights_W = np.sort({"symmetric": drawn, "lopsided": drawn + 1, "positive": np.abs(drawn)}[kind])
        step, multiples = uniform_step(weights_W, levels)
        found = error(weights_W, step, -int(multiples[0]), levels)
        every = [
            error(weights_W, trial, negative, levels)
            for trial in np.geomspace(0.02, 6, 600)
            for negative in range(levels + 1)
        ]
        assert found <= 1.01 * min(every)
        assert len(multiples) == levels + 1 and 0 in multiples


@given(st.integers(0, 2**31 - 1), st.floats(0, 1), st.integers(1, 20))
def test_entries_are_multiples_and_zeros_stay(seed: int, sparsity: float, levels: int) -> None:
    generator = np.random.default_rng(seed)
    weights = generator.normal(size=(6, 11)).astype(np.float32)
    weights[generator.random(weights.shape) < sparsity] = 0
    quantized = quantize(weights, levels, "uniform")
    back = dequantize(quantized)
    assert (back[weights == 0] == 0).all()
    assert quantized.codebook.size <= levels and (quantized.codebook != 0).all()
    assert set(quantized.symbols[quantized.symbols > 0]) == set(range(1, quantized.codebook.size + 1))
    if quantized.codebook.size:
        assert (np.diff(quantized.multiples) > 0).all()
        expected = (quantized.step * quantized.multiples).astype(np.float16)
        assert np.array_equal(quantized.codebook, expected)


def test_small_weights_become_zeros() -> None:
    weights = np.array([[0.01, -0.01, 1.0, -1.0, 2.0, -2.0]], np.float32)
    assert dequantize(quantize(weights, 4, "uniform")).tolist() == [[0, 0, 1, -1, 2, -2]]


def test_unknown_grids_are_refused() -> None:
    with pytest.raises(ValueError, match="quantization_grid is 'log'; known are: kmeans, uniform"):
        quantize(np.ones((2, 2), np.float32), 2, "log")
