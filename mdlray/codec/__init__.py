"""Tensors <-> bytes: one `.mdl` file is one compressed network, and this is the only place that knows its layout.

    encode(network).blob -> decode(blob) -> the same network, bit for bit

network.py      what is sent               header.py        magic, checksum, family, shapes
container.py    one file                   mask_coder.py    which weights are zero
range_coder.py  integers <-> a stream      values_coder.py  signs and levels of the others
counts.py       counts -> frequencies      float_coder.py   biases and codebooks
varint.py       integers <-> header bytes  estimates.py     sizes to compare with
                                           columns.py       sizes as columns of tables
"""

from mdlray.codec.columns import layer_rows, size_columns
from mdlray.codec.container import EncodedNetwork, TensorSize, decode, encode
from mdlray.codec.estimates import csr_bytes, ideal_entropy_bits
from mdlray.codec.header import FAMILIES, TensorLayout, implied_tensors
from mdlray.codec.network import MAX_LEVELS, MAX_WEIGHTS, CodedNetwork, CodedTensor, PlainTensor, identical
from mdlray.codec.range_coder import DecodeError

__all__ = [
    "FAMILIES",
    "MAX_LEVELS",
    "MAX_WEIGHTS",
    "CodedNetwork",
    "CodedTensor",
    "DecodeError",
    "EncodedNetwork",
    "PlainTensor",
    "TensorLayout",
    "TensorSize",
    "csr_bytes",
    "decode",
    "encode",
    "ideal_entropy_bits",
    "identical",
    "implied_tensors",
    "layer_rows",
    "size_columns",
]
