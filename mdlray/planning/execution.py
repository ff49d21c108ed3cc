"""Running a sweep's file: its bytes -> the names that it defines, and the files of its folder that it used.

The folder of the file comes first on `sys.path`, as Python does it for a script, so that `from my_axes import RATIOS`
finds `my_axes.py` beside the sweep's file. Two sources say which files were used:

    modules that were imported    `sys.modules`, after the file ran
    files that were read          Python's audit events `open`, while the file runs

A file that a function opens later, during the training, is in neither. So a sweep reads what it needs at its top.
"""

import contextlib
import functools
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

MODULE_NAME = "mdlray_sweep"
"""The name of a sweep's file as a module."""


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
    """Run a sweep's file and return the names that it defines.

    ValueError gives the path of the file, as `shown`, and the line where it fails.
    """
    module = ModuleType(MODULE_NAME)
    module.__file__ = str(path)
    code = decoded(source, shown)
    folder = str(path.parent)
    if _first_on_path and _first_on_path[0] in sys.path:
        sys.path.remove(_first_on_path.pop())
    sys.path.insert(0, folder)
    _first_on_path[:] = [folder]
    # Python would not import a module again that has the same name in another sweep's folder, or was edited since.
    importlib.invalidate_caches()
    old_modules = {
        name: sys.modules.pop(name) for name in [*_modules_beside(path.parent), *_imported] if name in sys.modules
    }
    # Pickle and dataclasses look up their module by its name.
    sys.modules[MODULE_NAME] = module
    try:
        exec(compile(code, str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:  # whatever a user's file raises
        raise ValueError(f"{shown}{_line(error, str(path))}: {type(error).__name__}: {error}") from error
    finally:
        new_names = _modules_beside(path.parent)
        sys.modules.update(
            {name: module for name, module in old_modules.items() if name not in (*new_names, *_imported)}
        )
        _imported[:] = new_names
    return vars(module)


def run_and_list_files(path: Path, source: bytes) -> tuple[dict[str, Any], dict[str, Path]]:
    """Run a sweep's file; return the names that it defines, and the files of its folder that it imported or read.

    The files are given as path below the folder -> absolute path, without the sweep's file. ValueError as `run_file`.
    """
    with _opened_files() as opened:
        names = run_file(path, source, path)
    for module in _modules_beside(path.parent):
        opened |= _files_of(sys.modules[module])
    files = {_name_below(file, path.parent): Path(file) for file in opened if Path(file).is_file()}
    beside = {name: file for name, file in files.items() if name and name != path.name and file.suffix != ".pyc"}
    return names, beside


@contextlib.contextmanager
def _opened_files() -> Iterator[set[str]]:
    """Collect the absolute paths of the files that are opened for reading inside of the `with` block."""
    _add_hook()
    files: set[str] = set()
    _watchers.append(files)
    try:
        yield files
    finally:
        _watchers.pop()


@functools.cache
def _add_hook() -> None:
    # Python cannot remove an audit hook, so it stays until the process ends.
    sys.addaudithook(_on_event)


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not _watchers:
        return
    file, mode = arguments[:2]
    if isinstance(file, str | bytes | os.PathLike) and isinstance(mode, str) and not set(mode) & set("wax+"):
        _watchers[-1].add(os.path.abspath(os.fsdecode(file)))


_watchers: list[set[str]] = []
"""Sets that an opened file is added to: the last one, if there is one."""
_first_on_path: list[str] = []
"""The folder of the sweep's file that ran last; at most one entry."""
_imported: list[str] = []
"""Names of the modules that the last sweep's file imported from its folder."""


def _name_below(file: str | Path, folder: Path) -> str | None:
    """The file's path below the folder; None if it lies elsewhere, in a hidden folder, or in an installed package."""
    path, root = Path(os.path.abspath(file)), folder
    if not path.is_relative_to(root):
        path, root = path.resolve(), folder.resolve()
    if not path.is_relative_to(root) or any(part.startswith(".") for part in path.relative_to(root).parts):
        return None
    # A virtual environment may lie below the sweep's folder: every machine has its own.
    installed = [Path(__file__).parents[1], Path(sys.prefix), *map(Path, sys.path)]
    for other in {other.resolve() for other in installed}:
        if other != root.resolve() and other.is_relative_to(root.resolve()) and path.resolve().is_relative_to(other):
            return None
    return path.relative_to(root).as_posix()


def _modules_beside(folder: Path) -> list[str]:
    """Names of the imported modules whose files lie in the folder."""
    files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    # There are thousands of modules, and resolving a path asks the disk. So the paths are first compared as text.
    roots = (f"{folder}{os.sep}", f"{folder.resolve()}{os.sep}")
    return [
        name
        for name, file in files.items()
        if file and file.startswith(roots) and name not in ("__main__", MODULE_NAME) and _name_below(file, folder)
    ]


def _files_of(module: ModuleType) -> set[str]:
    """The module's file; for a package, the files of all its modules, since some may be imported later."""
    file = str(module.__file__)
    package_files = Path(file).parent.rglob("*.py") if hasattr(module, "__path__") else ()
    return {file, *map(str, package_files)}


def _line(error: BaseException, path: str) -> str:
    """The line of the sweep's file where the error was raised, e.g. `, line 3`; empty if it is not known."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == path and frame.lineno]
    if isinstance(error, SyntaxError) and error.filename == path and error.lineno:
        lines.append(error.lineno)
    return f", line {lines[-1]}" if lines else ""
