"""Integers through the range coder and back: carries, ends, damage. A second decoder is in test_mdl_format.py."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlray.codec.counts import frequencies
from mdlray.codec.range_coder import TOTAL, DecodeError, Decoder, Encoder


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 60))
def test_what_was_written_is_read_from_hardly_more_bytes(mixed_stream, seed: int, length: int) -> None:
    stream, drawn = mixed_stream(seed, length)
    decoder = Decoder(stream)
    assert np.array_equal(decoder.bits(drawn["freq1"], None), drawn["bits"])
    assert np.array_equal(decoder.symbols(drawn["table"], length, None), drawn["letters"])
    assert np.array_equal(decoder.uniform(drawn["widths"], None), drawn["numbers"])


def test_carries_and_interval_ends() -> None:
    rng = np.random.default_rng(0)
    for extreme in (1, TOTAL - 1):
        for length in range(1, 80):
            freq1 = np.full(length, extreme)
            for bits in (np.zeros(length, np.int64), np.ones(length, np.int64), rng.integers(0, 2, length)):
                encoder = Encoder()
                encoder.bits(freq1, bits)
                assert np.array_equal(Decoder(encoder.finish()).bits(freq1, None), bits)


def test_nothing_takes_no_bytes() -> None:
    assert Encoder().finish() == b""


def test_a_number_outside_of_the_interval_is_an_error() -> None:
    with pytest.raises(DecodeError, match="damaged"):
        Decoder(b"\xff" * 8).bits(np.full(100, 1000), None)


@given(st.lists(st.integers(0, 2**30), min_size=1, max_size=50))
def test_frequencies_are_positive_and_sum_to_the_total(weights: list[int]) -> None:
    freq = frequencies(np.array(weights))
    assert freq.min() >= 1
    assert freq.sum() == (TOTAL if sum(weights) else len(weights))
