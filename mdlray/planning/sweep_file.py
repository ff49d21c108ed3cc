"""Files that ask questions: a name or a path -> the file -> its `SWEEP`, and what workers need of it.

Our own sweeps come with the package. A folder `sweeps/` in the current directory adds to them, and a file there takes
the place of ours of the same name (`note_on` says so). What else lies there harms nobody: it is listed with its error.
"""

from pathlib import Path

from mdlray.planning.definitions import Definitions, read_definitions
from mdlray.planning.sweep import Sweep

_PACKAGED = Path(__file__).parents[1] / "_sweeps"
"""Where a wheel has our sweeps."""
OWN_SWEEPS = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "sweeps"


def list_sweeps() -> list[Path]:
    """Our sweeps and the files in `sweeps/` of the current directory, sorted by name; of two of one name the latter."""
    files: dict[str, Path] = {}
    for folder in (OWN_SWEEPS, Path("sweeps")):
        files |= {path.stem: path for path in folder.glob("*.py") if not path.name.startswith("_")}
    return [files[name] for name in sorted(files)]


def find_sweep(name: str) -> Path:
    """The file of a sweep that `list_sweeps` lists, or a path to one; ValueError says what there is."""
    if name.endswith(".py"):
        path = Path(name)
        if not path.is_file():
            raise ValueError(
                f"there is no file {path.absolute()}; give the path of a sweep's file, or a name that --list shows."
            )
        return path
    files = {path.stem: path for path in list_sweeps()}
    if name not in files:
        known = ", ".join(files) or "none here"
        raise ValueError(f"there is no sweep {name!r}; known are: {known}; or give the path of a file ending in .py.")
    return files[name]


def note_on(path: Path) -> str | None:
    """A word where a file in `sweeps/` of the current directory has taken the place of one of ours."""
    ours = OWN_SWEEPS / path.name
    if path.parent != Path("sweeps") or not ours.is_file() or path.resolve() == ours.resolve():
        return None
    return f"{path.absolute()} takes the place of mdlray's own sweep of that name ({ours})"


def load_sweep(path: Path) -> Sweep:
    """The `SWEEP` of a file; ValueError names the file and the line where it cannot be run."""
    return read_sweep(path)[0]


def load_listed_sweep(path: Path) -> Sweep:
    """As `load_sweep`, for a file that nobody named: one without the word SWEEP may be any script, and is not run."""
    if b"SWEEP" not in path.read_bytes().replace(b"\0", b""):
        raise ValueError(f"{path} does not define SWEEP.")
    return load_sweep(path)


def read_sweep(path: Path) -> tuple[Sweep, Definitions]:
    """The `SWEEP` of a file, and the file as workers need it; ValueError as `load_sweep`."""
    definitions, names = read_definitions(path)
    sweep = names.get("SWEEP")
    if not isinstance(sweep, Sweep):
        raise ValueError(f"{path} must define SWEEP, a mdlray.planning.Sweep; it has {type(sweep).__name__}.")
    return sweep, definitions
