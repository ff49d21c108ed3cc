import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mdlray.report.significance import NO_SAMPLE, Sample, holm, permutation_p, welch_p

COUNTS = st.lists(st.integers(9300, 9310), min_size=5, max_size=5)
P_VALUES = st.lists(st.floats(0, 1), max_size=20)


def test_holm_by_hand():
    # In rising order 0.01 · 4, 0.02 · 3, 0.03 · 2, 0.5 · 1, each at least the one before.
    assert holm([0.02, 0.5, 0.01, 0.03]) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_what_was_not_tested_does_not_count():
    adjusted = holm([math.nan, 0.02, math.nan, 0.01])
    assert adjusted[1::2] == pytest.approx([0.02, 0.02]) and math.isnan(adjusted[0]) and math.isnan(adjusted[2])


@given(P_VALUES)
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(p_values):
    adjusted = holm(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert p <= q <= min(1.0, p * len(p_values)) + 1e-12
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


@given(st.integers(2, 6), st.integers(2, 6), st.integers(0, 2**31))
def test_welch_from_a_sample_is_welch_from_its_values(num_first, num_second, seed):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(90, 1, num_first), rng.normal(91, 3, num_second)
    expected = stats.ttest_ind(first, second, equal_var=False).pvalue
    assert welch_p(Sample.of(first), Sample.of(second)) == pytest.approx(expected, rel=1e-9)


def test_samples_without_noise_or_without_repetitions():
    constant = Sample(90.0, 0.0, 5)
    assert welch_p(constant, constant) == 1 and welch_p(constant, Sample(91.0, 0.0, 5)) == 0
    assert math.isnan(welch_p(constant, Sample.of(np.array([91.0])))) and math.isnan(welch_p(NO_SAMPLE, constant))


@given(COUNTS, COUNTS)
def test_permutations_of_shares_are_those_of_counts(first, second):
    """Equal differences stay equal where counts of correct pictures have become percents."""
    total, observed = sum(first) + sum(second), abs(sum(first) - sum(second))
    deals = [sum(deal) for deal in itertools.combinations(first + second, 5)]
    expected = sum(abs(2 * dealt - total) >= observed for dealt in deals) / len(deals)
    shares = [100 * (np.array(counts) / 10_000) for counts in (first, second)]
    assert permutation_p(*shares) == pytest.approx(expected, abs=1e-12)


def test_permutations_by_counting():
    low, high = np.arange(5.0), np.arange(5.0) + 10
    assert permutation_p(low, high) == pytest.approx(2 / math.comb(10, 5))  # this deal and its mirror image
    assert permutation_p(low, low) == 1
    assert math.isnan(permutation_p(low, np.array([1.0]))) and math.isnan(permutation_p(np.arange(30.0), low * 7))
