"""Tables into what people look at: figures, what the sweep's study says of them, and one page of HTML.

figures/accuracy_vs_bytes.{png,svg}
figures/accuracy_vs_weights.{png,svg}
figures/accuracy_vs_edges_removed.{png,svg}
figures/weights.{png,svg}                       where networks were pruned by magnitude with L1 and with L2
figures/students.{png,svg}                      where there are students
figures/...                                     files of the study (`mdlray.report.study`), where the sweep names one
report.html                                     all of it, self-contained
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mdlray.report.figures import Picture, accuracy_vs_bytes, accuracy_vs_edges_removed, accuracy_vs_weights
from mdlray.report.joined import joined, joined_curves, joined_weights
from mdlray.report.page import FAILED_COLUMNS, FRONT_COLUMNS, page, table
from mdlray.report.students import has_students, students
from mdlray.report.study import Findings, Section, Study
from mdlray.report.weights import weight_pictures
from mdlray.results import Store
from mdlray.results.derived.front import front_table
from mdlray.results.store import FIGURES, REPORT

__all__ = ["study_of", "write_report"]

_CAPTIONS = {
    "accuracy_vs_bytes": "Accuracy over compressed size",
    "accuracy_vs_weights": "Accuracy over number of weights",
    "accuracy_vs_edges_removed": "Accuracy over edges removed",
    "weights": "Weights around the last pruning step",
    "students": "Students, round after round",
}


def write_report(folder: str | Path, others: Sequence[str | Path] = (), study: Study | None = None) -> list[Path | str]:
    """Draw and write everything for the sweep in `folder` from the rows it has now; returns the files written.

    Rows of the `others` take part as if they were this sweep's; a trial that several have counts once. Nothing is
    written into those. `study` adds its files, sections and curves. Raises FileNotFoundError for a folder without
    results, ValueError for a damaged table or a newer row version.
    """
    folders = [folder, *others]
    trials, source = joined(folders)
    store, front = Store(folder), front_table(trials)
    findings = study.findings(trials) if study else Findings({}, [])
    pictures = {
        "accuracy_vs_bytes": accuracy_vs_bytes(front),
        "accuracy_vs_weights": accuracy_vs_weights(front),
        "accuracy_vs_edges_removed": accuracy_vs_edges_removed(front, study),
    }
    pictures |= weight_pictures(trials, joined_weights(folders, trials, source))
    if has_students(trials):
        pictures["students"] = students(trials, joined_curves(folders, trials, source))
    files = {f"{FIGURES}/{name}.png": picture.png for name, picture in pictures.items()}
    files |= {f"{FIGURES}/{name}.svg": picture.svg for name, picture in pictures.items()}
    files |= {f"{FIGURES}/{name}": content for name, content in findings.files.items()}
    names = [Store(other).name for other in others]
    files[REPORT] = _page(store, names, trials, front, findings.sections, pictures).encode()
    return store.write_report(files)


def study_of(folder: str | Path) -> str:
    """The name of the study that the last run's sweep named; empty where it named none."""
    runs = Store(folder).read_manifest().get("runs", [])
    return str(runs[-1].get("study", "")) if runs else ""


def _question(store: Store) -> str:
    """The sweep's, as the last run noted it (`mdlray.driver.manifest`)."""
    runs = store.read_manifest().get("runs", [])
    return str(runs[-1]["question"]) if runs else ""


def _page(
    store: Store,
    others: Sequence[str],
    trials: pd.DataFrame,
    front: pd.DataFrame,
    of_study: Sequence[Section],
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
        sections=[
            Section(
                "Front",
                "Settings that no other one of the same task beats in mean validation accuracy and mean bytes; "
                "± is one standard deviation over seeds. Test accuracy is reported, and decides nothing.",
                table(best, FRONT_COLUMNS),
            ),
            *of_study,
            Section("Failed trials", "They are in no figure and no mean.", table(failed, FAILED_COLUMNS)),
        ],
    )
