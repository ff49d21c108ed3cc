"""The studies there are: the name in a sweep's file -> the `Study` that its report is drawn with."""

from mdlray.registry import find
from mdlray.report.study import Study
from mdlray.studies.baktash_2019.study import BAKTASH_2019

STUDIES: dict[str, Study] = {"baktash_2019": BAKTASH_2019}


def find_study(name: str) -> Study | None:
    """The study of that name, also of other packages (entry points in `mdlray.studies`); None for the empty name."""
    return find(STUDIES, "study", name, "mdlray.studies") if name else None
