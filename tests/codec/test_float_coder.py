"""float16 numbers come back bit for bit, and few mantissa bits or an ascending order cost less."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mdlray.codec.float_coder import FloatModel, code_codebook, code_floats
from mdlray.codec.range_coder import Decoder, Encoder


def coded(values: np.ndarray, codebook: bool) -> bytes:
    encoder = Encoder()
    (code_codebook if codebook else code_floats)(encoder, FloatModel(), len(values), values)
    return encoder.finish()


@given(arrays.arrays(np.uint16, st.integers(0, 40)), st.booleans(), st.booleans())
def test_any_bit_patterns_come_back(patterns: np.ndarray, codebook: bool, ascending: bool) -> None:
    values = patterns.view(np.float16)
    values = np.sort(values) if ascending else values
    decode = code_codebook if codebook else code_floats
    back = decode(Decoder(coded(values, codebook)), FloatModel(), len(values), None)
    assert np.array_equal(back.view(np.uint16), values.view(np.uint16))


@pytest.mark.parametrize("codebook", [False, True])
def test_rounded_numbers_cost_less(codebook: bool) -> None:
    values = np.sort(np.random.default_rng(0).normal(size=100)).astype(np.float16)
    rounded = (values.view(np.uint16) & 0xFFC0).view(np.float16)
    assert len(coded(rounded, codebook)) < 0.75 * len(coded(values, codebook))


def test_an_ascending_codebook_costs_less_than_a_shuffled_one() -> None:
    values = np.sort(np.random.default_rng(1).normal(size=32)).astype(np.float16)
    assert len(coded(values, True)) < len(coded(np.random.default_rng(2).permutation(values), True))
