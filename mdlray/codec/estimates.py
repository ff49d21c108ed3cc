"""Sizes a network is compared with, not sizes of its file: order-0 entropy, general compressors over a sparse layout.

ideal_entropy_bits   sum over coded tensors of n · H(p), p the shares of the symbols 0 … K (Shannon 1948). No model, no
                     codebook and no biases are paid for, and contexts may well do better.
csr_layout           Deep Compression's layout (Han et al. 2016, section 2): zeros before each non-zero weight as a byte
                     (255: 255 zeros and no weight), symbols as bytes, codebooks and plain tensors as float16.
CSR_COMPRESSORS      what general compressors make of it, each at its strongest; a column of that name each.
"""

import lzma
import zlib
from collections.abc import Callable

import numpy as np

from mdlray.codec.network import CodedNetwork, CodedTensor, Symbols

_ESCAPE = 255


def ideal_entropy_bits(network: CodedNetwork) -> float:
    """Order-0 entropy of all coded tensors' symbols, in bits."""
    return float(sum(_entropy_bits(tensor.symbols) for tensor in network.tensors if isinstance(tensor, CodedTensor)))


def csr_layout(network: CodedNetwork) -> bytes:
    """Gaps, symbols and float16 numbers of all tensors, one after another."""
    return b"".join(
        _csr(tensor.symbols) + tensor.codebook.astype("<f2").tobytes()
        if isinstance(tensor, CodedTensor)
        else tensor.values.astype("<f2").tobytes()
        for tensor in network.tensors
    )


def csr_bytes(network: CodedNetwork) -> dict[str, int]:
    """Lengths in bytes of the layout under each of CSR_COMPRESSORS, by the names of their columns."""
    layout = csr_layout(network)
    return {name: len(compress(layout)) for name, compress in CSR_COMPRESSORS.items()}


def _lzma(layout: bytes) -> bytes:
    return lzma.compress(layout, format=lzma.FORMAT_ALONE, preset=9 | lzma.PRESET_EXTREME)


def _zstd(layout: bytes) -> bytes:
    # Arrow carries Zstandard, whose own package Python 3.11 would need as well. Decoding a file needs neither.
    import pyarrow as pa

    compressed: bytes = pa.Codec("zstd", compression_level=22).compress(layout, asbytes=True)
    return compressed


def _zlib(layout: bytes) -> bytes:
    return zlib.compress(layout, 9)


CSR_COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "lzma_csr_bytes": _lzma,  # .lzma, 13 bytes of header, preset 9e
    "zstd_csr_bytes": _zstd,  # a frame without checksum, level 22
    "zlib_csr_bytes": _zlib,  # 6 bytes around it, level 9
}


def _entropy_bits(symbols: Symbols) -> float:
    counts = np.bincount(symbols.ravel())
    counts = counts[counts > 0]
    return float(-(counts * np.log2(counts / max(symbols.size, 1))).sum())


def _csr(symbols: Symbols) -> bytes:
    positions = np.flatnonzero(symbols)
    gaps = np.diff(positions, prepend=-1) - 1
    escapes, rests = np.divmod(gaps, _ESCAPE)
    ends = np.cumsum(escapes + 1)
    gap_bytes = np.full(int(ends[-1]) if len(ends) else 0, _ESCAPE, np.uint8)
    gap_bytes[ends - 1] = rests
    values = symbols.ravel()[positions]
    return gap_bytes.tobytes() + values.astype("u1" if symbols.max(initial=0) < 256 else "<u2").tobytes()
