"""The value types refuse what the format cannot hold, in words a caller can act on."""

import numpy as np
import pytest

from mdlray.codec import CodedNetwork, CodedTensor, PlainTensor, identical

HALF = np.array([0.5], np.float16)


def test_weights_are_zero_or_codebook_entries() -> None:
    tensor = CodedTensor(np.array([[0, 2], [1, 0]]), np.array([-1.5, 3], np.float16))
    assert tensor.weights.tolist() == [[0, 3], [-1.5, 0]]
    assert tensor.weights.dtype == np.float16


@pytest.mark.parametrize(
    ("symbols", "codebook", "message"),
    [
        (np.zeros(3, int), HALF, "dimensions"),
        (np.zeros((1, 3)), HALF, "integers"),
        (np.zeros((1, 3), int), np.array([0.5]), "float16"),
        (np.zeros((1, 3), int), HALF.reshape(1, 1), "levels"),
        (np.zeros((1, 3), int), np.zeros(4097, np.float16), "4097 levels"),
        (np.array([[0, 2]]), HALF, "from 0 to 2"),
        (np.array([[0, -1]]), HALF, "from -1 to 0"),
    ],
)
def test_impossible_coded_tensors_are_refused(symbols: np.ndarray, codebook: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CodedTensor(symbols, codebook)


def test_impossible_plain_tensors_are_refused() -> None:
    with pytest.raises(ValueError, match="float16"):
        PlainTensor(np.zeros(3))
    with pytest.raises(ValueError, match="dimensions"):
        PlainTensor(np.zeros((), np.float16))


@pytest.mark.parametrize("mean", [0.1307, float("nan"), float("inf"), 1e9])
def test_statistics_must_be_float16_numbers(mean: float) -> None:
    with pytest.raises(ValueError, match="pixel_mean"):
        CodedNetwork("dense", (1, 1), mean, 1.0, ())


def test_identical_looks_at_bits() -> None:
    def network(value: float, mean: float = 0.0) -> CodedNetwork:
        return CodedNetwork("x", (), mean, 1.0, (PlainTensor(np.array([value], np.float16)),))

    assert identical(network(float("nan")), network(float("nan")))
    assert not identical(network(0.0), network(-0.0))
    assert not identical(network(0.0), network(0.0, mean=-0.0))
    assert not identical(network(0.0), CodedNetwork("x", (), 0.0, 1.0, ()))
