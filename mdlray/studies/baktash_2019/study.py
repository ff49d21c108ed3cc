"""What a report says of Baktash et al. 2019: printed cells, Tables 1 to 6 and claims, beside our rows.

figures/published_comparison.{parquet,csv}      a row per printed cell for which there are rows
figures/claims.{parquet,csv}                    what their tables raise, cell by cell, tested on our rows and on theirs
figures/paper_claims.{parquet,csv}              what they claim: a row per comparison, tested on our rows
figures/paper_claim_places.{parquet,csv}        the same place by place (ratio, weights or bytes)
figures/paper_tables.md                         their Tables 1 to 6 with ours in them, and the verdicts, for people
"""

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from mdlray.report.study import Findings, PrintedCurve, Section, Study
from mdlray.report.table import Column, known, percent, table
from mdlray.results.parquet import parquet_bytes
from mdlray.studies.baktash_2019 import paper_claim_texts, paper_tables
from mdlray.studies.baktash_2019.claims import judge
from mdlray.studies.baktash_2019.paper_claims import judge_paper_claims
from mdlray.studies.baktash_2019.published import METHOD_NAMES, compare, published_accuracy, published_method

COMPARISON_COLUMNS: list[Column] = [
    ("table", lambda row: str(row["table"]), True),
    ("method", lambda row: row["published_method"], False),
    ("network", lambda row: row["architecture"], False),
    ("data set", lambda row: row["dataset"], False),
    ("split", lambda row: row["split"], False),
    ("edges removed (%)", lambda row: f"{row['edges_removed_percent']:g}", True),
    ("here (%)", percent("test_accuracy_percent_mean", "test_accuracy_percent_std", 1.0), True),
    ("trials", lambda row: str(row["num_trials"]), True),
    ("before quantization (%)", lambda row: known(row["trained_test_accuracy_percent_mean"], ".2f"), True),
    ("printed (%)", percent("published_accuracy_percent_mean", "published_accuracy_percent_std", 1.0), True),
    ("difference (points)", lambda row: known(row["difference_percent"], "+.2f"), True),
    ("at or above", lambda row: "yes" if row["at_or_above"] else "no", False),
    ("bytes", lambda row: known(row["compressed_bytes_mean"], ",.0f"), True),
]


def findings(trials: pd.DataFrame) -> Findings:
    """The comparison with printed cells and the verdicts, as files and as sections of the page."""
    comparison, claims = compare(trials), judge(trials)
    of_paper, places = judge_paper_claims(trials)
    files = {"paper_tables.md": paper_tables.markdown(comparison, claims, of_paper).encode()}
    tables = {
        "published_comparison": comparison,
        "claims": claims,
        "paper_claims": of_paper,
        "paper_claim_places": places,
    }
    for name, frame in tables.items():
        files[f"{name}.parquet"] = parquet_bytes(pa.Table.from_pandas(frame, preserve_index=False))
        files[f"{name}.csv"] = frame.to_csv(index=False, float_format="%.10g").encode()
    return Findings(files, _sections(comparison, claims, of_paper))


def printed_curves(panel: pd.DataFrame) -> Sequence[PrintedCurve]:
    """The printed curves of this panel's task and architecture, of the methods that have cells in it."""
    first = panel.iloc[0]
    if first["label_randomization_fraction"] != 0 or first["pixel_randomization"] != "none":
        return []
    printed = published_accuracy()
    printed = printed[(printed["dataset"] == first["dataset"]) & (printed["architecture"] == first["architecture"])]
    ways = zip(panel["method"], panel["regularizer"], panel["pruning_ratio"], strict=True)
    wanted = {published_method(*way) for way in ways}
    return [
        PrintedCurve(
            METHOD_NAMES[str(name)],
            curve["edges_removed_percent"].to_numpy(),
            curve["published_accuracy_percent_mean"].to_numpy(),
            curve["published_accuracy_percent_std"].to_numpy(),
        )
        for name, curve in printed[printed["published_method"].isin(wanted)].groupby("published_method")
    ]


def _sections(comparison: pd.DataFrame, claims: pd.DataFrame, of_paper: pd.DataFrame) -> list[Section]:
    """Cells, tables and verdicts for which there are rows."""
    sections = []
    if len(comparison):
        above = int(comparison["at_or_above"].sum())
        note = (
            f"Test accuracy of the decoded networks beside the printed one (arXiv:1910.11144): {above} of "
            f"{len(comparison)} printed cells for which there are rows are reached. Where several settings answer "
            "one cell, mean validation accuracy has chosen. The printed networks are not quantized."
        )
        content = table(comparison, COMPARISON_COLUMNS)
        sections.append(Section("Beside Baktash et al. 2019", note, content, folded=True))
    for heading, texts in paper_tables.paper_tables(comparison, with_rows_only=True):
        sections.append(_folded(heading, "", texts, paper_tables.NOTE))
    for heading, says, texts in paper_claim_texts.paper_claim_lines(of_paper):
        if len(texts):
            sections.append(_folded(heading, says, texts, paper_claim_texts.NOTE))
    tested = set(claims.loc[claims["verdict"] != "not tested", "claim"])
    for heading, says, texts in paper_tables.verdict_lines(claims[claims["claim"].isin(tested)]):
        sections.append(_folded(heading, says, texts, paper_tables.CLAIMS_NOTE))
    return sections


def _folded(heading: str, note: str, texts: pd.DataFrame, fine_print: str) -> Section:
    content = table(texts, paper_tables.as_columns(texts))
    return Section(heading, note, content, folded=True, fine_print=fine_print)


BAKTASH_2019 = Study("baktash_2019", "Baktash et al. 2019", findings, printed_curves)
