"""A sweep's file as a value that travels: its bytes, and the files beside it that it imported or read.

A sweep's file is Python. It may import a module that lies beside it (`from my_axes import RATIOS`), read a file there
(`Path(__file__).parent / "axes.json"`), and add entries to the registries. Workers need those entries, so they run the
file, too. If files with the same content lie at the same path on the worker's machine, the worker runs them there, and
`__file__` is the path that the driver knows. Otherwise the worker unpacks copies into a temporary folder.
"""

import atexit
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mdlray.planning.execution import decoded, run_and_list_files, run_file

MOST_BYTES = 4 * 2**20
"""Largest total size of the files beside a sweep's file that are sent to other machines; the smallest go first."""

SCRATCH = "mdlray-sweep-"
"""How the name of a temporary folder begins; the id of its process follows."""

_defined: dict[str, dict[str, Any]] = {}
"""Digest of a sweep's file -> the names that it defined in this process."""


@dataclass(frozen=True)
class Definitions:
    """A sweep's file and what it needs from its folder."""

    path: str = ""
    """Absolute path of the file on the driver's machine; empty if there is no file, and then nothing is run."""
    source: bytes = b""
    files: tuple[tuple[str, bytes], ...] = ()
    """Path below the file's folder, and content, of each file that it imported or read; sorted."""
    too_large: tuple[str, ...] = ()
    """Paths of the files that it imported or read and that are too large to be sent."""

    @property
    def text(self) -> str:
        """The file's text; ValueError if its bytes are not text."""
        return decoded(self.source, self.path)

    @property
    def digest(self) -> str:
        """sha256 (hex) of the text, and of the files beside it where there are any."""
        return _digest(self.text.encode(), self.files)

    @property
    def version(self) -> str:
        """sha256 (hex) of the bytes, and of the files beside it where there are any."""
        return _digest(self.source, self.files)


def read_definitions(path: Path) -> tuple[Definitions, dict[str, Any]]:
    """Run a sweep's file; return it with the files that it used, and the names that it defines.

    ValueError if the file cannot be run.
    """
    path = path.absolute()
    source = path.read_bytes()
    names, used_files = run_and_list_files(path, source)
    files, too_large, bytes_left = [], [], MOST_BYTES
    for name, file in sorted(used_files.items(), key=lambda item: item[1].stat().st_size):
        bytes_left -= file.stat().st_size
        if bytes_left < 0:
            too_large.append(name)
        else:
            files.append((name, file.read_bytes()))
    return Definitions(str(path), source, tuple(sorted(files)), tuple(sorted(too_large))), names


def sweep_version(definitions: Definitions) -> str | None:
    """The first 16 hex digits of the file's version, which its rows carry; None if there is no file."""
    return definitions.version[:16] if definitions.path else None


def define(definitions: Definitions) -> dict[str, Any]:
    """Run a sweep's file once per process, and return the names that it defines; ValueError if it cannot be run here.

    Workers call this for what the file adds to the registries. They do not use its `SWEEP`.
    """
    if not definitions.path:
        return {}
    key = definitions.digest
    if key not in _defined:
        path = Path(definitions.path)
        if not _lies_here(definitions):
            path = _unpacked(definitions)
        _defined[key] = run_file(path, definitions.source, definitions.path)
    return _defined[key]


def _digest(content: bytes, files: tuple[tuple[str, bytes], ...]) -> str:
    digest = hashlib.sha256(content)
    for name, data in files:
        digest.update(f"\0{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def _lies_here(definitions: Definitions) -> bool:
    """Whether files with the same paths and content lie on this machine."""
    path = Path(definitions.path)
    try:
        return (
            path.read_bytes() == definitions.source
            and all((path.parent / name).read_bytes() == content for name, content in definitions.files)
            and all((path.parent / name).is_file() for name in definitions.too_large)
        )
    except OSError:
        return False


def _unpacked(definitions: Definitions) -> Path:
    """The sweep's file in a temporary folder of this process, with the files beside it."""
    if definitions.too_large:
        raise ValueError(
            f"{definitions.path} reads {', '.join(sorted(definitions.too_large))} beside it, more than the "
            f"{MOST_BYTES // 2**20} MiB that are sent to another machine; let it read large files from a path that "
            "every machine has, e.g. below --data."
        )
    # A killed process leaves its folder behind. The name has the id of the process, so the next one can remove it.
    for old_folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*-*"):
        process_id = old_folder.name.removeprefix(SCRATCH).partition("-")[0]
        if process_id.isdigit() and not Path("/proc", process_id).exists():
            shutil.rmtree(old_folder, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{SCRATCH}{os.getpid()}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / Path(definitions.path).name
    for file, content in {
        path: definitions.source,
        **{folder / name: data for name, data in definitions.files},
    }.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return path
