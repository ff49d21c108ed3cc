"""What the study of a paper adds to a sweep's report: files, sections of the page, and printed curves behind ours.

A sweep names its study (`Sweep(study="baktash_2019")`); `mdlray.studies.registry` has the studies there are. The report
itself knows no paper.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mdlray.report.table import Table


@dataclass(frozen=True)
class Section:
    """A part of the page: a heading, a note, and a table."""

    heading: str
    note: str
    content: Table
    folded: bool = False
    """Whether the table is shown on demand only."""
    fine_print: str = ""
    """What a reader of a folded table should know besides."""


@dataclass(frozen=True)
class PrintedCurve:
    """A curve of a paper: accuracy in percent over edges removed in percent, with its standard deviation."""

    label: str
    """A label of `mdlray.report.series`, whose color the curve gets."""
    edges_removed_percent: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    std: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Findings:
    """What a study says about rows: `files` by their name below `figures/`, and sections of the page."""

    files: Mapping[str, bytes]
    sections: Sequence[Section]


@dataclass(frozen=True)
class Study:
    """One paper, as a report uses it."""

    name: str
    """As a sweep names it, e.g. `baktash_2019`."""
    reference: str
    """As a legend names it, e.g. `Baktash et al. 2019`."""
    findings: Callable[[pd.DataFrame], Findings]
    """From the rows of a sweep (columns as in `trials.parquet`)."""
    printed_curves: Callable[[pd.DataFrame], Sequence[PrintedCurve]]
    """From the cells of one panel (one task, one architecture): what the paper prints for the methods among them."""
