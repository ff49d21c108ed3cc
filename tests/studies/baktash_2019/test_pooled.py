import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mdlray.studies.baktash_2019.pooled import pool, verdict


def side(table_PN, first_seed=0):
    """Places 0, 1, … and repetitions (seed, 0, 0)."""
    return {
        float(place): {(first_seed + seed, 0, 0): value for seed, value in enumerate(values)}
        for place, values in enumerate(table_PN)
    }


accuracies = st.lists(st.lists(st.floats(0, 100), min_size=5, max_size=5), min_size=1, max_size=6)


@given(accuracies, accuracies)
def test_the_test_is_scipys_paired_one_on_the_means_over_places(first, second):
    pooled = pool(side(first), side(second))
    num = min(len(first), len(second))
    assert pooled.places_P == tuple(map(float, range(num)))
    left, right = np.mean(first[:num], axis=0), np.mean(second[:num], axis=0)
    if np.std(left - right) > 1e-6:
        assert pooled.p == pytest.approx(stats.ttest_rel(left, right).pvalue, rel=1e-6)
    swapped = pool(side(second), side(first))
    assert swapped.means_N == pytest.approx(-pooled.means_N)


def test_the_number_of_places_does_not_enter_n():
    """A hundred copies of one place say what the one says."""
    first, second = [[90.0, 91.0, 92.0]], [[89.0, 90.5, 91.2]]
    one, many = pool(side(first), side(second)), pool(side(first * 100), side(second * 100))
    assert many.p == pytest.approx(one.p) and len(many.means_N) == 3


def test_a_place_with_fewer_repetitions_is_left_out_and_a_repetition_that_is_alone_too():
    first = side([[90.0] * 5, [90.0] * 5, [90.0] * 2])
    second = side([[89.0] * 5, [80.0] * 5, [0.0] * 2])
    assert pool(first, second).places_P == (0.0, 1.0)
    # Seeds 0 to 4 beside 2 to 6: three are common.
    assert pool(first, side([[89.0] * 5], first_seed=2)).means_N.tolist() == [1.0] * 3
    assert pool(side([[90.0, 91.0]]), side([[89.0, 90.0]])).means_N.tolist() == [1.0] * 2
    nothing = pool(first, {})
    assert nothing.places_P == () and np.isnan(nothing.p) and not nothing.is_mixed


@pytest.mark.parametrize(
    ("shifts", "expected"),
    [
        ((1.0, 1.0, 1.0), "supported"),
        ((-1.0, -1.0, -1.0), "contradicted"),
        ((3.0, 1.0, -2.0), "mixed"),
        ((0.0, 0.0, 0.0), "not decided"),
        ((1.0, 0.01, -0.01), "supported"),
    ],
)
def test_verdicts(shifts, expected):
    noise = np.array([-0.03, -0.01, 0.0, 0.01, 0.03])
    second = np.tile(np.array([90.0, 92.0, 91.0, 90.5, 91.5]), (3, 1))
    first = second + np.array(shifts)[:, None] + noise
    pooled = pool(side(first), side(second))
    assert verdict(pooled, pooled.p) == expected


def test_one_repetition_is_no_test():
    pooled = pool(side([[90.0]]), side([[80.0]]))
    assert verdict(pooled, pooled.p) == "not tested" and pooled.means_N.tolist() == [10.0]
