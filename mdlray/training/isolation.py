"""Work on several networks at once that fails for one of them: the results of the others, and the error of that one.

    results, errors = without_failing(work, networks)

First the work is done for all networks together, which is fast. Only if it raises an error, it is done for each network
alone, which shows the failing ones, and then once more for all others together. So their result is the same, bit for
bit, as if the failing networks were not there.
"""

import traceback
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")
Errors = dict[int, str]
"""The position of a network -> the traceback that explains its failure."""


def without_failing(work: Callable[[Sequence[Item]], Result], items: Sequence[Item]) -> tuple[Result | None, Errors]:
    """The result of `work` for all items that do not fail, and the errors of the others by position in `items`.

    The result is None if all items fail. If `work` raises for all items together but for none alone, that error is
    raised. An error of memory that runs out is raised immediately, because no single item causes it.
    """
    try:
        return work(items), {}
    except Exception as error:
        if is_out_of_memory(error):
            raise
        first = error
    errors = {position: text for position, item in enumerate(items) if (text := _error_of(work, item))}
    if not errors:
        raise first
    rest = [item for position, item in enumerate(items) if position not in errors]
    return (work(rest) if rest else None), errors


def is_out_of_memory(error: Exception) -> bool:
    """Whether the memory of a GPU ran out; libraries with their own allocation (cuBLAS) say it only in the message."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "ALLOC_FAILED" in str(error)


def _error_of(work: Callable[[Sequence[Item]], object], item: Item) -> str:
    """The traceback if `work` raises for this item alone; otherwise an empty text."""
    try:
        work([item])
    except Exception as error:
        if is_out_of_memory(error):
            raise
        return traceback.format_exc()
    return ""
