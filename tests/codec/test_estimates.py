"""Estimates against counts done by hand."""

import lzma
import zlib

import numpy as np
import pyarrow as pa
import pytest

from mdlray.codec import CodedNetwork, CodedTensor, PlainTensor, csr_bytes, ideal_entropy_bits
from mdlray.codec.estimates import CSR_COMPRESSORS, _csr, csr_layout


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


def test_the_layout_has_codebooks_and_plain_tensors() -> None:
    symbols, numbers = np.array([[0, 2, 0]]), np.array([1, 2], np.float16)
    coded = network(CodedTensor(symbols, numbers), PlainTensor(numbers))
    layout = bytes([1, 2]) + numbers.tobytes() + numbers.tobytes()
    assert csr_layout(coded) == layout
    assert csr_bytes(coded)["lzma_csr_bytes"] == len(
        lzma.compress(layout, format=lzma.FORMAT_ALONE, preset=9 | lzma.PRESET_EXTREME)
    )


@pytest.mark.parametrize("size", [0, 1, 5000])
def test_every_compressed_layout_can_be_read_back(size: int) -> None:
    symbols = np.random.default_rng(0).integers(0, 4, (1, size)) * (np.arange(size) % 3 == 0)
    coded = network(CodedTensor(symbols, np.arange(1, 4).astype(np.float16)))
    layout = csr_layout(coded)
    readers = {
        "lzma_csr_bytes": lzma.decompress,
        "zstd_csr_bytes": lambda written: pa.decompress(written, len(layout), "zstd", asbytes=True),
        "zlib_csr_bytes": zlib.decompress,
    }
    written = {name: compress(layout) for name, compress in CSR_COMPRESSORS.items()}
    assert {name: readers[name](content) for name, content in written.items()} == dict.fromkeys(readers, layout)
    assert csr_bytes(coded) == {name: len(content) for name, content in written.items()}
