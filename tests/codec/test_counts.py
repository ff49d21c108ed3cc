"""Frequencies are proportional integers that sum to 2^24; adaptive codes come near the entropy."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mdlray.codec.counts import code_adaptively, frequencies
from mdlray.codec.range_coder import TOTAL, Decoder, Encoder


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=300))
def test_frequencies_sum_and_follow_the_weights(weights: list[int]) -> None:
    weight_A = np.array(weights, np.int64)
    freq_A = frequencies(weight_A)
    assert freq_A.sum() == TOTAL and freq_A.min() >= 1
    assert np.abs(freq_A / TOTAL - weight_A / weight_A.sum()).max() <= (len(weights) + 2) / TOTAL


def test_an_adaptive_code_is_near_the_entropy_and_comes_back() -> None:
    symbols_N = np.random.default_rng(0).choice(4, 5000, p=[0.7, 0.2, 0.05, 0.05])
    encoder = Encoder()
    code_adaptively(encoder, np.ones(4, np.int64), 2, 5000, symbols_N)
    stream = encoder.finish()
    share_A = np.bincount(symbols_N) / 5000
    entropy_bytes = -5000 * (share_A * np.log2(share_A)).sum() / 8
    assert entropy_bytes < len(stream) < 1.02 * entropy_bytes + 8
    assert np.array_equal(code_adaptively(Decoder(stream), np.ones(4, np.int64), 2, 5000, None), symbols_N)
