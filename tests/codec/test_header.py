"""Headers: what a family implies, what is refused, and that nothing is read before the checksum holds."""

import numpy as np
import pytest

from mdlray.codec import CodedNetwork, CodedTensor, DecodeError, PlainTensor, implied_tensors
from mdlray.codec.header import header_of, open_sealed, pack, seal, unpack


def network(family: str = "dense") -> CodedNetwork:
    tensors = (
        CodedTensor(np.zeros((3, 5), np.int64), np.zeros(0, np.float16)),
        PlainTensor(np.zeros(3, np.float16)),
    )
    return CodedNetwork(family=family, shape=(5, 3), pixel_mean=0.125, pixel_std=0.5, tensors=tensors)


@pytest.mark.parametrize("family", ["dense", "somebody's own"])
def test_a_header_comes_back(family: str) -> None:
    header = header_of(network(family))
    assert unpack(open_sealed(seal(pack(header)))) == header


def test_a_registered_family_is_cheaper_than_one_by_name() -> None:
    assert len(pack(header_of(network()))) < len(pack(header_of(network("dance"))))


def test_dense_implies_a_weight_and_a_bias_per_layer() -> None:
    layouts = implied_tensors("dense", (784, 100, 10))
    assert [(layout.coded, layout.shape) for layout in layouts] == [
        (True, (100, 784)), (False, (100,)), (True, (10, 100)), (False, (10,)),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="at least two layer sizes"):
        implied_tensors("dense", (784,))


def test_convnet_implies_two_layers() -> None:
    layouts = implied_tensors("convnet", (784, 8, 7, 1, 3, 10))
    assert [(layout.coded, layout.shape) for layout in layouts] == [
        (True, (8, 1, 7, 7)), (False, (8,)), (True, (10, 8 * 7 * 7)), (False, (10,)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "shape",
    [
        (),
        (784,),
        (780, 8, 7, 1, 3, 10),
        (784, 8, 29, 1, 1, 10),
        (784, 8, 7, 1, 23, 10),
        (784, 8, 7, 0, 3, 10),
        (784, 0, 7, 1, 3, 10),
    ],
)
def test_impossible_sizes_of_a_convnet_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="convnet has sizes .* six sizes"):
        implied_tensors("convnet", shape)


def test_hashed_implies_buckets_and_a_bias_per_layer() -> None:
    layouts = implied_tensors("hashed", (784, 100, 10, 7840, 100, 0))
    assert [(layout.coded, layout.shape) for layout in layouts] == [
        (True, (1, 7840)), (False, (100,)), (True, (1, 100)), (False, (10,)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "shape",
    [
        (),
        (784, 10),
        (784, 10, 100),
        (784, 100, 10, 7840, 100),
        (0, 10, 1, 0),
        (784, 10, 0, 5),
        (5, 3, 16, 0),
        (2**15, 2**14, 1, 0),
    ],
)
def test_impossible_sizes_of_a_hashed_network_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="hashed has sizes .* two or more layer sizes"):
        implied_tensors("hashed", shape)


def test_a_changed_byte_is_found_by_the_checksum() -> None:
    sealed = seal(pack(header_of(network())))
    for position in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[position] ^= 1
        with pytest.raises(DecodeError):
            open_sealed(bytes(damaged))
