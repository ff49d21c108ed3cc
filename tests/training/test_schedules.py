"""Learning rates never rise and never vanish."""

import pytest

from mdlray.training import LEARNING_RATE_SCHEDULES


@pytest.mark.parametrize("name", sorted(LEARNING_RATE_SCHEDULES))
def test_starts_at_one_and_never_rises(name: str) -> None:
    factors = [LEARNING_RATE_SCHEDULES[name](step / 1000) for step in range(1000)]
    assert factors[0] == 1
    assert all(a >= b > 0 for a, b in zip(factors, factors[1:], strict=False))
