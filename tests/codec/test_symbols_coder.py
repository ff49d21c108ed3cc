"""Symbols of tensors come back, one behind the other, and the encoder's choices find what they have in common."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlray.codec.bit_coder import Coder, finish, reader, with_room, writer, written_bits
from mdlray.codec.symbols_coder import NOTHING_BEFORE, Before, code_symbols

SHAPES = [(1, 1), (1, 40), (40, 1), (7, 30), (12, 7), (9, 64), (6, 3, 5, 5), (3, 4, 6), (300, 2)]
FROM = 64
"""Room for the bits of a choice; in a file the codebook before has left it."""


@dataclass
class Sent:
    """Tensors of symbols as one stream."""

    coder: Coder
    before: Before
    bits: list[float]


def send(tensors: list[tuple[np.ndarray, np.ndarray]]) -> Sent:
    sent = Sent(writer(FROM), NOTHING_BEFORE, [])
    for symbols, codebook in tensors:
        start = written_bits(sent.coder)
        coded = code_symbols(with_room(sent.coder, FROM), symbols.shape, codebook, sent.before, symbols)
        sent.coder, sent.before = coded.coder, coded.before
        sent.bits.append(written_bits(sent.coder) - start)
        rounding = 20 + symbols.size / 4096  # of the information of each bit, kept in 1/4096 nat
        assert coded.mask_bits + coded.values_bits == pytest.approx(sent.bits[-1], rel=0.02, abs=rounding)
    return sent


def back(stream: bytes, tensors: list[tuple[np.ndarray, np.ndarray]]) -> tuple[list[np.ndarray], Before]:
    coder, before, found = reader(stream), NOTHING_BEFORE, []
    for symbols, codebook in tensors:
        coded = code_symbols(coder, symbols.shape, codebook, before, None)
        coder, before = coded.coder, coded.before
        found.append(coded.symbols)
    return found, before


def levels(count: int) -> np.ndarray:
    return np.linspace(-1, 1, count).astype(np.float16)


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.sampled_from(SHAPES), st.sampled_from([0.0, 0.05, 0.5, 1.0])), min_size=1, max_size=4),
    st.lists(st.integers(0, 65535), min_size=1, max_size=70),
    st.integers(0, 2**32),
)
def test_any_symbols_come_back(kinds: list[tuple[tuple[int, ...], float]], patterns: list[int], seed: int) -> None:
    rng, codebook = np.random.default_rng(seed), np.array(patterns, np.uint16).view(np.float16)
    tensors = [(rng.integers(1, len(codebook) + 1, s) * (rng.random(s) < d), codebook) for s, d in kinds]
    sent = send(tensors)
    found, before = back(finish(sent.coder), tensors)
    for (symbols, _), read in zip(tensors, found, strict=True):
        assert read.dtype == np.uint16 and read.shape == symbols.shape and np.array_equal(read, symbols)
    assert np.array_equal(before.activity_A, sent.before.activity_A)


def test_activity_is_the_bit_length_of_the_number_of_weights() -> None:
    ones = [0, 1, 2, 3, 4, 127, 128, 40_000]
    symbols = (np.arange(50_000) < np.array(ones)[:, None]).astype(np.int64)
    assert send([(symbols, levels(1))]).before.activity_A.tolist() == [0, 1, 2, 2, 3, 7, 8, 15]


def test_dead_units_are_known_to_the_next_tensor() -> None:
    rng = np.random.default_rng(0)
    live = rng.random(60) < 0.5
    first = rng.integers(0, 2, (60, 80)) * live[:, None]
    second = rng.integers(0, 2, (20, 60)) * live
    others = rng.permutation(second, axis=1)
    assert (
        send([(first, levels(1)), (second, levels(1))]).bits[1]
        < send([(first, levels(1)), (others, levels(1))]).bits[1]
    )


def test_pictures_cost_less_than_the_same_columns_shuffled() -> None:
    rng = np.random.default_rng(1)
    field = rng.standard_normal((50, 22, 32))
    smooth = sum(field[:, i : i + 20, j : j + 30] for i in range(3) for j in range(3)).reshape(50, 600)
    symbols = (smooth > 4).astype(np.int64)
    shuffled = rng.permutation(symbols, axis=1)
    assert send([(symbols, levels(1))]).bits[0] < 0.85 * send([(shuffled, levels(1))]).bits[0]


def test_a_second_tensor_like_the_first_costs_less() -> None:
    rng = np.random.default_rng(2)
    tensors = [(rng.choice(16, (20, 50), p=[0.55] + [0.03] * 15), levels(15)) for _ in range(2)]
    assert send(tensors).bits[1] < send(tensors[1:]).bits[0]


def test_a_second_tensor_unlike_the_first_costs_one_bit_more_at_most() -> None:
    rng = np.random.default_rng(3)
    first = np.ones((64, 64), np.int64) - np.eye(64, dtype=np.int64)
    second = rng.integers(0, 16, (20, 50))
    alone = send([(second, levels(15))]).bits[0]
    assert send([(first, levels(15)), (second, levels(15))]).bits[1] <= alone + 1.01


def test_a_level_costs_by_its_rank_wherever_it_stands_in_the_codebook() -> None:
    rng, codebook = np.random.default_rng(4), levels(15)
    symbols = rng.choice(16, (30, 60), p=np.arange(16, 0, -1) / 136)
    order = rng.permutation(15)
    place = np.r_[0, np.argsort(order) + 1]
    assert send([(place[symbols], codebook[order])]).bits == send([(symbols, codebook)]).bits
