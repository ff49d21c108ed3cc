"""Frames into tables of text: what the page shows, before it is HTML."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

MOST_ROWS = 200
"""A table on the page shows at most so many rows, and says so; the files have them all."""

Column = tuple[str, Callable[[Mapping[str, Any]], str], bool]
"""Heading, text of a row, and whether it is a number."""


@dataclass(frozen=True)
class Table:
    """Plain texts by row and column (nothing is escaped here), and how many rows were left out."""

    headings: tuple[str, ...]
    kinds: tuple[str, ...]
    """`number` or `text`, per column."""
    rows: tuple[tuple[str, ...], ...]
    num_left_out: int = 0


def table(frame: pd.DataFrame, columns: Sequence[Column]) -> Table:
    """The first `MOST_ROWS` rows as texts."""
    rows: list[Any] = frame.head(MOST_ROWS).to_dict("records")
    return Table(
        headings=tuple(name for name, _, _ in columns),
        kinds=tuple("number" if is_number else "text" for _, _, is_number in columns),
        rows=tuple(tuple(text(row) for _, text, _ in columns) for row in rows),
        num_left_out=max(0, len(frame) - MOST_ROWS),
    )


def percent(mean: str, std: str, factor: float = 100.0) -> Callable[[Mapping[str, Any]], str]:
    """The text of a mean and its standard deviation, two columns of a row that are multiplied by `factor`."""
    return lambda row: with_spread(factor * row[mean], factor * row[std], ".2f")


def with_spread(mean: float, std: float, form: str) -> str:
    """Mean ± standard deviation in this format; the deviation of one repetition is left out."""
    return known(mean, form) + ("" if pd.isna(std) else f" ± {std:{form}}")


def known(value: float, form: str) -> str:
    """The number in this format, or a dash for one that is missing."""
    return "–" if pd.isna(value) else f"{value:{form}}"
