"""Who leaves at a rung: never across sizes or labels, ties by place, somebody always stays."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdlray.planning import Halving
from mdlray.spec import TrialSpec, replace_fields
from mdlray.training.halving import bracket, rung_epochs, survivors


def spec(ratio: float, labels: float = 0.0, **changes: object) -> TrialSpec:
    fields = {"compression.method": "magnitude", "compression.pruning_ratio": ratio}
    return replace_fields(TrialSpec(), fields | {"data.label_randomization_fraction": labels} | changes)


def test_rungs_are_epochs_before_the_last() -> None:
    assert rung_epochs(None, 100) == set()
    assert rung_epochs(Halving(), 100) == {25, 50}
    assert rung_epochs(Halving(rungs=(0.01, 0.99)), 10) == {1}
    assert rung_epochs(Halving(), 1) == set()


def test_brackets_are_half_octaves_of_what_is_kept() -> None:
    at = [bracket(spec(1 - kept / 1024), 1024)[0] for kept in (1024, 1023, 725, 724, 512, 511, 2, 1)]
    assert at == [20, 19, 19, 18, 18, 17, 2, 0]
    assert bracket(spec(1.0), 1024)[0] == -1
    assert bracket(spec(0.5), 1024) == bracket(spec(0.5, **{"training.learning_rate": 0.3}), 1024)
    assert bracket(spec(0.5), 1024) != bracket(spec(0.5, labels=1.0), 1024)
    assert bracket(TrialSpec(), 1024) == bracket(spec(0.0), 1024)


def test_the_better_half_stays() -> None:
    nan = math.nan
    assert survivors("aaaa", [0.1, 0.4, 0.3, 0.2], 0.5) == [1, 2]
    assert survivors("aaa", [0.1, 0.4, 0.3], 0.5) == [1, 2]
    assert survivors("aaaa", [0.5, 0.5, 0.5, 0.5], 0.5) == [0, 1]
    assert survivors("aaaa", [nan, 0.0, nan, 0.1], 0.5) == [1, 3]
    assert survivors("abab", [0.9, 0.1, 0.8, 0.2], 0.5) == [0, 3]
    assert survivors("ab", [nan, 0.1], 0.5) == [0, 1]
    assert survivors("a" * 10, [0.1] * 10, 0.3) == [0, 1, 2]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1)), min_size=1), st.floats(0.01, 0.99))
def test_nobody_stays_who_is_worse_than_somebody_who_left(members: list[tuple[str, float]], keep: float) -> None:
    brackets, accuracies = zip(*members, strict=True)
    staying = survivors(brackets, accuracies, keep)
    for name in set(brackets):
        stay = [accuracies[i] for i in staying if brackets[i] == name]
        left = [a for i, a in enumerate(accuracies) if brackets[i] == name and i not in staying]
        assert stay and min(stay) >= max(left, default=0)
        assert keep * (len(stay) + len(left)) - 1e-6 <= len(stay) <= keep * (len(stay) + len(left)) + 1


@pytest.mark.parametrize("wrong", [{"rungs": ()}, {"rungs": (0.5, 1.0)}, {"rungs": (0.0,)}, {"keep": 1.0}])
def test_what_cannot_be_is_explained(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="it must .* e.g."):
        Halving(**wrong)  # type: ignore[arg-type]
