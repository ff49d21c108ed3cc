"""Whoever fails is named; the others have the result that they would have without."""

from collections.abc import Sequence

import pytest
import torch

from mdlray.training.isolation import is_out_of_memory, without_failing


def test_the_others_are_worked_on_together_without_those_that_fail() -> None:
    calls: list[list[int]] = []

    def work(numbers: Sequence[int]) -> list[float]:
        calls.append(list(numbers))
        return [1 / number for number in numbers]

    assert without_failing(work, [1, 2, 4]) == ([1.0, 0.5, 0.25], {}) and calls == [[1, 2, 4]]
    results, errors = without_failing(work, [1, 0, 4, 0])
    assert results == [1.0, 0.25] and calls[-1] == [1, 4]
    assert list(errors) == [1, 3] and all("ZeroDivisionError" in error for error in errors.values())
    assert without_failing(work, [0])[0] is None


def test_what_fails_for_all_together_only_is_raised() -> None:
    def work(numbers: Sequence[int]) -> None:
        if len(numbers) > 1:
            raise ValueError("too many")

    with pytest.raises(ValueError, match="too many"):
        without_failing(work, [1, 2])


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("none left"), RuntimeError("CUBLAS_STATUS_ALLOC_FAILED")])
def test_memory_that_runs_out_is_nobodys_fault(error: Exception) -> None:
    def work(numbers: Sequence[int]) -> None:
        raise error

    assert is_out_of_memory(error) and not is_out_of_memory(ValueError("ALLOC_FAILED"))
    with pytest.raises(RuntimeError, match=str(error)):
        without_failing(work, [1, 2])
