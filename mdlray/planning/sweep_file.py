"""Files that ask questions: a name or a path -> the file -> its `SWEEP`.

A sweep's file is Python, and may add members to the registries; so workers run its text as well.
"""

import functools
import traceback
from pathlib import Path
from typing import Any

from mdlray.planning import Sweep


def sweep_folder() -> Path:
    """Where the sweeps are: `sweeps/` here, or beside the installed package."""
    here = Path("sweeps")
    return here if here.is_dir() else Path(__file__).parents[2] / "sweeps"


def list_sweeps() -> list[Path]:
    """The files in `sweeps/`, by name."""
    return sorted(path for path in sweep_folder().glob("*.py") if not path.name.startswith("_"))


def find_sweep(name: str) -> Path:
    """The file of a sweep in `sweeps/`, or a path to one; ValueError says what there is."""
    path = Path(name) if name.endswith(".py") else sweep_folder() / f"{name}.py"
    if not path.is_file():
        if name.endswith(".py"):
            raise ValueError(
                f"there is no file {path.absolute()}; give the path of a sweep's file, or a name that --list shows."
            )
        known = ", ".join(known.stem for known in list_sweeps()) or "none here"
        raise ValueError(f"there is no sweep {name!r}; known are: {known}; or give the path of a file ending in .py.")
    return path


def load_sweep(path: Path) -> Sweep:
    """The `SWEEP` of a file; ValueError names the file and the line where it cannot be run."""
    sweep = define(path.read_text(), str(path)).get("SWEEP")
    if not isinstance(sweep, Sweep):
        raise ValueError(f"{path} must define SWEEP, a mdlray.planning.Sweep; it has {type(sweep).__name__}.")
    return sweep


@functools.cache
def define(text: str, name: str) -> dict[str, Any]:
    """Run the text of a sweep's file, once per process, and return what it defines.

    Workers run it as well, without its `SWEEP`: it may add members to the registries.
    """
    names: dict[str, Any] = {"__name__": "mdlray_sweep", "__file__": name}
    try:
        exec(compile(text, name, "exec"), names)
    except Exception as error:  # whatever a user's file raises
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1]
        raise ValueError(f"{name}, line {line}: {type(error).__name__}: {error}") from error
    return names
