"""A network <-> one `.mdl` file (docs/mdl_format.md): a header, then one range-coded stream for all tensors.

The stream holds the tensors in the family's order. A coded tensor is its codebook and its symbols; a plain tensor is
its numbers. The coder of a tensor may use what was learned from the tensor before: the model of its weights (if the
encoder says so), and the activity of its units, which predicts the columns of the next tensor and the unit's own bias.

All tensors share one stream, because a stream of its own would need a length and an end, and a small file has only a
few hundred bytes. Therefore the parts of a stream have no byte borders. `mask_bytes`, `values_bytes` and
`codebook_bytes` are the information that was written for each part, rounded so that they add up to the file exactly.
"""

from dataclasses import dataclass, field

import numpy as np

from mdlray.codec import header as headers
from mdlray.codec.bit_coder import Coder, finish, reader, writer, written_bits
from mdlray.codec.float_coder import FloatModel, code_codebook, code_floats, fresh_float_model
from mdlray.codec.header import TensorLayout
from mdlray.codec.network import CodedNetwork, CodedTensor, PlainTensor
from mdlray.codec.symbols_coder import NOTHING_BEFORE, Before, code_symbols
from mdlray.codec.varint import DecodeError


@dataclass(frozen=True)
class TensorSize:
    """Bytes spent on one tensor. The numbers of a plain tensor count as values."""

    mask_bytes: int
    values_bytes: int
    codebook_bytes: int


@dataclass(frozen=True)
class EncodedNetwork:
    """A file and what its bytes are spent on: header + mask + values + codebook = len(blob)."""

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
    """The file of a network; ValueError if its tensors are not the tensors that its family implies."""
    header = headers.header_of(network)
    packed = headers.pack(header)
    stream = _Stream(writer(1 << 12))
    for layout, tensor in zip(header.layouts, network.tensors, strict=True):
        _code_tensor(stream, layout, tensor)
    coded = finish(stream.coder)
    num_values = sum(layout.num_values for layout in header.layouts)
    # Zeros behind the stream change nothing; a decoder refuses a file that is too short for the values it promises.
    least_bytes = -(-num_values // headers.MAX_VALUES_PER_BYTE) - len(headers.seal(packed))
    blob = headers.seal(packed + coded + b"\0" * max(least_bytes - len(coded), 0))
    sizes = _layer_sizes(stream.part_bits, len(coded))
    return EncodedNetwork(blob, len(blob) - (len(coded) if sizes else 0), sizes)


def decode(blob: bytes) -> CodedNetwork:
    """The network in a file, bit for bit, its symbols as uint16; DecodeError if the bytes are not a valid file."""
    opened = headers.open_sealed(blob)
    try:
        header = headers.unpack(opened)
        stream = _Stream(reader(blob[opened.position :]))
        tensors = tuple(_code_tensor(stream, layout, None) for layout in header.layouts)
        return CodedNetwork(header.family, header.shape, header.pixel_mean, header.pixel_std, tensors)
    except DecodeError:
        raise
    except ValueError as error:  # the value types refuse it, e.g. a mean that is NaN
        raise DecodeError(f"the file holds no network: {error}") from error


@dataclass
class _Stream:
    """The coder, what was learned from the tensors so far, and the bits that each tensor took."""

    coder: Coder
    floats: FloatModel = field(default_factory=fresh_float_model)
    before: Before = NOTHING_BEFORE
    part_bits: list[tuple[float, float, float]] = field(default_factory=list)
    """Bits of the mask, of the values and of the codebook of each tensor."""


def _code_tensor(
    stream: _Stream, layout: TensorLayout, known: CodedTensor | PlainTensor | None
) -> CodedTensor | PlainTensor:
    """Write the tensor `known`, or read the tensor that `layout` announces where `known` is None."""
    start = written_bits(stream.coder)
    if not layout.coded:
        known_V = np.ascontiguousarray(known.values).ravel() if isinstance(known, PlainTensor) else None
        activity_A = stream.before.activity_A
        activity_V = activity_A if len(activity_A) == layout.num_values else activity_A[:0]
        stream.coder, values_V = code_floats(stream.coder, stream.floats, layout.num_values, activity_V, known_V)
        stream.part_bits.append((0.0, written_bits(stream.coder) - start, 0.0))
        return PlainTensor(values_V.reshape(layout.shape))
    assert not isinstance(known, PlainTensor)
    known_codebook = np.ascontiguousarray(known.codebook) if known else None
    stream.coder, codebook = code_codebook(stream.coder, stream.floats, layout.num_levels, known_codebook)
    codebook_bits = written_bits(stream.coder) - start
    if not layout.num_levels or not layout.num_values:
        stream.part_bits.append((0.0, 0.0, codebook_bits))
        return CodedTensor(np.zeros(layout.shape, np.uint16), codebook)
    coded = code_symbols(stream.coder, layout.shape, codebook, stream.before, known.symbols if known else None)
    stream.coder, stream.before = coded.coder, coded.before
    stream.part_bits.append((coded.mask_bits, coded.values_bits, codebook_bits))
    return CodedTensor(coded.symbols, codebook)


def _layer_sizes(part_bits: list[tuple[float, float, float]], stream_bytes: int) -> tuple[TensorSize, ...]:
    """Whole bytes in proportion to the information of each part; they add up to `stream_bytes`."""
    flat = [bits for parts in part_bits for bits in parts]
    total = max(sum(flat), 1e-9)
    ends = [round(stream_bytes * sum(flat[: index + 1]) / total) for index in range(len(flat))]
    if ends:
        ends[-1] = stream_bytes
    sizes = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    return tuple(TensorSize(*sizes[index : index + 3]) for index in range(0, len(sizes), 3))
