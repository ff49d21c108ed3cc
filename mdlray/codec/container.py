"""A network <-> one `.mdl` file (docs/mdl_format.md): header, then one range-coded stream for all tensors.

Tensor by tensor the stream holds the codebook, the mask, signs and levels; or the numbers of a plain tensor. One stream
because each one of its own would need a length and an end, and files have a few hundred bytes. Parts of a stream have
no byte borders: `mask_bytes` and so on are the information written for them, rounded to sum to the file exactly.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mdlray.codec import header as headers
from mdlray.codec.float_coder import FloatModel, code_codebook, code_floats
from mdlray.codec.header import TensorLayout
from mdlray.codec.mask_coder import Steps, code_mask
from mdlray.codec.network import CodedNetwork, CodedTensor, PlainTensor
from mdlray.codec.range_coder import Coder, DecodeError, Decoder, Encoder
from mdlray.codec.values_coder import code_values


@dataclass(frozen=True)
class TensorSize:
    """Bytes spent on one tensor; biases are values."""

    mask_bytes: int
    values_bytes: int
    codebook_bytes: int


@dataclass(frozen=True)
class EncodedNetwork:
    """A file and where its bytes went: header + mask + values + codebook = len(blob)."""

    blob: bytes
    header_bytes: int
    layer_sizes: tuple[TensorSize, ...]
    """One for each tensor of the network, in order."""

    @property
    def mask_bytes(self) -> int:
        return sum(size.mask_bytes for size in self.layer_sizes)

    @property
    def values_bytes(self) -> int:
        return sum(size.values_bytes for size in self.layer_sizes)

    @property
    def codebook_bytes(self) -> int:
        return sum(size.codebook_bytes for size in self.layer_sizes)


def encode(network: CodedNetwork) -> EncodedNetwork:
    """The file of a network; ValueError where its tensors are not those its family implies."""
    header = headers.header_of(network)
    packed = headers.pack(header)
    encoder, model = Encoder(), FloatModel()
    written_bits = []
    for layout, tensor in zip(header.layouts, network.tensors, strict=True):
        parts = _PartBits(encoder)
        _code_tensor(encoder, model, layout, tensor, parts)
        written_bits.append(parts)
    stream = encoder.finish()
    num_values = sum(layout.num_values for layout in header.layouts)
    least_bytes = -(-num_values // headers.MAX_VALUES_PER_BYTE) - len(headers.seal(packed))
    blob = headers.seal(packed + stream + b"\0" * max(least_bytes - len(stream), 0))
    sizes = _layer_sizes([parts.ends for parts in written_bits], len(stream))
    return EncodedNetwork(blob, len(blob) - (len(stream) if sizes else 0), sizes)


def decode(blob: bytes) -> CodedNetwork:
    """The network in a file, bit for bit, symbols as uint16; DecodeError for bytes that are no such file."""
    reader = headers.open_sealed(blob)
    try:
        header = headers.unpack(reader)
        coder, model = Decoder(blob[reader.position :]), FloatModel()
        tensors = tuple(_code_tensor(coder, model, layout, None, None) for layout in header.layouts)
        return CodedNetwork(header.family, header.shape, header.pixel_mean, header.pixel_std, tensors)
    except DecodeError:
        raise
    except ValueError as error:  # the value types refuse it, e.g. a mean that is no number
        raise DecodeError(f"the file holds no network: {error}") from error


def _layer_sizes(ends_bits: list[list[int]], stream_bytes: int) -> tuple[TensorSize, ...]:
    """Cuts the stream where each part's last bit lies; the last part ends with the stream."""
    sizes, start = [], 0
    for index, ends in enumerate(ends_bits):
        codebook, mask, values = (min(-(-bits // 8), stream_bytes) for bits in ends)
        if index == len(ends_bits) - 1:
            values = stream_bytes
        sizes.append(TensorSize(mask - codebook, values - mask, codebook - start))
        start = values
    return tuple(sizes)


class _PartBits:
    """Where codebook, mask and values of one tensor end in the stream, in bits."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.ends: list[int] = []

    def end_part(self) -> None:
        self.ends.append(self._encoder.written_bits())


def _code_tensor(
    coder: Coder,
    model: FloatModel,
    layout: TensorLayout,
    known: CodedTensor | PlainTensor | None,
    parts: _PartBits | None,
) -> CodedTensor | PlainTensor:
    """Writes `known`, or reads the tensor that `layout` announces."""
    end_part = parts.end_part if parts else lambda: None
    if not layout.coded:
        end_part()
        end_part()
        known_values = np.ascontiguousarray(known.values).ravel() if isinstance(known, PlainTensor) else None
        values = code_floats(coder, model, layout.num_values, known_values)
        end_part()
        return PlainTensor(values.reshape(layout.shape))
    assert not isinstance(known, PlainTensor)
    codebook = code_codebook(coder, model, layout.num_levels, np.ascontiguousarray(known.codebook) if known else None)
    end_part()
    if not layout.num_levels or not layout.num_values:
        end_part()
        end_part()
        return CodedTensor(np.zeros(layout.shape, np.uint16), codebook)
    num_rows = layout.shape[0]
    steps = Steps(num_rows, layout.num_values // num_rows)
    known_F = _column_order(known.symbols) if known else None
    mask_F, stride = code_mask(coder, steps, None if known_F is None else (known_F != 0).astype(np.uint8))
    end_part()
    known_V = None if known_F is None else known_F[mask_F != 0].astype(np.int64)
    symbols_V = code_values(coder, steps, stride, mask_F, codebook, known_V)
    end_part()
    symbols_F = np.zeros(layout.num_values, np.uint16)
    symbols_F[mask_F != 0] = symbols_V
    return CodedTensor(symbols_F.reshape(-1, num_rows).T.reshape(layout.shape), codebook)


def _column_order(symbols: NDArray[np.integer]) -> NDArray[np.integer]:
    """All symbols, input by input: index = column · rows + row of the (outputs, rest) matrix."""
    return symbols.reshape(len(symbols), -1).T.ravel()
