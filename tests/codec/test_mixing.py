"""Probabilities learned from contexts: the logarithm, what learning costs, what is kept apart and counted."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdlray.codec.bit_coder import Coder, finish, reader, with_room, writer, written_bits
from mdlray.codec.compiled import compiled
from mdlray.codec.mixing import Mixer, coded_bit, copied, fresh_mixer, learning_rates, log
from mdlray.codec.weights_model import PER_BIT

RATES = learning_rates(1.5)


@compiled
def compiled_log(number: int) -> int:
    return log(number)


@compiled
def each_bit(
    coder: Coder, mixer: Mixer, x_K: np.ndarray, cells_K: np.ndarray, contexts: np.ndarray, bits: np.ndarray
) -> None:
    """Inputs: a cell for all bits, and one for each context."""
    for index in range(len(bits)):
        cells_K[0], cells_K[1] = 0, 1 + contexts[index]
        bits[index] = coded_bit(coder, mixer, 0, contexts[index] & 1, x_K, 0, cells_K, 200, RATES, bits[index])


def mixer_of(num_contexts: int) -> Mixer:
    return fresh_mixer(1, 2, (0.5, 0.5), 1 + num_contexts)


def coded(coder: Coder, mixer: Mixer, contexts: np.ndarray, bits: np.ndarray) -> np.ndarray:
    known = bits.astype(np.int64)
    each_bit(coder, mixer, np.zeros(2, np.int64), np.zeros(2, np.int64), contexts.astype(np.int64), known)
    return known


def cost(mixer: Mixer, contexts: np.ndarray, bits: np.ndarray) -> float:
    """Bits of the stream."""
    coder = with_room(writer(0), len(bits))
    coded(coder, mixer, contexts, bits)
    return written_bits(coder)


def entropy(q: float) -> float:
    return -q * math.log2(q) - (1 - q) * math.log2(1 - q)


@given(st.integers(1, 2**60) | st.integers(1, 2**20))
def test_logarithms_are_right_to_the_leading_eight_bits(number: int) -> None:
    """Each shift by four bits drops less than 1/256 of what is left, all of them less than 1/256 + 1/4096 + …"""
    found, wanted = compiled_log(number), 4096 * math.log(number)
    shifts = max(0, -(-(number.bit_length() - 12) // 4))
    lost = 4096 * math.log(256 / 255) * bool(shifts)
    assert wanted - lost - 1 - shifts <= found <= wanted + 1 + shifts


def test_logarithms_never_fall_far() -> None:
    """Where a number takes one more shift it may lose a rounding, nothing else."""
    logs = np.array([compiled_log(number) for number in range(1, 20_000)])
    assert np.diff(logs).min() >= -1 and logs[0] == 0


def test_learning_rates_fall_with_what_has_been_seen() -> None:
    """Steps of 1/64 below 64; from there on steps of 1/4, whose first 256 places are never asked for."""
    used = np.concatenate([RATES[:4096], RATES[4096 + 256 :]])
    assert RATES[0] == round(2**20 / (1 / 128 + 1.5)) and (np.diff(used) <= 0).all() and RATES[-1] > 0


@pytest.mark.parametrize("q", [0.5, 0.3, 0.05, 0.005])
def test_independent_bits_cost_their_entropy_and_a_little_to_learn(q: float) -> None:
    """Two learned numbers, about ½ log2 n bits each, and the weights that go on moving: 2 % at most."""
    n, rng = 20_000, np.random.default_rng(0)
    costs = [cost(mixer_of(1), np.zeros(n), rng.random(n) < q) for _ in range(5)]
    assert n * entropy(q) * 0.9 < np.mean(costs) < 1.02 * n * entropy(q) + 2 * math.log2(n)


def test_a_context_that_knows_the_bit_makes_it_cheap() -> None:
    rng = np.random.default_rng(0)
    contexts, noise = rng.integers(0, 4, 10_000), rng.random(10_000) < 0.02
    bits = (contexts >= 2) ^ noise
    assert cost(mixer_of(4), contexts, bits) < 1.15 * 10_000 * entropy(0.02)
    assert cost(mixer_of(4), np.zeros(10_000), bits) > 9_900


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 1)), max_size=300))
def test_a_reader_learns_what_the_writer_learned(drawn: list[tuple[int, int]]) -> None:
    contexts, bits = np.array(drawn, np.int64).reshape(-1, 2).T
    writing, reading = mixer_of(8), mixer_of(8)
    coder = with_room(writer(0), len(bits))
    coded(coder, writing, contexts, bits)
    assert np.array_equal(coded(reader(finish(coder)), reading, contexts, np.zeros(len(bits))), bits)
    assert all(np.array_equal(a, b) for a, b in zip(writing, reading, strict=True))


def test_spent_is_the_information_written() -> None:
    """To the leading eight bits of each probability, 1/256 nat per bit."""
    rng = np.random.default_rng(1)
    for q in (0.5, 0.1, 0.001):
        mixer, n = mixer_of(1), 5000
        bits = cost(mixer, np.zeros(n), rng.random(n) < q)
        assert 0 <= int(mixer.spent[0]) / PER_BIT - bits + n / 4096 < n / 256 / math.log(2) + n / 2048


def test_a_copy_learns_for_itself() -> None:
    mixer = mixer_of(2)
    rng = np.random.default_rng(0)
    cost(mixer, rng.integers(0, 2, 100), rng.random(100) < 0.2)
    before, other = copied(mixer), copied(mixer)
    cost(other, rng.integers(0, 2, 100), rng.random(100) < 0.9)
    assert all(np.array_equal(a, b) for a, b in zip(mixer, before, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(other, before, strict=True))
