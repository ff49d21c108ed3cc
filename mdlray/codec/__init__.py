"""Tensors <-> bytes: one `.mdl` file is one compressed network. Only this room knows the layout of the file.

    encode(network).blob -> decode(blob) -> the same network, bit for bit

network.py        the network as a value    bit_coder.py      bits <-> a stream of bytes
container.py      the whole file            mixing.py         contexts -> the probability of a bit
header.py         magic, checksum, shapes   geometry.py       the columns of a matrix as pictures
varint.py         integers <-> bytes        weights_model.py  constants and state of the coder of weights
symbols_coder.py  the symbols of a tensor   contexts.py       contexts of one weight
weights_coder.py  the ranks of a matrix     compiled.py       loops as machine code
float_coder.py    biases and codebooks      estimates.py      sizes to compare the file with
stack.py          stacks of torch tensors   columns.py        sizes as columns of tables
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
