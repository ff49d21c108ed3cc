"""Tables into what people look at: figures, the comparison with printed results, verdicts, and one page of HTML.

figures/accuracy_vs_bytes.{png,svg}
figures/accuracy_vs_weights.{png,svg}           as Figures 1 to 5 of Baktash et al. 2019
figures/accuracy_vs_edges_removed.{png,svg}
figures/weights.{png,svg}                       where networks were pruned by magnitude with L1 and with L2
figures/students.{png,svg}                      where there are students
figures/published_comparison.{parquet,csv}      Baktash et al. 2019, where there are rows to compare
figures/claims.{parquet,csv}                    what they claim, cell by cell, tested on our rows and on theirs
figures/paper_tables.md                         their Tables 1 to 6 with ours in them, and the verdicts, for people
report.html                                     all of it, self-contained
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from mdlray.report.figures import Picture, accuracy_vs_bytes, accuracy_vs_edges_removed, accuracy_vs_weights
from mdlray.report.joined import joined, joined_curves, joined_weights
from mdlray.report.page import COMPARISON_COLUMNS, FAILED_COLUMNS, FRONT_COLUMNS, page, table
from mdlray.report.students import has_students, students
from mdlray.report.weights import weight_pictures
from mdlray.results import Store
from mdlray.results.derived.front import front_table
from mdlray.results.parquet import parquet_bytes
from mdlray.results.store import FIGURES, REPORT
from mdlray.studies.baktash_2019 import paper_tables
from mdlray.studies.baktash_2019.claims import judge
from mdlray.studies.baktash_2019.published import compare

__all__ = ["write_report"]

_CAPTIONS = {
    "accuracy_vs_bytes": "Accuracy over compressed size",
    "accuracy_vs_weights": "Accuracy over number of weights",
    "accuracy_vs_edges_removed": "Accuracy over edges removed",
    "weights": "Weights around the last pruning step",
    "students": "Students, round after round",
}


def write_report(folder: str | Path, others: Sequence[str | Path] = ()) -> list[Path | str]:
    """Draw and write everything for the sweep in `folder` from the rows it has now; returns the files written.

    Rows of the `others` take part as if they were this sweep's; a trial that several have counts once. Nothing is
    written into those. Raises FileNotFoundError for a folder without results, ValueError for a damaged table or a newer
    row version.
    """
    folders = [folder, *others]
    trials, source = joined(folders)
    store, front, comparison, claims = Store(folder), front_table(trials), compare(trials), judge(trials)
    pictures = {
        "accuracy_vs_bytes": accuracy_vs_bytes(front),
        "accuracy_vs_weights": accuracy_vs_weights(front),
        "accuracy_vs_edges_removed": accuracy_vs_edges_removed(front),
    }
    pictures |= weight_pictures(trials, joined_weights(folders, trials, source))
    if has_students(trials):
        pictures["students"] = students(trials, joined_curves(folders, trials, source))
    files = {f"{FIGURES}/{name}.png": picture.png for name, picture in pictures.items()}
    files |= {f"{FIGURES}/{name}.svg": picture.svg for name, picture in pictures.items()}
    for name, frame in (("published_comparison", comparison), ("claims", claims)):
        arrow = pa.Table.from_pandas(frame, preserve_index=False)
        files[f"{FIGURES}/{name}.parquet"] = parquet_bytes(arrow)
        files[f"{FIGURES}/{name}.csv"] = frame.to_csv(index=False, float_format="%.10g").encode()
    files[f"{FIGURES}/paper_tables.md"] = paper_tables.markdown(comparison, claims).encode()
    names = [Store(other).name for other in others]
    files[REPORT] = _page(store, names, trials, front, comparison, claims, pictures).encode()
    return store.write_report(files)


def _question(store: Store) -> str:
    """The sweep's, as the last run noted it (`mdlray.driver.manifest`)."""
    runs = store.read_manifest().get("runs", [])
    return str(runs[-1]["question"]) if runs else ""


def _page(
    store: Store,
    others: Sequence[str],
    trials: pd.DataFrame,
    front: pd.DataFrame,
    comparison: pd.DataFrame,
    claims: pd.DataFrame,
    pictures: dict[str, Picture],
) -> str:
    failed = trials[trials["status"] == "failed"]
    numbers = trials["status"].value_counts().reindex(["ok", "stopped", "failed"], fill_value=0)
    counts = ", ".join(f"{count:,} {status}" for status, count in numbers.items() if count or status != "stopped")
    best = front[front["on_front"]]
    beside = f" With the rows of {', '.join(others)}." if others else ""
    return page(
        title=store.name,
        question=_question(store),
        summary=f"{len(trials):,} trials: {counts}; {len(front):,} settings, {len(best):,} of them on a front.{beside}",
        pictures={_CAPTIONS[name]: picture.png for name, picture in pictures.items()},
        tables=[
            (
                "Front",
                "Settings that no other one of the same task beats in mean validation accuracy and mean bytes; "
                "± is one standard deviation over seeds. Test accuracy is reported, and decides nothing.",
                table(best, FRONT_COLUMNS),
            ),
            *_printed_results(comparison, claims),
            ("Failed trials", "They are in no figure and no mean.", table(failed, FAILED_COLUMNS)),
        ],
    )


def _printed_results(comparison: pd.DataFrame, claims: pd.DataFrame) -> list[tuple[str, str, str]]:
    """What the page says of Baktash et al. 2019: cells, tables and verdicts for which there are rows here."""
    sections = []
    if len(comparison):
        above = int(comparison["at_or_above"].sum())
        note = (
            f"Test accuracy of the decoded networks beside the printed one (arXiv:1910.11144): {above} of "
            f"{len(comparison)} printed cells for which there are rows are reached. Where several settings answer "
            "one cell, mean validation accuracy has chosen. The printed networks are not quantized."
        )
        sections.append(("Beside Baktash et al. 2019", note, table(comparison, COMPARISON_COLUMNS)))
    for heading, texts in paper_tables.paper_tables(comparison, with_rows_only=True):
        sections.append((heading, paper_tables.NOTE, table(texts, paper_tables.as_columns(texts))))
    tested = set(claims.loc[claims["verdict"] != "not tested", "claim"])
    for heading, says, texts in paper_tables.verdict_lines(claims[claims["claim"].isin(tested)]):
        note = f"{says} {paper_tables.CLAIMS_NOTE}"
        sections.append((heading, note, table(texts, paper_tables.as_columns(texts))))
    return sections
