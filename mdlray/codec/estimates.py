"""Sizes a network is compared with, not sizes of its file: order-0 entropy, and LZMA over a sparse layout.

ideal_entropy_bits   sum over coded tensors of n · H(p), p the shares of the symbols 0 … K (Shannon 1948). No model, no
                     codebook and no biases are paid for, and contexts may well do better.
lzma_csr_bytes       what Deep Compression's layout (Han et al. 2016, section 2) and a general compressor need: zeros
                     before each non-zero weight as a byte (255: 255 zeros and no weight), symbols as bytes,
                     codebooks and plain tensors as float16.
"""

import lzma

import numpy as np

from mdlray.codec.network import CodedNetwork, CodedTensor, Symbols

_ESCAPE = 255


def ideal_entropy_bits(network: CodedNetwork) -> float:
    """Order-0 entropy of all coded tensors' symbols, in bits."""
    return float(sum(_entropy_bits(tensor.symbols) for tensor in network.tensors if isinstance(tensor, CodedTensor)))


def lzma_csr_bytes(network: CodedNetwork) -> int:
    """Length in bytes of an LZMA stream (.lzma, 13 bytes of header) over gaps, symbols and float16 numbers."""
    layout = b"".join(
        _csr(tensor.symbols) + tensor.codebook.astype("<f2").tobytes()
        if isinstance(tensor, CodedTensor)
        else tensor.values.astype("<f2").tobytes()
        for tensor in network.tensors
    )
    return len(lzma.compress(layout, format=lzma.FORMAT_ALONE, preset=9 | lzma.PRESET_EXTREME))


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
