"""The example of the module by hand, and properties of any state of a run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdlray.driver.time_left import PackTime, Waiting, seconds_left


def test_the_example_of_the_module() -> None:
    begun = [PackTime("wide", 100.0, 60.0, 0.25), PackTime("narrow", 50.0, 60.0, 0.5)]
    waiting = [Waiting("wide", 100.0)] * 3
    assert seconds_left(begun, waiting, 2) == pytest.approx((180 + 60 + 3 * 240) / 2)


def test_unknown_before_the_first_epoch_and_known_after_it() -> None:
    waiting = [Waiting("wide", 100.0)]
    assert seconds_left([], waiting, 1) is None
    assert seconds_left([PackTime("wide", 100.0, 5.0, 0.0)], waiting, 1) is None
    assert seconds_left([PackTime("wide", 100.0, 5.0, 0.01)], waiting, 1) == pytest.approx(495 + 500)


def test_a_kind_that_has_not_run_is_average_and_a_kind_that_has_is_not() -> None:
    done = [PackTime("wide", 100.0, 10.0, 1.0), PackTime("narrow", 100.0, 30.0, 1.0)]
    assert seconds_left(done, [Waiting("wide", 100.0)], 1) == pytest.approx(10)
    assert seconds_left(done, [Waiting("other", 100.0)], 1) == pytest.approx(20)
    assert seconds_left(done, [Waiting(None, 100.0)], 1) == pytest.approx(20)


@given(
    seconds=st.lists(st.floats(1, 1000), min_size=1, max_size=12),
    num_parallel=st.integers(1, 4),
    moment=st.floats(0.05, 1.0),
)
def test_where_packs_take_what_their_kind_takes_the_estimate_is_never_below_what_one_worker_needs(
    seconds: list[float], num_parallel: int, moment: float
) -> None:
    """Packs with efforts equal to their seconds: the first ones run, in step, the others wait."""
    running = [PackTime("one", one, moment * one, moment) for one in seconds[:num_parallel]]
    waiting = [Waiting("one", one) for one in seconds[num_parallel:]]
    left = seconds_left(running, waiting, num_parallel)
    rest = sum(seconds) - moment * sum(seconds[:num_parallel])
    longest = max(seconds[:num_parallel]) * (1 - moment)
    assert left == pytest.approx(max(rest / num_parallel, longest), abs=1e-6)


def test_nothing_is_left_when_all_is_done() -> None:
    assert seconds_left([PackTime("one", 1.0, 3.0, 1.0)], [], 2) == 0
