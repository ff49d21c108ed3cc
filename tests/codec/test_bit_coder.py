"""Bits and integers through the range coder and back: lengths, carries, ends (a second reader: test_mdl_format.py)."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mdlray.codec.bit_coder import Coder, bit, finish, reader, uniform, with_room, writer, writes, written_bits
from mdlray.codec.compiled import compiled

Decision = tuple[int, int]
"""A probability of 1 in units of 2^-16, and a bit."""

DECISIONS = st.lists(st.tuples(st.integers(1, 65535), st.integers(0, 1)), max_size=80)


@compiled
def each_bit(coder: Coder, probabilities: np.ndarray, bits: np.ndarray) -> None:
    for index in range(len(bits)):
        bits[index] = bit(coder, probabilities[index], bits[index])


def coded_bits(coder: Coder, probabilities: list[int], bits: list[int]) -> list[int]:
    known = np.array(bits, np.int64)
    each_bit(coder, np.array(probabilities, np.int64), known)
    return known.tolist()


def written(decisions: list[Decision]) -> Coder:
    coder = with_room(writer(0), len(decisions))
    coded_bits(coder, [p for p, _ in decisions], [one for _, one in decisions])
    return coder


def read(stream: bytes, decisions: list[Decision]) -> list[Decision]:
    probabilities = [p for p, _ in decisions]
    return list(zip(probabilities, coded_bits(reader(stream), probabilities, [0] * len(decisions)), strict=True))


def information(decisions: list[Decision]) -> float:
    return sum(16 - math.log2(p if one else 65536 - p) for p, one in decisions)


def rounded_up(decisions: list[Decision]) -> float:
    """Bits that zeros cost less at most: what the range's 2^16 parts leave over, less than one part, is theirs."""
    return sum(math.log2((65537 - p) / (65536 - p)) for p, one in decisions if not one)


@given(DECISIONS)
@example([(1, 1)] * 80)
@example([(65535, 0)] * 80)
@example([(65535, 1)] * 80)
def test_any_bits_come_back_from_hardly_more_bytes_than_their_information(decisions: list[Decision]) -> None:
    coder = written(decisions)
    stream = finish(coder)
    assert read(stream, decisions) == decisions
    assert written_bits(coder) <= information(decisions) + 0.01
    assert written_bits(coder) >= information(decisions) - rounded_up(decisions) - 0.01
    assert len(stream) <= math.ceil(information(decisions) / 8 + 0.01) + 1


@given(DECISIONS)
def test_no_shorter_stream_says_the_same(decisions: list[Decision]) -> None:
    stream = finish(written(decisions))
    assert all(read(stream[:length], decisions) != decisions for length in range(len(stream)))


@given(DECISIONS, st.integers(0, 20))
def test_behind_the_end_there_are_zeros(decisions: list[Decision], num_zeros: int) -> None:
    assert read(finish(written(decisions)) + b"\0" * num_zeros, decisions) == decisions


@given(st.integers(1, 65535))
def test_an_empty_stream_is_read_as_ones(probability: int) -> None:
    """Zeros without end lie in the lower part of every interval."""
    assert coded_bits(reader(b""), [probability] * 50, [0] * 50) == [1] * 50


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2**40 - 1)), max_size=30))
def test_numbers_come_back_and_cost_their_bits(drawn: list[tuple[int, int]]) -> None:
    sent = [(width, number % 2**width) for width, number in drawn]
    coder = with_room(writer(0), sum(width for width, _ in sent))
    assert [uniform(coder, width, number) for width, number in sent] == [number for _, number in sent]
    assert written_bits(coder) == pytest.approx(sum(width for width, _ in sent))
    stream = reader(finish(coder))
    assert [uniform(stream, width, 0) for width, _ in sent] == [number for _, number in sent]


@pytest.mark.parametrize("run", [1, 2, 5, 300])
def test_a_carry_goes_through_a_run_of_full_bytes(run: int) -> None:
    decisions, across = around_the_middle(run + 1)
    before = written(decisions)
    assert before.buffer[: run + 1].tolist() == [127] + [255] * run
    for last, settled in (((across, 1), [127] + [255] * run), ((across, 0), [128] + [0] * run)):
        coder = written([*decisions, last])
        assert coder.buffer[: run + 1].tolist() == settled
        assert read(finish(coder), [*decisions, last]) == [*decisions, last]


def around_the_middle(num_bytes: int) -> tuple[list[Decision], int]:
    """Decisions after which the interval still holds 1/2, and a probability that parts it just above."""
    below, span, shifts = 1 << 39, 1 << 40, 0  # the part of the interval below 1/2, and all of it
    decisions: list[Decision] = []
    while True:
        unit = span >> 16
        if shifts >= num_bytes:
            return decisions, below // unit + 1
        cut = (below - 1) // unit
        if cut:
            decisions.append((cut, 0))
            below, span = below - cut * unit, span - cut * unit
        else:
            decisions.append((1 + below // unit, 1))
            span = unit * (1 + below // unit)
        while span < 1 << 32:
            below, span, shifts = below << 8, span << 8, shifts + 1


def test_a_stream_gets_room_and_keeps_what_it_holds() -> None:
    coder = with_room(writer(0), 1)
    for number in range(100):
        coder = with_room(coder, 30)
        uniform(coder, 30, number)
    assert with_room(coder, 0) is coder
    stream = reader(finish(coder))
    assert with_room(stream, 10**9) is stream, "who reads needs no room"
    assert [uniform(stream, 30, 0) for _ in range(100)] == list(range(100))


def test_nothing_takes_no_bytes() -> None:
    coder = writer(0)
    assert writes(coder) and finish(coder) == b"" and written_bits(coder) == 0
    assert uniform(coder, 0, 0) == 0 and finish(coder) == b""
    assert not writes(reader(b""))
