"""Sizes to compare the file with: the entropy of its symbols, and general compressors over a sparse layout.

ideal_entropy_bits   sum over coded tensors of n · H(p), where p are the frequencies of the symbols 0 … K among the n
                     symbols of the tensor (Shannon 1948). It counts neither the frequencies themselves nor codebooks
                     and biases; on the other hand, a code with contexts may well need fewer bits.
csr_layout           the layout of Deep Compression (Han et al. 2016, section 2): the number of zeros before each
                     non-zero weight as a byte (255 means 255 zeros and no weight), symbols as bytes (16 bits each in a
                     tensor with a symbol above 255), codebooks and plain tensors as float16.
CSR_COMPRESSORS      general compressors over that layout, each at its strongest setting; each has a column.
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
    """The length in bytes of the layout under each of CSR_COMPRESSORS, by the name of its column."""
    layout = csr_layout(network)
    return {name: len(compress(layout)) for name, compress in CSR_COMPRESSORS.items()}


def _lzma(layout: bytes) -> bytes:
    return lzma.compress(layout, format=lzma.FORMAT_ALONE, preset=9 | lzma.PRESET_EXTREME)


def _zstd(layout: bytes) -> bytes:
    # Arrow contains Zstandard; a package of its own would be one more dependency. Decoding a file needs neither.
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
