"""Estimates against counts done by hand."""

import lzma

import numpy as np
import pytest

from mdlray.codec import CodedNetwork, CodedTensor, PlainTensor, ideal_entropy_bits, lzma_csr_bytes
from mdlray.codec.estimates import _csr


def network(*tensors: CodedTensor | PlainTensor) -> CodedNetwork:
    return CodedNetwork("x", (), 0.0, 1.0, tensors)


def test_entropy_of_known_shares() -> None:
    quarter = CodedTensor(np.array([[0, 1], [2, 3]]), np.arange(3).astype(np.float16))
    constant = CodedTensor(np.ones((5, 5), int), np.ones(1, np.float16))
    empty = CodedTensor(np.zeros((0, 5), int), np.ones(1, np.float16))
    assert ideal_entropy_bits(network(quarter, constant, empty)) == pytest.approx(8)
    assert ideal_entropy_bits(network()) == 0


@pytest.mark.parametrize("gap", [0, 1, 254, 255, 256, 509, 510, 2000])
def test_gaps_with_escapes_can_be_read_back(gap: int) -> None:
    symbols = np.zeros((1, gap + 2), int)
    symbols[0, gap:] = [3, 7]
    assert _csr(symbols) == bytes([255] * (gap // 255) + [gap % 255, 0, 3, 7])


def test_lzma_counts_codebooks_and_plain_tensors() -> None:
    symbols, numbers = np.array([[0, 2, 0]]), np.array([1, 2], np.float16)
    layout = bytes([1, 2]) + numbers.tobytes() + numbers.tobytes()
    expected = len(lzma.compress(layout, format=lzma.FORMAT_ALONE, preset=9 | lzma.PRESET_EXTREME))
    assert lzma_csr_bytes(network(CodedTensor(symbols, numbers), PlainTensor(numbers))) == expected
