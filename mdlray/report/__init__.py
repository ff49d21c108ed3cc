"""Tables into what people look at: figures, the comparison with printed results, and one page of HTML.

figures/accuracy_vs_bytes.{png,svg}
figures/accuracy_vs_edges_removed.{png,svg}
figures/weights.{png,svg}                       where networks were pruned by magnitude with L1 and with L2
figures/published_comparison.{parquet,csv}      Baktash et al. 2019, where there are rows to compare
report.html                                     all of it, self-contained
"""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from mdlray.report.figures import accuracy_vs_bytes, accuracy_vs_edges_removed
from mdlray.report.page import COMPARISON_COLUMNS, FAILED_COLUMNS, FRONT_COLUMNS, page, table
from mdlray.report.published import compare
from mdlray.report.weights import weight_pictures
from mdlray.tables import Store, load
from mdlray.tables.files import parquet_bytes
from mdlray.tables.front import front_table
from mdlray.tables.store import FIGURES, REPORT

__all__ = ["write_report"]


def write_report(folder: str | Path) -> list[Path | str]:
    """Draw and write everything for the sweep in `folder` from the rows it has now; returns the files written.

    Raises FileNotFoundError for a folder without results, ValueError for a damaged table or a newer row version.
    """
    trials, store = load(folder), Store(folder)
    front, comparison = front_table(trials), compare(trials)
    pictures = {
        "accuracy_vs_bytes": accuracy_vs_bytes(front),
        "accuracy_vs_edges_removed": accuracy_vs_edges_removed(front),
    }
    pictures |= weight_pictures(trials, store.read_weights())
    files = {f"{FIGURES}/{name}.png": picture.png for name, picture in pictures.items()}
    files |= {f"{FIGURES}/{name}.svg": picture.svg for name, picture in pictures.items()}
    arrow = pa.Table.from_pandas(comparison, preserve_index=False)
    files[f"{FIGURES}/published_comparison.parquet"] = parquet_bytes(arrow)
    files[f"{FIGURES}/published_comparison.csv"] = comparison.to_csv(index=False, float_format="%.10g").encode()
    captions = {
        "Test accuracy over compressed size": pictures["accuracy_vs_bytes"].png,
        "Test accuracy over edges removed": pictures["accuracy_vs_edges_removed"].png,
    }
    if "weights" in pictures:
        captions["Weights around the last pruning step"] = pictures["weights"].png
    files[REPORT] = _page(store, trials, front, comparison, captions).encode()
    return store.write_report(files)


def _question(store: Store) -> str:
    """The sweep's, as the last run noted it (`mdlray.manifest`)."""
    runs = store.read_manifest().get("runs", [])
    return str(runs[-1]["question"]) if runs else ""


def _page(
    store: Store, trials: pd.DataFrame, front: pd.DataFrame, comparison: pd.DataFrame, pictures: dict[str, bytes]
) -> str:
    failed = trials[trials["status"] == "failed"]
    numbers = trials["status"].value_counts().reindex(["ok", "stopped", "failed"], fill_value=0)
    counts = ", ".join(f"{count:,} {status}" for status, count in numbers.items() if count or status != "stopped")
    best = front[front["on_front"]]
    above = int(comparison["at_or_above"].sum())
    name = store.name
    return page(
        title=name,
        question=_question(store),
        summary=f"{len(trials):,} trials: {counts}; {len(front):,} settings, {len(best):,} of them on a front.",
        pictures=pictures,
        tables=[
            (
                "Front",
                "Settings that no other one of the same task beats in mean validation accuracy and mean bytes; "
                "± is one standard deviation over seeds. Test accuracy is reported, and decides nothing.",
                table(best, FRONT_COLUMNS),
            ),
            (
                "Beside Baktash et al. 2019",
                f"Test accuracy of the decoded networks beside the printed one (arXiv:1910.11144): {above} of "
                f"{len(comparison)} printed cells for which there are rows are reached. Where several settings answer "
                "one cell, mean validation accuracy has chosen. The printed networks are not quantized.",
                table(comparison, COMPARISON_COLUMNS),
            ),
            ("Failed trials", "They are in no figure and no mean.", table(failed, FAILED_COLUMNS)),
        ],
    )
