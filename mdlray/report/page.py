"""Tables and figures into one page of HTML that needs nothing beside it: pictures are embedded, text is escaped."""

import base64
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from mdlray.report.study import Section

MOST_ROWS = 200
"""A table on the page shows at most so many rows, and says so; the files have them all."""

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
img { max-width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem .2rem 0; text-align: left; border-bottom: 1px solid #e6e6e6; vertical-align: top; }
th { border-bottom: 1px solid #888; white-space: nowrap; } td.number, th.number { text-align: right; }
td.text { white-space: pre-wrap; overflow-wrap: anywhere; }
.note { color: #666; }
"""

Column = tuple[str, Callable[[Mapping[str, Any]], str], bool]
"""Heading, text of a row, and whether it is a number."""


def percent(mean: str, std: str, factor: float = 100.0) -> Callable[[Mapping[str, Any]], str]:
    """The text of a mean and its standard deviation, two columns of a row that are multiplied by `factor`."""
    return lambda row: _with_spread(factor * row[mean], factor * row[std], ".2f")


_TASK: list[Column] = [
    ("data set", lambda row: row["dataset"], False),
    ("split", lambda row: row["split"], False),
    ("random labels (%)", lambda row: f"{100 * row['label_randomization_fraction']:.4g}", True),
    ("pixels", lambda row: row["pixel_randomization"], False),
]


def _network(row: Mapping[str, Any]) -> str:
    student = f", student of round {row['student_round']}" if row["student_round"] > 0 else ""
    return f"{row['architecture']}{student}"


FRONT_COLUMNS: list[Column] = [
    *_TASK,
    ("network", _network, False),
    ("method", lambda row: row["method"], False),
    ("regularizer", lambda row: f"{row['regularizer']} {row['regularizer_strength']:g}", False),
    ("edges removed (%)", lambda row: f"{100 * row['pruning_ratio']:.6g}", True),
    ("levels", lambda row: str(row["levels_per_layer"] or row["quantization_levels"]), True),
    ("bytes", lambda row: _with_spread(row["compressed_bytes_mean"], row["compressed_bytes_std"], ",.0f"), True),
    ("validation accuracy (%)", percent("validation_accuracy_mean", "validation_accuracy_std"), True),
    ("test accuracy (%)", percent("test_accuracy_mean", "test_accuracy_std"), True),
    ("trials", lambda row: str(row["num_trials"]), True),
]

FAILED_COLUMNS: list[Column] = [
    ("trial", lambda row: row["trial_id"], False),
    *_TASK,
    ("network", lambda row: row["architecture"], False),
    ("method", lambda row: row["method"], False),
    ("edges removed (%)", lambda row: f"{100 * row['pruning_ratio']:.6g}", True),
    ("seed", lambda row: str(row["seed"]), True),
    ("error", lambda row: str(row["error"]), False),
]


def page(*, title: str, question: str, summary: str, pictures: Mapping[str, bytes], sections: Sequence[Section]) -> str:
    """The whole page: `pictures` are caption → PNG, texts are plain."""
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(question)}</p>" if question else "",
        f'<p class="note">{escape(summary)}</p>',
    ]
    for caption, png in pictures.items():
        data = base64.b64encode(png).decode("ascii")
        parts.append(f'<h2>{escape(caption)}</h2>\n<img alt="{escape(caption)}" src="data:image/png;base64,{data}">')
    for part in sections:
        parts.append(f'<h2>{escape(part.heading)}</h2>\n<p class="note">{escape(part.note)}</p>\n{part.content}')
    return "\n".join([*(part for part in parts if part), "</body>\n</html>\n"])


def table(frame: pd.DataFrame, columns: Sequence[Column]) -> str:
    """The first `MOST_ROWS` rows as an HTML table; a sentence instead where there are none."""
    if frame.empty:
        return "<p>None.</p>"
    kinds = ["number" if is_number else "text" for _, _, is_number in columns]
    texts = [text for _, text, _ in columns]
    head = [f'<th class="{kind}">{escape(name)}</th>' for kind, (name, _, _) in zip(kinds, columns, strict=True)]
    rows: list[Any] = frame.head(MOST_ROWS).to_dict("records")
    body = [
        "".join(f'<td class="{kind}">{escape(text(row))}</td>' for kind, text in zip(kinds, texts, strict=True))
        for row in rows
    ]
    lines = "\n".join(f"<tr>{cells}</tr>" for cells in ["".join(head), *body])
    more = f'<p class="note">{len(frame) - MOST_ROWS:,} more in the files.</p>' if len(frame) > MOST_ROWS else ""
    return f'<div class="wide"><table>\n{lines}\n</table></div>\n{more}'


def _with_spread(mean: float, std: float, form: str) -> str:
    return known(mean, form) + ("" if pd.isna(std) else f" ± {std:{form}}")


def known(value: float, form: str) -> str:
    """The number in this format, or a dash for one that is missing."""
    return "–" if pd.isna(value) else f"{value:{form}}"
