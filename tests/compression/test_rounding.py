"""Few mantissa bits: ten are float16, fewer are the nearest number that has no more."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mdlray.compression import quantize
from mdlray.compression.rounding import round_codebook, round_mantissa, straight_through

FLOATS = st.lists(st.floats(-60000, 60000, width=32), min_size=1, max_size=20)


def used_bits(values: np.ndarray) -> int:
    """Mantissa bits of float16 numbers up to the last that is set in any of them."""
    mantissas = values.view(np.uint16) & 1023
    return max((10 - int(m & -m).bit_length() + 1 if m else 0) for m in map(int, mantissas))


@given(FLOATS)
def test_ten_bits_are_float16(values: list[float]) -> None:
    array = np.array(values, np.float32)
    assert np.array_equal(round_mantissa(torch.from_numpy(array), 10).numpy(), array.astype(np.float16))


@given(FLOATS, st.integers(0, 10))
def test_few_bits_are_used_and_the_error_is_half_of_the_last(values: list[float], bits: int) -> None:
    array = np.array(values, np.float32)
    rounded = round_mantissa(torch.from_numpy(array), bits).numpy()
    fits = np.abs(rounded) <= 65504
    assert used_bits(rounded[fits].astype(np.float16)) <= bits if fits.any() else True
    assert (np.abs(rounded - array) <= np.maximum(np.abs(array), 2.0**-14) * 2.0 ** -(bits + 1)).all()
    assert np.array_equal(round_mantissa(torch.from_numpy(rounded), bits).numpy(), rounded)


def test_gradients_pass_and_ten_bits_leave_numbers_as_they_are() -> None:
    values = torch.tensor([[0.3, -0.0, 1.23456789], [0.3, -0.0, 1.23456789]], requires_grad=True)
    result = straight_through(values, torch.tensor([[10], [1]]))
    assert torch.equal(result[0], values[0]) and torch.signbit(result[0, 1])
    assert result[1].tolist() == [0.25, 0.0, 1.0]
    (gradient,) = torch.autograd.grad((result * torch.tensor([1.0, 2.0, 3.0])).sum(), values)
    assert gradient.tolist() == [[1, 2, 3], [1, 2, 3]]


@pytest.mark.parametrize("grid", ["kmeans", "uniform"])
def test_codebooks_of_few_bits(grid: str) -> None:
    weights = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)
    quantized = quantize(weights, 8, grid)
    assert round_codebook(quantized, 10) is quantized
    rounded = round_codebook(quantized, 2)
    if grid == "kmeans":
        assert used_bits(rounded.codebook) <= 2
    else:
        assert used_bits(np.array([rounded.step], np.float16)) <= 2
        assert np.array_equal(rounded.codebook, (rounded.step * rounded.multiples).astype(np.float16))
        assert np.array_equal(rounded.symbols, quantized.symbols)
