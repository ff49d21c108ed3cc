"""Tables and figures into one page of HTML that needs nothing beside it (`page.html.j2`).

Pictures are embedded, texts are escaped by the template, printed tables and verdicts are folded.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from mdlray.report.study import Section
from mdlray.report.table import Column, percent, with_spread

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
    ("bytes", lambda row: with_spread(row["compressed_bytes_mean"], row["compressed_bytes_std"], ",.0f"), True),
    ("training accuracy (%)", percent("train_accuracy_mean", "train_accuracy_std"), True),
    ("validation accuracy (%)", percent("validation_accuracy_mean", "validation_accuracy_std"), True),
    ("test accuracy (%)", percent("test_accuracy_mean", "test_accuracy_std"), True),
    ("trials", lambda row: str(row["num_trials"]), True),
    ("ranked by", lambda row: {"train": "training", "validation": "validation"}[row["ranked_by"]], False),
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
    # An unknown name is an error: by default the template would leave a hole in the page.
    environment = Environment(
        loader=PackageLoader("mdlray.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    embedded = {caption: base64.b64encode(png).decode("ascii") for caption, png in pictures.items()}
    texts = {"title": title, "question": question, "summary": summary}
    return environment.get_template("page.html.j2").render(**texts, pictures=embedded, sections=sections).lstrip()
