"""Work on several networks at once that fails for one of them: the others' results, and the error of that one.

    results, errors = without_failing(work, networks)

The work is done for all at once, which is fast. Only if it raises is it done for each alone, which tells who fails, and
then once more for all others together: their result is what it would be without the failing ones, to the bit.
"""

import traceback
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")
Errors = dict[int, str]
"""Position of a network to the traceback that explains its failure."""


def without_failing(work: Callable[[Sequence[Item]], Result], items: Sequence[Item]) -> tuple[Result | None, Errors]:
    """What `work` returns for all items but those for which it raises, and those by their position in `items`.

    The result is None where no item is left. Raises what `work` raises for all items if it raises for none alone, and
    at once if memory runs out, which is nobody's own fault.
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
    """Whether a GPU's memory ran out; libraries that allocate for themselves (cuBLAS) say so in words only."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "ALLOC_FAILED" in str(error)


def _error_of(work: Callable[[Sequence[Item]], object], item: Item) -> str:
    """The traceback where `work` raises for this item alone; empty where it does not."""
    try:
        work([item])
    except Exception as error:
        if is_out_of_memory(error):
            raise
        return traceback.format_exc()
    return ""
