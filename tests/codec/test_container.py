"""One file: round trips over all shapes and densities, parts that sum to it, pinned bytes, sizes near the entropy."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlray import codec
from mdlray.codec import CodedNetwork, CodedTensor, PlainTensor

SHAPES = [(1, 1), (1, 40), (40, 1), (7, 30), (3, 784), (8, 3, 5, 5), (0, 4), (4, 0), (2, 3, 0), (20, 64)]
DENSITIES = [0.0, 0.01, 0.1, 0.5, 0.9, 1.0]
LEVELS = [0, 1, 2, 15, 255, 256, 4096]

GOLDEN = (
    "4d444c027e28f11201030603012f30ee340303"  # magic, version, checksum, family, sizes, statistics, codebook lengths
    "75cca39e99069cd42e80f801ef0ec25cf7"  # stream
)


def random_tensor(rng: np.random.Generator, shape: tuple[int, ...], density: float, levels: int) -> CodedTensor:
    symbols = rng.integers(1, levels + 1, shape) * (rng.random(shape) < density) if levels else np.zeros(shape, int)
    codebook = rng.standard_normal(levels).astype(np.float16)
    return CodedTensor(symbols, np.sort(codebook) if rng.random() < 0.5 else codebook)


def dense_network(rng: np.random.Generator, sizes: tuple[int, ...], density: float, levels: int = 15) -> CodedNetwork:
    tensors: list[CodedTensor | PlainTensor] = []
    for inputs, outputs in zip(sizes[:-1], sizes[1:], strict=True):
        tensors.append(random_tensor(rng, (outputs, inputs), density, levels))
        tensors.append(PlainTensor(rng.standard_normal(outputs).astype(np.float16)))
    return CodedNetwork("dense", sizes, float(np.float16(0.1307)), float(np.float16(0.3081)), tuple(tensors))


def free_network(*tensors: CodedTensor | PlainTensor) -> CodedNetwork:
    return CodedNetwork("test", (), 0.0, 1.0, tensors)


def assert_round_trip(network: CodedNetwork) -> codec.EncodedNetwork:
    file = codec.encode(network)
    assert codec.identical(codec.decode(file.blob), network)
    assert file.header_bytes + file.mask_bytes + file.values_bytes + file.codebook_bytes == len(file.blob)
    parts = [n for s in file.layer_sizes for n in (s.mask_bytes, s.values_bytes, s.codebook_bytes)]
    assert len(file.layer_sizes) == len(network.tensors) and min(parts, default=0) >= 0 < file.header_bytes
    return file


def bell_mask_tensor(zeros: float, seed: int = 0) -> CodedTensor:
    """100 x 784: density bell-shaped over the 28 x 28 picture, units of different density, 15 Laplace-like levels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:28, :28]
    density = np.exp(-((x - 13.5) ** 2 + (y - 13.5) ** 2) / 72).ravel() * rng.lognormal(0, 0.7, (100, 1))
    order = np.argsort(np.log(rng.random(78400)) / density.ravel())[::-1][: round((1 - zeros) * 78400)]
    symbols = np.zeros(78400, np.int64)
    level = np.exp(-np.abs(np.arange(-7, 8)) / 3)
    symbols[order] = rng.choice(15, len(order), p=level / level.sum()) + 1
    return CodedTensor(symbols.reshape(100, 784), np.linspace(-0.7, 0.8, 15).astype(np.float16))


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(st.tuples(st.sampled_from(SHAPES), st.sampled_from(DENSITIES)), max_size=3),
    st.data(),
)
def test_any_tensors_come_back_bit_for_bit(seed: int, kinds: list, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    tensors: list = [random_tensor(rng, shape, d, data.draw(st.sampled_from(LEVELS))) for shape, d in kinds]
    patterns = data.draw(st.lists(st.integers(0, 65535), max_size=20))
    tensors.append(PlainTensor(np.array(patterns, np.uint16).view(np.float16)))
    assert_round_trip(free_network(*tensors))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(1, 60), min_size=2, max_size=4), st.sampled_from(DENSITIES))
def test_dense_networks_come_back_bit_for_bit(seed: int, sizes: list[int], density: float) -> None:
    assert_round_trip(dense_network(np.random.default_rng(seed), tuple(sizes), density))


def test_symbols_may_be_any_integers_and_any_memory_order() -> None:
    symbols = np.asfortranarray(np.random.default_rng(0).integers(0, 4, (9, 30)))
    codebook = np.array([3, 1, 2, 5, 4, 6], np.float16)[::2]
    for dtype in (np.uint8, np.int16, np.int32, np.uint64):
        assert_round_trip(free_network(CodedTensor(symbols.astype(dtype), codebook)))
        assert_round_trip(free_network(CodedTensor(symbols.astype(dtype)[::2, ::3], codebook)))


def test_a_matrix_of_many_columns_and_one_of_many_rows() -> None:
    rng = np.random.default_rng(0)
    assert_round_trip(free_network(random_tensor(rng, (2, 20_000), 0.1, 15)))
    assert_round_trip(free_network(random_tensor(rng, (20_000, 3), 0.1, 15)))


def test_a_network_without_tensors() -> None:
    assert_round_trip(free_network())


def test_the_header_of_a_small_dense_network_has_at_most_20_bytes() -> None:
    file = assert_round_trip(dense_network(np.random.default_rng(0), (784, 100, 10), 0.05))
    assert file.header_bytes <= 20


def test_golden_bytes() -> None:
    symbols = [np.array([[0, 1, 0, 2, 0, 0], [3, 0, 0, 2, 0, 1], [0, 0, 0, 0, 3, 0]]), np.array([[1, 0, 2]])]
    codebooks = [np.array([-0.5, 0.25, 0.75], np.float16), np.array([-1.5, 1.0, 1.0], np.float16)]
    biases = [np.array([0.125, 0.0, -0.375], np.float16), np.array([1.0], np.float16)]
    layers = zip(symbols, codebooks, biases, strict=True)
    tensors = [tensor for s, c, b in layers for tensor in (CodedTensor(s, c), PlainTensor(b))]
    network = CodedNetwork("dense", (6, 3, 1), float(np.float16(0.1307)), float(np.float16(0.3081)), tuple(tensors))
    assert assert_round_trip(network).blob.hex() == GOLDEN, "the format changed: raise VERSION and keep the old reader"


@pytest.mark.parametrize("density", [0.002, 0.01, 0.1, 0.5, 0.9, 1.0])
def test_independent_weights_cost_their_order_0_entropy(density: float) -> None:
    rng = np.random.default_rng(1)
    symbols = (rng.choice(15, (100, 784), p=np.arange(1, 16) / 120) + 1) * (rng.random((100, 784)) < density)
    network = free_network(CodedTensor(symbols, np.linspace(-1, 1, 15).astype(np.float16)))
    coded_bytes = assert_round_trip(network).mask_bytes + assert_round_trip(network).values_bytes
    assert coded_bytes <= 1.03 * codec.ideal_entropy_bits(network) / 8 + 40


@pytest.mark.parametrize(("zeros", "share"), [(0.9, 0.92), (0.97, 0.97), (0.99, 1.0), (0.998, 1.04)])
def test_masks_like_those_of_trained_networks_cost_less_than_their_entropy(zeros: float, share: float) -> None:
    network = free_network(bell_mask_tensor(zeros))
    file = assert_round_trip(network)
    assert file.mask_bytes + file.values_bytes <= share * codec.ideal_entropy_bits(network) / 8


@pytest.mark.parametrize("constant", [0, 1])
def test_all_zero_and_all_equal_tensors_cost_next_to_nothing(constant: int) -> None:
    file = assert_round_trip(free_network(CodedTensor(np.full((100, 784), constant), np.ones(1, np.float16))))
    assert len(file.blob) <= 35


def test_a_bias_rounded_to_fewer_mantissa_bits_costs_fewer() -> None:
    values = np.random.default_rng(0).standard_normal(100).astype(np.float16)
    rounded = (values.view(np.uint16) & 0xFFC0).view(np.float16)
    sizes = [assert_round_trip(free_network(PlainTensor(v))).values_bytes for v in (values, rounded)]
    assert sizes[1] <= sizes[0] - 100 * 6 // 8 + 1


def test_a_sparse_matrix_of_usual_size_takes_no_noticeable_time() -> None:
    network = free_network(bell_mask_tensor(0.95))
    codec.decode(codec.encode(network).blob)
    start = time.process_time()
    codec.decode(codec.encode(network).blob)
    assert time.process_time() - start < 0.5  # 0.06 on an idle core


def test_tensors_that_are_not_those_of_the_family_are_refused() -> None:
    with pytest.raises(ValueError, match="has tensors"):
        codec.encode(CodedNetwork("dense", (4, 2), 0.0, 1.0, (PlainTensor(np.zeros(2, np.float16)),)))
    with pytest.raises(ValueError, match="at least two layer sizes"):
        codec.encode(CodedNetwork("dense", (4,), 0.0, 1.0, ()))
