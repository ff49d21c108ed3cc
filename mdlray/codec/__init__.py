"""Tensors <-> bytes: one `.mdl` file is one compressed network, and this is the only place that knows its layout.

    encode(network).blob -> decode(blob) -> the same network, bit for bit

network.py        what is sent              bit_coder.py      bits <-> a stream
container.py      one file                  mixing.py         contexts -> the probability of a bit
header.py         magic, checksum, shapes   geometry.py       pictures in a matrix
varint.py         integers <-> its bytes    weights_model.py  what the coder of weights knows before
symbols_coder.py  symbols of a tensor       compiled.py       loops as machine code
weights_coder.py  ranks of a matrix         estimates.py      sizes to compare with
float_coder.py    biases and codebooks      columns.py        sizes as columns of tables
"""

from mdlray.codec.columns import layer_rows, size_columns
from mdlray.codec.container import EncodedNetwork, decode, encode
from mdlray.codec.estimates import csr_bytes, ideal_entropy_bits
from mdlray.codec.header import implied_tensors
from mdlray.codec.network import MAX_LEVELS, MAX_WEIGHTS, CodedNetwork, CodedTensor, PlainTensor, identical
from mdlray.codec.varint import DecodeError

__all__ = [
    "MAX_LEVELS",
    "MAX_WEIGHTS",
    "CodedNetwork",
    "CodedTensor",
    "DecodeError",
    "EncodedNetwork",
    "PlainTensor",
    "csr_bytes",
    "decode",
    "encode",
    "ideal_entropy_bits",
    "identical",
    "implied_tensors",
    "layer_rows",
    "size_columns",
]
