"""The columns of a file: counts of the network's own weights, bytes of its own blob."""

import numpy as np

from mdlray import codec
from mdlray.results.schema import TRIALS

NAMES = ["hidden_1.weight", "hidden_1.bias", "output.weight", "output.bias"]


def network() -> codec.CodedNetwork:
    rng = np.random.default_rng(0)
    tensors: list[codec.CodedTensor | codec.PlainTensor] = []
    for outputs, inputs in ((5, 7), (3, 5)):
        symbols = rng.integers(0, 3, (outputs, inputs)).astype(np.uint16)
        tensors.append(codec.CodedTensor(symbols, np.array([-0.5, 0.25], dtype=np.float16)))
        tensors.append(codec.PlainTensor(np.array([0.0] + [1.0] * (outputs - 1), dtype=np.float16)))
    return codec.CodedNetwork("dense", (7, 5, 3), 0.125, 0.25, tuple(tensors))


def test_parts_and_counts_add_up() -> None:
    coded = network()
    file = codec.encode(coded)
    row = codec.size_columns(file, coded)
    weights = [tensor.symbols for tensor in coded.tensors if isinstance(tensor, codec.CodedTensor)]
    assert row["num_weights"] == 35 + 15
    assert row["num_nonzero"] == sum(int((symbols > 0).sum()) for symbols in weights) < 50
    assert row["compressed_bytes"] == len(file.blob)
    assert sum(row[f"{part}_bytes"] for part in ("header", "mask", "values", "codebook")) == len(file.blob)
    layers = codec.layer_rows(NAMES, file, coded)
    assert [(layer["layer"], layer["shape"]) for layer in layers] == list(
        zip(NAMES, ([5, 7], [5], [3, 5], [3]), strict=True)
    )
    assert sum(layer["num_nonzero"] for layer in layers if "weight" in layer["layer"]) == row["num_nonzero"]
    assert [layer["num_nonzero"] for layer in layers if "bias" in layer["layer"]] == [4, 2]
    assert sum(layer["mask_bytes"] for layer in layers) == row["mask_bytes"]


def test_every_column_is_one_of_the_table() -> None:
    coded = network()
    row = codec.size_columns(codec.encode(coded), coded)
    assert set(row) < set(TRIALS.names)
    assert {"lzma_csr_bytes", "zstd_csr_bytes", "zlib_csr_bytes"} < set(row)
