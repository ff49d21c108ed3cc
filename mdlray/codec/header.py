"""Magic, version, checksum, family, shapes <-> the first bytes of a `.mdl` file (17 to 20 for a small dense network).

    3 bytes   "MDL"
    1 byte    version
    4 bytes   CRC-32 (zlib's) of all other bytes, little-endian
    varint    family id; after the id 0: a varint length and the family's name in UTF-8
    varint    number of layer sizes, then each size as a varint
    4 bytes   pixel_mean, pixel_std, each a little-endian float16
    (id 0)    varint number of tensors; each: varint kind (0 coded, 1 plain), varint number of dimensions, dimensions
    varints   number of codebook entries of each coded tensor

The sizes of a registered family imply its tensors (`implied_tensors`), so their shapes are not sent. The range-coded
stream follows the header.
"""

import math
import zlib
from dataclasses import dataclass

import numpy as np

from mdlray.architectures import ARCHITECTURES, WEIGHT
from mdlray.codec import varint
from mdlray.codec.network import (
    MAX_DIMENSIONS,
    MAX_LAYER_SIZES,
    MAX_LEVELS,
    MAX_SIDE,
    MAX_WEIGHTS,
    CodedNetwork,
    CodedTensor,
)
from mdlray.codec.varint import DecodeError

MAGIC = b"MDL"
VERSION = 2
FAMILIES = {"dense": 1, "lenet5": 2, "convnet": 3, "hashed": 4}
"""Families whose tensors follow from the layer sizes (`mdlray.architectures`), and their ids in the file."""
MAX_VALUES_PER_BYTE = 1 << 16
"""A file of n bytes holds at most n · 65,536 values, so that a forged header cannot ask for much memory. `encode` pads
a shorter file with zeros."""

_CRC_START, _CRC_STOP = 4, 8


@dataclass(frozen=True)
class TensorLayout:
    """What the receiver knows of a tensor before it reads the values."""

    coded: bool
    """True for symbols with a codebook, False for plain float16 values."""
    shape: tuple[int, ...]
    num_levels: int = 0
    """The number of codebook entries."""

    @property
    def num_values(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Header:
    """A network without its values."""

    family: str
    shape: tuple[int, ...]
    pixel_mean: float
    pixel_std: float
    layouts: tuple[TensorLayout, ...]


def implied_tensors(family: str, shape: tuple[int, ...]) -> tuple[TensorLayout, ...]:
    """The tensors of a registered family in order, without the sizes of codebooks.

    ValueError for a family that is not registered, and for sizes that are not a network of it.
    """
    if family not in FAMILIES:
        raise ValueError(f"{family!r} is not a registered family; the registered ones are: {', '.join(FAMILIES)}.")
    return tuple(TensorLayout(tensor.role == WEIGHT, tensor.shape) for tensor in ARCHITECTURES[family](shape))


def header_of(network: CodedNetwork) -> Header:
    """The header of the network's file; ValueError if its tensors are not the tensors of its family."""
    layouts = tuple(
        TensorLayout(True, tensor.shape, len(tensor.codebook))
        if isinstance(tensor, CodedTensor)
        else TensorLayout(False, tensor.shape)
        for tensor in network.tensors
    )
    if network.family in FAMILIES:
        implied = [(t.coded, t.shape) for t in implied_tensors(network.family, network.shape)]
        given = [(t.coded, t.shape) for t in layouts]
        if given != implied:
            raise ValueError(f"a {network.family} network {network.shape} has tensors {implied}, not {given}.")
    return Header(network.family, network.shape, network.pixel_mean, network.pixel_std, layouts)


def pack(header: Header) -> bytes:
    """The bytes between the checksum and the range-coded stream."""
    family_id = FAMILIES.get(header.family, 0)
    packed = varint.to_bytes(family_id)
    if family_id == 0:
        name = header.family.encode()
        packed += varint.to_bytes(len(name)) + name
    packed += _pack_shape(header.shape)
    packed += np.array([header.pixel_mean, header.pixel_std], "<f2").tobytes()
    if family_id == 0:
        packed += varint.to_bytes(len(header.layouts))
        for layout in header.layouts:
            packed += varint.to_bytes(0 if layout.coded else 1) + _pack_shape(layout.shape)
    return packed + b"".join(varint.to_bytes(layout.num_levels) for layout in header.layouts if layout.coded)


def unpack(reader: varint.ByteReader) -> Header:
    """The inverse of `pack`; DecodeError for bytes that `pack` would not have written."""
    family_id = reader.number()
    name_of = {number: name for name, number in FAMILIES.items()}
    if family_id == 0:
        try:
            family = reader.take(reader.number()).decode()
        except UnicodeDecodeError as error:
            raise DecodeError("the family's name is not UTF-8.") from error
        if family in FAMILIES or not 0 < len(family.encode()) < 256:
            raise DecodeError(f"{family[:40]!r} is no name to write out: 1 to 255 bytes, and not a registered family.")
    elif family_id in name_of:
        family = name_of[family_id]
    else:
        raise DecodeError(f"family id {family_id} is unknown; the known ones are {name_of}.")
    shape = _unpack_shape(reader, most=MAX_LAYER_SIZES)
    mean, std = np.frombuffer(reader.take(4), "<f2").tolist()
    if family_id == 0:
        layouts = [_unpack_layout(reader) for _ in range(_number(reader, len(reader), "tensors"))]
    else:
        layouts = list(implied_tensors(family, shape))
    if sum(layout.num_values for layout in layouts) > min(MAX_WEIGHTS, MAX_VALUES_PER_BYTE * len(reader)):
        raise DecodeError("the header promises more values than a file of this length can hold.")
    for index, layout in enumerate(layouts):
        if layout.coded:
            if max(layout.shape[0], math.prod(layout.shape[1:])) > MAX_SIDE:
                raise DecodeError(f"a coded tensor has the shape {layout.shape}, more than {MAX_SIDE} rows or columns.")
            layouts[index] = TensorLayout(True, layout.shape, _number(reader, MAX_LEVELS, "codebook entries"))
    return Header(family, shape, mean, std, tuple(layouts))


def seal(body: bytes) -> bytes:
    """The file: magic, version and checksum, followed by `body` (the header and the stream)."""
    start = MAGIC + bytes([VERSION])
    return start + zlib.crc32(start + body).to_bytes(4, "little") + body


def open_sealed(blob: bytes) -> varint.ByteReader:
    """A reader that stands behind the checksum; DecodeError unless magic, version and checksum are right."""
    if len(blob) < _CRC_STOP or not blob.startswith(MAGIC):
        raise DecodeError(f"this is not a .mdl file: it does not start with {MAGIC!r} or ends before its checksum.")
    if blob[3] != VERSION:
        advice = "update it" if blob[3] > VERSION else "read it with the mdlray that wrote it"
        raise DecodeError(f"the file has format version {blob[3]}, this program reads version {VERSION}: {advice}.")
    if zlib.crc32(blob[:_CRC_START] + blob[_CRC_STOP:]) != int.from_bytes(blob[_CRC_START:_CRC_STOP], "little"):
        raise DecodeError("the checksum is wrong: the file is damaged or cut off.")
    return varint.ByteReader(blob, _CRC_STOP)


def _pack_shape(shape: tuple[int, ...]) -> bytes:
    return varint.to_bytes(len(shape)) + b"".join(map(varint.to_bytes, shape))


def _unpack_shape(reader: varint.ByteReader, most: int) -> tuple[int, ...]:
    return tuple(_number(reader, MAX_WEIGHTS, "a size") for _ in range(_number(reader, most, "dimensions")))


def _unpack_layout(reader: varint.ByteReader) -> TensorLayout:
    coded = _number(reader, 1, "tensor kind") == 0
    shape = _unpack_shape(reader, most=MAX_DIMENSIONS)
    if len(shape) < (2 if coded else 1):
        raise DecodeError(f"a tensor has {len(shape)} dimensions.")
    return TensorLayout(coded, shape)


def _number(reader: varint.ByteReader, most: int, what: str) -> int:
    number = reader.number()
    if number > most:
        raise DecodeError(f"the header says {number} for {what}, more than {most}.")
    return number
