"""The verdicts on the paper's own claims as text for people: a sentence per claim, and a line per comparison."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from mdlray.studies.baktash_2019.paper_claims import PAPER_CLAIMS
from mdlray.studies.baktash_2019.published import METHOD_NAMES
from mdlray.studies.baktash_2019.verdicts import whole

NOTE = (
    "Per repetition (seed), the difference of test accuracies is averaged over all places that both sides have; these "
    "means are tested against zero (two-sided one-sample t-test, n = repetitions; p after Holm over the comparisons of "
    "the claim that are measured alike). Mixed: single places differ significantly both ways. The verdict goes by the "
    "paper's own measure of size (edges removed or weights); beside it stand equal bytes. The region from 90 to 99.3 % "
    "was chosen after the rows had been seen, and decides nothing."
)


def paper_claim_lines(comparisons: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Per claim its heading, its sentence and verdict, and its tested comparisons as texts.

    `comparisons` is the first table of `paper_claims.judge_paper_claims`.
    """
    lines = []
    for claim, rows in comparisons.groupby("claim"):
        paper = PAPER_CLAIMS[str(claim)]
        of_paper = rows[rows["is_papers_measure"]]
        tested = of_paper[of_paper["verdict"] != "not tested"]
        says = (
            f"“{paper.quote}” ({paper.place}.) Here {whole(list(of_paper['verdict']))}: {len(tested)} of "
            f"{len(of_paper)} comparisons tested{_by_data_set(of_paper)}."
        )
        shown = rows[rows["num_places"] > 0]
        texts = pd.DataFrame([_line(row) for row in shown.to_dict("records")], columns=list(_COLUMNS))
        lines.append((f"{claim}: {paper.says}", says, texts))
    return lines


_COLUMNS = (
    "asked",
    "data set",
    "network",
    "at equal",
    "first ahead",
    "difference (points)",
    "n",
    "p",
    "p (Holm)",
    "verdict",
    "printed: first ahead",
    "printed difference",
)


def _by_data_set(rows: pd.DataFrame) -> str:
    """Verdicts counted, per data set, e.g. `; mnist: 2 supported, 1 mixed; mnist_rotation: not tested`."""
    texts = []
    for dataset, part in rows.groupby("dataset", sort=False):
        counts = part.loc[part["verdict"] != "not tested", "verdict"].value_counts()
        words = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
        texts.append(f"; {dataset}: {words or 'not tested'}")
    return "".join(texts)


def _line(row: Mapping[Any, Any]) -> dict[str, str]:
    names = [METHOD_NAMES.get(row[side], row[side]) for side in ("first", "second")]
    region = "" if row["region"] == "everywhere" else f" {row['region']}"
    spread = row["difference_percent_std"]
    texts = (
        f"{names[0]} higher than {names[1]}",
        row["dataset"],
        row["architecture"],
        f"{row['measure']}{region}",
        f"{row['num_places_first_ahead']} of {row['num_places']}",
        f"{row['difference_percent']:+.2f}" + ("" if math.isnan(spread) else f" ± {spread:.2f}"),
        str(row["num_repetitions"]),
        _known(row["paired_p"], ".2g"),
        _known(row["holm_p"], ".2g"),
        row["verdict"],
        f"{row['published_num_places_first_ahead']} of {row['published_num_places']}"
        if row["published_num_places"]
        else "–",
        _known(row["published_difference_percent"], "+.2f"),
    )
    return dict(zip(_COLUMNS, texts, strict=True))


def _known(value: float, form: str) -> str:
    return "–" if math.isnan(value) else f"{value:{form}}"
