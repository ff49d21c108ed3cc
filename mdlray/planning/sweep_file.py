"""The name or the path of a sweep's file -> its `SWEEP`, and what workers need to run the file.

The package comes with sweeps of its own. Files in the folder `sweeps/` of the current directory are added to them. If
a file there has the name of a sweep of the package, it is used instead of it, and `note_on` says so. A file there that
is no sweep does no harm: the list shows it with its error.
"""

from pathlib import Path

from mdlray.planning.definitions import Definitions, read_definitions
from mdlray.planning.sweep import Sweep

_PACKAGED = Path(__file__).parents[1] / "_sweeps"
"""Folder of the package's sweeps in an installed wheel; a checkout has them in `sweeps/`."""
OWN_SWEEPS = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "sweeps"


def list_sweeps() -> list[Path]:
    """The package's sweeps and the files in `sweeps/` of the current directory, sorted by name.

    Of two files with the same name, only the one in the current directory is listed.
    """
    files: dict[str, Path] = {}
    for folder in (OWN_SWEEPS, Path("sweeps")):
        files |= {path.stem: path for path in folder.glob("*.py") if not path.name.startswith("_")}
    return [files[name] for name in sorted(files)]


def find_sweep(name: str) -> Path:
    """The file of the sweep with this name, or at this path if it ends in `.py`; ValueError lists the known names."""
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
    """A note for the user if this file is used instead of a sweep of the package with the same name; else None."""
    own_file = OWN_SWEEPS / path.name
    if path.parent != Path("sweeps") or not own_file.is_file() or path.resolve() == own_file.resolve():
        return None
    return f"{path.absolute()} takes the place of mdlray's own sweep of that name ({own_file})"


def load_sweep(path: Path) -> Sweep:
    """The `SWEEP` of a file; ValueError names the file, and the line at which it fails."""
    return read_sweep(path)[0]


def load_listed_sweep(path: Path) -> Sweep:
    """The `SWEEP` of a file that the user did not name.

    A file without the word SWEEP may be any script, so it is not run. ValueError as `load_sweep`, and for such a file.
    """
    if b"SWEEP" not in path.read_bytes().replace(b"\0", b""):
        raise ValueError(f"{path} does not define SWEEP.")
    return load_sweep(path)


def read_sweep(path: Path) -> tuple[Sweep, Definitions]:
    """The `SWEEP` of a file, and the file in the form that is sent to workers; ValueError as `load_sweep`."""
    definitions, names = read_definitions(path)
    sweep = names.get("SWEEP")
    if not isinstance(sweep, Sweep):
        raise ValueError(f"{path} must define SWEEP, a mdlray.planning.Sweep; it has {type(sweep).__name__}.")
    return sweep, definitions
