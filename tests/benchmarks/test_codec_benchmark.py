"""The networks of benchmarks/codec.py, what other coders are given of them, and one run without NNCodec."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mdlray import codec

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def networks(monkeypatch):
    """The module `codec_networks`, which lies beside the script that runs it."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import codec_networks

    return codec_networks


@pytest.mark.parametrize("codebook", [[-2, -1, 0.5, 3], [3, -1, 0.5, -2], [1, 2], [-1], []])
def test_signed_levels_are_ranks_from_zero(networks, codebook):
    values = np.array(codebook, np.float16)
    symbols = np.arange(len(values) + 1)[None, :].repeat(2, axis=0)
    levels = networks.signed_levels(codec.CodedTensor(symbols, values))
    assert levels.dtype == np.int32 and levels.shape == symbols.shape
    weights = np.concatenate([[0], values])
    assert (np.sign(levels) == np.sign(weights)).all()
    # The levels of each sign are 1 … n in the order of the values' sizes.
    for sign in (-1, 1):
        of_sign = np.flatnonzero(np.sign(weights) == sign)
        ordered = of_sign[np.argsort(np.abs(weights[of_sign]))]
        assert list(np.abs(levels[0, ordered])) == list(range(1, len(of_sign) + 1))


def test_synthetic_tensors_have_the_density_their_names_say(networks):
    drawn = dict(networks.synthetic_networks())
    assert len(drawn) == 5
    for name, network in drawn.items():
        (tensor,) = network.tensors
        density = np.count_nonzero(tensor.symbols) / tensor.symbols.size
        wanted = 1 - float(name.split(", ")[1].split(" %")[0]) / 100
        assert density == pytest.approx(wanted, abs=5 * (wanted / tensor.symbols.size) ** 0.5)
    again = dict(networks.synthetic_networks())
    assert all(codec.identical(drawn[name], again[name]) for name in drawn)


def test_the_shapes_are_those_of_resnet_50(networks):
    shapes = networks.resnet_50_shapes(1.0)
    # 25,557,032 parameters without the 53,120 of BatchNorm and 1,000 biases.
    assert sum(int(np.prod(shape)) for shape in shapes) == 25_557_032 - 53_120 - 1_000
    assert len(shapes) == 54


def test_integers_are_written_as_they_are_read(networks, tmp_path):
    symbols = np.array([[0, 1, 2], [2, 0, 0]])
    tensors = (
        codec.CodedTensor(symbols, np.array([-0.5, 0.25], np.float16)),
        codec.PlainTensor(np.array([1.5, -2.0], np.float16)),
    )
    networks.write_integers(tmp_path / "x.npz", codec.CodedNetwork("x", (), 0.0, 1.0, tensors))
    with np.load(tmp_path / "x.npz") as arrays:
        assert arrays["weights_0"].tolist() == [[0, -1, 1], [1, 0, 0]]
        assert arrays["floats_0"].view(np.float16).tolist() == [-0.5, 0.25]
        assert arrays["floats_1"].view(np.float16).tolist() == [1.5, -2.0]


@pytest.mark.slow
def test_a_run_without_nncodec_says_so_and_writes_its_table(tmp_path):
    words = [sys.executable, "benchmarks/codec.py", "--repeat", "1", "--out", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=BENCHMARKS.parent, check=True)
    assert "Without --nncodec its columns are left out" in done.stdout
    rows = list(csv.DictReader((tmp_path / "codec.csv").read_text().splitlines()))
    assert len(rows) >= 14 and {row["kind"] for row in rows} == {"trained", "synthetic"}
    assert all(0 < int(row["compressed_bytes"]) < int(row["zlib_csr_bytes"]) for row in rows)
    assert not any(column.startswith("nncodec") for column in rows[0])
