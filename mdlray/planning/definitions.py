"""A sweep's file as a value that travels: its bytes, and the files beside it that it imported or read.

A sweep's file is Python. It may import a module that lies beside it (`from my_axes import RATIOS`), read a file there
(`Path(__file__).parent / "axes.json"`) and add members to the registries; so workers run it, too. Where the very files
lie on the worker's machine, they are used in place, and `__file__` is the path that the driver knows. Elsewhere they
are unpacked into a temporary folder. In both cases the folder comes first on `sys.path`, as for a script.

What was imported is read from `sys.modules` after the file ran, and what was read from Python's audit events `open`. So
a file that a function opens later, during the training, is not known here: a sweep reads what it needs at the top.
"""

import atexit
import contextlib
import functools
import hashlib
import importlib
import importlib.util
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

MOST_BYTES = 4 * 2**20
"""Files beside a sweep's file that are larger than this in all are not sent to other machines."""

MODULE_NAME = "mdlray_sweep"
SCRATCH = "mdlray-sweep-"


@dataclass(frozen=True)
class Definitions:
    """A sweep's file and what it needs from its folder."""

    path: str = ""
    """Where the file lies on the driver's machine, absolute; empty: there is no file, and nothing to run."""
    source: bytes = b""
    files: tuple[tuple[str, bytes], ...] = ()
    """Path below the file's folder, and content, of each file that it imported or read; sorted."""
    too_large: tuple[str, ...] = ()
    """Such files that are too large to be sent."""

    @property
    def text(self) -> str:
        """The file's text; ValueError if it is none."""
        return decoded(self.source, self.path)

    @property
    def digest(self) -> str:
        """sha256 (hex) of the text, and of the files beside it where there are any."""
        return _digest(self.text.encode(), self.files)

    @property
    def version(self) -> str:
        """sha256 (hex) of the bytes, and of the files beside it where there are any."""
        return _digest(self.source, self.files)


def decoded(source: bytes, path: Path | str) -> str:
    """Bytes of a Python file as text: UTF-8, with or without a byte-order mark, or as its first lines declare."""
    try:
        text = importlib.util.decode_source(source)
    except (UnicodeDecodeError, SyntaxError, LookupError) as error:
        raise ValueError(f"{path} is not text in UTF-8 ({error}); save it as UTF-8.") from error
    if "\0" in text:
        raise ValueError(f"{path} has zero bytes, as UTF-16 does; save it as UTF-8.")
    return text


def run_file(path: Path, source: bytes, shown: Path | str) -> dict[str, Any]:
    """Run a sweep's file and return what it defines; ValueError names it (as `shown`) and the line where it fails."""
    module = ModuleType(MODULE_NAME)
    module.__file__ = str(path)
    code = decoded(source, shown)
    folder = str(path.parent)
    if _first_on_path and _first_on_path[0] in sys.path:
        sys.path.remove(_first_on_path.pop())
    sys.path.insert(0, folder)
    _first_on_path[:] = [folder]
    # A module of the same name from the folder of another sweep, or from before an edit, is not the one that is meant.
    importlib.invalidate_caches()
    kept = {name: sys.modules.pop(name) for name in [*_modules_beside(path.parent), *_imported] if name in sys.modules}
    # A name for pickle and for dataclasses, which look their module up.
    sys.modules[MODULE_NAME] = module
    try:
        exec(compile(code, str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:  # whatever a user's file raises
        raise ValueError(f"{shown}{_line(error, str(path))}: {type(error).__name__}: {error}") from error
    finally:
        new = _modules_beside(path.parent)
        sys.modules.update({name: module for name, module in kept.items() if name not in (*new, *_imported)})
        _imported[:] = new
    return vars(module)


def read_definitions(path: Path) -> tuple[Definitions, dict[str, Any]]:
    """The file with what it imported and read, and what it defines; ValueError where it cannot be run."""
    path = path.absolute()
    source = path.read_bytes()
    with _opened_files() as opened:
        names = run_file(path, source, path)
    for name in _modules_beside(path.parent):
        opened |= _files_of(sys.modules[name])
    found = {_name_below(file, path.parent): Path(file) for file in opened if Path(file).is_file()}
    beside = {name: file for name, file in found.items() if name and name != path.name and file.suffix != ".pyc"}
    files, too_large, left = [], [], MOST_BYTES
    for name, file in sorted(beside.items(), key=lambda item: item[1].stat().st_size):
        left -= file.stat().st_size
        if left < 0:
            too_large.append(name)
        else:
            files.append((name, file.read_bytes()))
    return Definitions(str(path), source, tuple(sorted(files)), tuple(sorted(too_large))), names


def sweep_version(definitions: Definitions) -> str | None:
    """16 hex digits that stand for a sweep's file: rows say which one they were made with; None where there is none."""
    return definitions.version[:16] if definitions.path else None


def define(definitions: Definitions) -> dict[str, Any]:
    """Run a sweep's file, once per process, and return what it defines; ValueError where it cannot be run here.

    Workers run it without using its `SWEEP`, for what it adds to the registries.
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


@contextlib.contextmanager
def _opened_files() -> Iterator[set[str]]:
    """The files that are opened for reading while it is entered, as they are named."""
    _add_hook()
    files: set[str] = set()
    _watchers.append(files)
    try:
        yield files
    finally:
        _watchers.pop()


@functools.cache
def _add_hook() -> None:
    # It stays for as long as the process.
    sys.addaudithook(_on_event)


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not _watchers:
        return
    file, mode = arguments[:2]
    if isinstance(file, str | bytes | os.PathLike) and isinstance(mode, str) and not set(mode) & set("wax+"):
        _watchers[-1].add(os.path.abspath(os.fsdecode(file)))


_watchers: list[set[str]] = []
_first_on_path: list[str] = []
"""The folder of the sweep's file that ran last."""
_imported: list[str] = []
"""Modules that it imported from there."""
_defined: dict[str, dict[str, Any]] = {}


def _name_below(file: str | Path, folder: Path) -> str | None:
    """The file's path below the folder if it belongs to the sweep: no file of an installed or of a hidden folder."""
    path, root = Path(os.path.abspath(file)), folder
    if not path.is_relative_to(root):
        path, root = path.resolve(), folder.resolve()
    if not path.is_relative_to(root) or any(part.startswith(".") for part in path.relative_to(root).parts):
        return None
    installed = [Path(__file__).parents[1], Path(sys.prefix), *map(Path, sys.path)]
    for place in {place.resolve() for place in installed}:
        if place != root.resolve() and place.is_relative_to(root.resolve()) and path.resolve().is_relative_to(place):
            return None
    return path.relative_to(root).as_posix()


def _modules_beside(folder: Path) -> list[str]:
    """Names of the modules in use that lie in the folder."""
    files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    # As text first, because there are thousands of modules and each path that is resolved asks the disk.
    roots = (f"{folder}{os.sep}", f"{folder.resolve()}{os.sep}")
    return [
        name
        for name, file in files.items()
        if file and file.startswith(roots) and name not in ("__main__", MODULE_NAME) and _name_below(file, folder)
    ]


def _files_of(module: ModuleType) -> set[str]:
    """The module's file; of a package all of its modules, since some may be imported later."""
    file = str(module.__file__)
    others = Path(file).parent.rglob("*.py") if hasattr(module, "__path__") else ()
    return {file, *map(str, others)}


def _digest(content: bytes, files: tuple[tuple[str, bytes], ...]) -> str:
    digest = hashlib.sha256(content)
    for name, data in files:
        digest.update(f"\0{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def _line(error: BaseException, path: str) -> str:
    """Where in the sweep's own file, e.g. `, line 3`; empty if that is not known."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == path and frame.lineno]
    if isinstance(error, SyntaxError) and error.filename == path and error.lineno:
        lines.append(error.lineno)
    return f", line {lines[-1]}" if lines else ""


def _lies_here(definitions: Definitions) -> bool:
    """Whether the very same files lie on this machine."""
    path = Path(definitions.path)
    try:
        same = path.read_bytes() == definitions.source
        return (
            same
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
    for left in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*-*"):
        owner = left.name.removeprefix(SCRATCH).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(left, ignore_errors=True)
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
