"""The sizes of a file and its parts: an encoded network as columns of `trials.parquet` and rows of `layers.parquet`."""

from typing import Any

import numpy as np

from mdlray.codec.container import EncodedNetwork
from mdlray.codec.estimates import csr_bytes, ideal_entropy_bits
from mdlray.codec.header import VERSION
from mdlray.codec.network import CodedNetwork, CodedTensor

Row = dict[str, Any]


def size_columns(file: EncodedNetwork, network: CodedNetwork) -> Row:
    """The numbers of weights, the bytes of the file and of its parts, and the estimates of other codes."""
    symbols = [tensor.symbols for tensor in network.tensors if isinstance(tensor, CodedTensor)]
    return {
        "num_weights": sum(symbol.size for symbol in symbols),
        "num_nonzero": sum(int(np.count_nonzero(symbol)) for symbol in symbols),
        "compressed_bytes": len(file.blob),
        "mdl_version": VERSION,
        "header_bytes": file.header_bytes,
        "mask_bytes": file.mask_bytes,
        "values_bytes": file.values_bytes,
        "codebook_bytes": file.codebook_bytes,
        "ideal_entropy_bits": ideal_entropy_bits(network),
    } | csr_bytes(network)


def layer_rows(names: list[str], file: EncodedNetwork, network: CodedNetwork) -> list[Row]:
    """One row per tensor, without the columns of its trial; `names` are the names of the tensors."""
    rows = []
    for name, tensor, size in zip(names, network.tensors, file.layer_sizes, strict=True):
        values = tensor.symbols if isinstance(tensor, CodedTensor) else tensor.values
        row = {"layer": name, "shape": list(values.shape), "num_weights": values.size}
        row |= {"num_nonzero": int(np.count_nonzero(values)), "mask_bytes": size.mask_bytes}
        rows.append(row | {"values_bytes": size.values_bytes, "codebook_bytes": size.codebook_bytes})
    return rows
