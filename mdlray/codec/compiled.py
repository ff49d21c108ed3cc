"""Plain Python functions over integers and arrays -> machine code (numba), compiled once per installation.

Loops over single weights are too slow in Python; they are written as loops all the same, and numba compiles them.
The machine code is kept in the user's cache folder under a digest of this room's source text, because numba by itself
notices changes of a function's own file only, not of functions it calls: a file encoded by half-old code would not
decode. `NUMBA_CACHE_DIR` moves the folder; where none can be written, each process compiles for itself (some seconds).
Never in a folder for temporary files: others may write there, and numba unpickles what it finds.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from numba import config, njit

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """The same function as machine code; integers are 64 bits wide and arrays are not checked for their bounds.

    It must not create arrays: without numba's counting of references (`_nrt`) coding weights is three times as fast.
    """
    if _CACHE is None:
        return njit(_nrt=False)(function)  # type: ignore[no-any-return]
    usual, config.CACHE_DIR = config.CACHE_DIR, str(_CACHE)
    try:
        return njit(cache=True, _nrt=False)(function)  # type: ignore[no-any-return]
    finally:
        config.CACHE_DIR = usual


def inlined(function: Function) -> Function:
    """For functions that compiled ones call once per weight: copied into each of them.

    A call passes every array of its arguments as seven numbers; it made coding four times slower.
    """
    return njit(inline="always")(function)  # type: ignore[no-any-return]


def _cache_folder() -> Path | None:
    """Where machine code of exactly this source is kept; None if nowhere."""
    sources = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    name = f"mdlray-codec-{hashlib.sha256(sources).hexdigest()[:16]}"
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    for base in (config.CACHE_DIR, home):
        if base:
            folder = Path(base) / name
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder) as probe:
                    probe.write(b"a full disk refuses this")
                    probe.flush()
                    return folder
            except OSError:
                continue
    return None


_CACHE = _cache_folder()
