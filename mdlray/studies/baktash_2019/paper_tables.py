"""The comparison with Baktash et al. 2019 in the layout of their Tables 1 to 6, and the verdicts, as text for people.

One table per printed method and number of hidden units, a line per fraction of edges removed, a column per data set:
our mean ± standard deviation of the test accuracy in percent (with the number of repetitions where it is not 5), a
slash, the printed one. A dash stands where there is no row. The split is theirs (`study`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from mdlray.report.table import Column
from mdlray.studies.baktash_2019 import paper_claim_texts
from mdlray.studies.baktash_2019.claims import CLAIMS, SPLIT
from mdlray.studies.baktash_2019.published import METHOD_NAMES, PRINTED_RUNS, published_accuracy
from mdlray.studies.baktash_2019.verdicts import sentence

_DATASETS = {
    "mnist": "MNIST",
    "mnist_background_images": "background images",
    "mnist_background_random": "background random",
    "mnist_rotation": "rotation",
}
_WORDS = ("data set", "network", "asked", "at equal", "verdict", "printed verdict")
"""Columns that hold words, not numbers."""

NOTE = (
    "Test accuracy in percent, mean ± standard deviation over seeds (by n - 1; print does not say by what): here "
    f"(decoded from the compressed file; n where it is not {PRINTED_RUNS}) / printed (not quantized). A dash: no rows. "
    "At 0 % removed, Optimal Brain Damage and Mag-L2 with one penalty are one training under two names."
)
CLAIMS_NOTE = (
    "Welch's two-sided t-test on test accuracies, p after Holm over all cells of the claim, at 5 %; beside it the "
    "exact permutation p, not adjusted, which decides nothing. The last columns ask the same of the printed means. "
    "A part is one comparison in one region on one data set. A claim is supported as a whole where every part of it is "
    "tested and supported, supported where tested where the other parts have no rows, contradicted where one part is."
)


def paper_tables(comparison: pd.DataFrame, with_rows_only: bool = False) -> list[tuple[str, pd.DataFrame]]:
    """Tables 1 to 6, or those for which there are rows: heading, and texts by line and column.

    `comparison` is from `published.compare`.
    """
    ours = comparison[comparison["split"] == SPLIT]
    key = ["table", "dataset", "pruning_ratio"]
    measured = ["test_accuracy_percent_mean", "test_accuracy_percent_std", "num_trials"]
    cells = published_accuracy().merge(ours[[*key, *measured]], on=key, how="left")
    cells["text"] = [_cell(row) for row in cells.to_dict("records")]
    tables = []
    for number, table in cells.groupby("table"):
        if with_rows_only and table["num_trials"].isna().all():
            continue
        first = table.iloc[0]
        units = first["architecture"].removeprefix("dense-")
        wide = table.pivot(index="edges_removed_percent", columns="dataset", values="text").fillna("–")
        wide = wide.sort_index().reindex(columns=list(_DATASETS), fill_value="–").rename(columns=_DATASETS)
        wide.insert(0, "edges removed (%)", [f"{percent:g}" for percent in wide.index])
        tables.append((f"Table {number}: {METHOD_NAMES[first['published_method']]}, {units} hidden units", wide))
    return tables


def as_columns(table: pd.DataFrame) -> list[Column]:
    """Columns of a table of texts for `page.table`."""

    def text_of(name: str) -> Callable[[Mapping[str, Any]], str]:
        return lambda row: str(row[name])

    return [(name, text_of(name), name not in _WORDS) for name in table.columns]


def verdict_lines(claims: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Per claim its heading, what it comes to (here and in print), and its cells as texts, from `claims.judge`."""
    found = []
    for claim, cells in claims.groupby("claim"):
        says = f"Here {sentence(cells)} In print {sentence(cells, 'published_')}"
        lines = pd.DataFrame([_line(cell) for cell in cells.to_dict("records")])
        found.append((f"{claim}: {CLAIMS[str(claim)]}", says, lines))
    return found


def markdown(comparison: pd.DataFrame, claims: pd.DataFrame, of_paper: pd.DataFrame) -> str:
    """All of it as Markdown; `of_paper` are the comparisons of `paper_claims.judge_paper_claims`."""
    parts = ["# Tables 1 to 6 of Baktash et al. 2019 (arXiv:1910.11144), from the rows here", NOTE]
    for heading, table in paper_tables(comparison):
        parts += [f"## {heading}", _markdown_table(table)]
    parts += ["# What they claim, tested", paper_claim_texts.NOTE]
    for heading, says, lines in paper_claim_texts.paper_claim_lines(of_paper):
        parts += [f"## {heading}", says, _markdown_table(lines)]
    parts += ["# What their tables raise, tested", CLAIMS_NOTE]
    for heading, says, cells in verdict_lines(claims):
        parts += [f"## {heading}", says, _markdown_table(cells)]
    return "\n\n".join(parts) + "\n"


def _cell(row: Mapping[Any, Any]) -> str:
    printed = f"{row['published_accuracy_percent_mean']:.2f} ± {row['published_accuracy_percent_std']:.2f}"
    if pd.isna(row["test_accuracy_percent_mean"]):
        return f"– / {printed}"
    ours = f"{row['test_accuracy_percent_mean']:.2f}"
    if not pd.isna(row["test_accuracy_percent_std"]):
        ours += f" ± {row['test_accuracy_percent_std']:.2f}"
    number = int(row["num_trials"])
    return f"{ours}{'' if number == PRINTED_RUNS else f' (n={number})'} / {printed}"


def _line(cell: Mapping[Any, Any]) -> dict[str, str]:
    place = "–"
    if not pd.isna(cell["pruning_ratio"]):
        place = f"{100 * cell['pruning_ratio']:.6g} % removed"
    elif not pd.isna(cell["num_bytes"]):
        place = f"{cell['num_bytes']:,.0f} bytes"
    first, second = (METHOD_NAMES.get(cell[side], cell[side]) for side in ("first", "second"))
    return {
        "data set": _DATASETS[cell["dataset"]],
        "network": cell["architecture"] or "–",
        "asked": f"{first} {cell['expected']} than {second} {cell['region']}".rstrip(),
        "at": place,
        "difference (points)": _known(cell["difference_percent"], "+.2f"),
        "p (Holm)": _known(cell["holm_p"], ".2g"),
        "p (permutation)": _known(cell["permutation_p"], ".2g"),
        "verdict": cell["verdict"],
        "printed difference": _known(cell["published_difference_percent"], "+.2f"),
        "printed p (Holm)": _known(cell["published_holm_p"], ".2g"),
        "printed verdict": cell["published_verdict"],
    }


def _known(value: float, form: str) -> str:
    return "–" if pd.isna(value) else f"{value:{form}}"


def _markdown_table(table: pd.DataFrame) -> str:
    lines: Sequence[Sequence[str]] = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
