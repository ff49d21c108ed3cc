"""Tables into what people look at: figures, what the sweep's study says of them, and one page of HTML.

figures/accuracy_vs_bytes.{png,svg}             where there is a measured network
figures/accuracy_vs_weights.{png,svg}           likewise
figures/accuracy_vs_edges_removed.{png,svg}     where something was removed from one
figures/weights.{png,svg}                       where networks were pruned by magnitude with L1 and with L2
figures/students.{png,svg}                      where there are students
figures/...                                     files of the study (`mdlray.report.study`), where the sweep names one
report.html                                     all of it, self-contained
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mdlray.report.figures import accuracy_vs_bytes, accuracy_vs_edges_removed, accuracy_vs_weights
from mdlray.report.joined import joined, joined_curves, joined_weights
from mdlray.report.page import FAILED_COLUMNS, FRONT_COLUMNS, page
from mdlray.report.students import has_students, students
from mdlray.report.study import Findings, Section, Study
from mdlray.report.table import table
from mdlray.report.weight_spread import COLUMNS as SPREAD_COLUMNS
from mdlray.report.weight_spread import NOTE as SPREAD_NOTE
from mdlray.report.weight_spread import weight_spreads
from mdlray.report.weights import weight_pictures
from mdlray.results import Store, load
from mdlray.results.asked import asked_notes, asked_rows
from mdlray.results.derived.front import front_table
from mdlray.results.manifest import last_run
from mdlray.results.parquet import DamagedFileError
from mdlray.results.store import FIGURES, REPORT

__all__ = ["notes_on", "study_of", "write_report"]

_CAPTIONS = {
    "accuracy_vs_bytes": "Accuracy over compressed size",
    "accuracy_vs_weights": "Accuracy over number of weights",
    "accuracy_vs_edges_removed": "Accuracy over edges removed",
    "weights": "Weights around the last pruning step",
    "students": "Students, round after round",
}


def write_report(folder: str | Path, others: Sequence[str | Path] = (), study: Study | None = None) -> list[Path | str]:
    """Draw and write everything for the sweep in `folder` from the rows it has now; returns the files written.

    Only rows of trials that the sweep asks take part (`mdlray.results.asked`); the page says how many others there are.
    Rows of the `others` take part as if they were this sweep's; a trial that several have counts once. Nothing is
    written into those. `study` adds its files, sections and curves. Raises FileNotFoundError for a folder without
    results, ValueError for a damaged table or a newer row version.
    """
    folders = [folder, *others]
    trials, source = joined(folders)
    store, front = Store(folder), front_table(trials)
    findings = study.findings(trials) if study else Findings({}, [])
    drawn = {
        "accuracy_vs_bytes": accuracy_vs_bytes(front),
        "accuracy_vs_weights": accuracy_vs_weights(front),
        "accuracy_vs_edges_removed": accuracy_vs_edges_removed(front, study),
    }
    pictures = {name: picture for name, picture in drawn.items() if picture}
    weights = joined_weights(folders, trials, source)
    pictures |= weight_pictures(trials, weights)
    if has_students(trials):
        pictures["students"] = students(trials, joined_curves(folders, trials, source))
    files = {f"{FIGURES}/{name}.png": picture.png for name, picture in pictures.items()}
    files |= {f"{FIGURES}/{name}.svg": picture.svg for name, picture in pictures.items()}
    files |= {f"{FIGURES}/{name}": content for name, content in findings.files.items()}
    own = asked_rows(store, load(folder)) if others else trials
    summary = _summary(own, trials, front, [Store(other).name for other in others])
    sections = _sections(trials, front, weight_spreads(trials, weights), findings.sections)
    files[REPORT] = page(
        title=store.name,
        question=str(_last_run(store).get("question", "")),
        summary=" ".join([summary, *notes_on(folder)]),
        pictures={_CAPTIONS[name]: picture.png for name, picture in pictures.items()},
        sections=sections,
    ).encode()
    return store.write_report(files)


def study_of(folder: str | Path) -> str:
    """The name of the study that the last run's sweep named; empty where it named none."""
    return str(_last_run(Store(folder)).get("study", ""))


def notes_on(folder: str | Path) -> list[str]:
    """Sentences for a reader of the report: of a damaged manifest, and of rows that the sweep does not ask."""
    store = Store(folder)
    notes = []
    try:
        store.read_manifest()
    except DamagedFileError as error:
        notes.append(f"The question and the study of the sweep are not known: {error}")
    return notes + asked_notes(store)


def _last_run(store: Store) -> dict[str, Any]:
    """What the manifest says of the last run of the command; nothing where the manifest is damaged (`notes_on`)."""
    try:
        return last_run(store.read_manifest())
    except DamagedFileError:
        return {}


def _summary(own: pd.DataFrame, trials: pd.DataFrame, front: pd.DataFrame, others: Sequence[str]) -> str:
    """How much there is: in the sweep's own folder, as its `front.parquet` has it, and with the rows of others."""
    numbers = own["status"].value_counts().reindex(["ok", "stopped", "failed"], fill_value=0)
    counts = ", ".join(f"{count:,} {status}" for status, count in numbers.items() if count or status != "stopped")
    said = f"{len(own):,} trials: {counts}; {_num_settings(front_table(own) if others else front)}."
    if others:
        said += (
            f" With the rows of {', '.join(others)}, which are drawn here and stand in the tables below, but not in "
            f"this folder's front.parquet: {len(trials):,} trials; {_num_settings(front)}."
        )
    return said


def _num_settings(front: pd.DataFrame) -> str:
    return (
        f"{len(front):,} setting{'' if len(front) == 1 else 's'}, {int(front['on_front'].sum()):,} of them on a front"
    )


def _sections(
    trials: pd.DataFrame, front: pd.DataFrame, spreads: pd.DataFrame, of_study: Sequence[Section]
) -> list[Section]:
    failed = trials[trials["status"] == "failed"]
    note = (
        "Settings that no other one of the same task beats in mean accuracy (validation; training where labels are "
        "random) and mean bytes; ± is one standard deviation over seeds. Test accuracy is reported, and decides "
        "nothing."
    )
    num_same = int(front["same_training_as"].notna().sum())
    if num_same:
        note += (
            f" Of all settings {num_same:,} remove nothing and are the same training as another one under the name of "
            "another method (`same_training_as` in front.parquet): they count once."
        )
    sections = [Section("Front", note, table(front[front["on_front"]], FRONT_COLUMNS))]
    if len(spreads):
        sections.append(Section("Weights around zero: L1 beside L2", SPREAD_NOTE, table(spreads, SPREAD_COLUMNS)))
    failed_note = "They are in no figure and no mean."
    return [*sections, *of_study, Section("Failed trials", failed_note, table(failed, FAILED_COLUMNS))]
