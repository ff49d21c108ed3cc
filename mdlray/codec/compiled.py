"""Plain Python functions over integers and arrays -> machine code (numba), compiled once per installation.

Loops over single weights are too slow in Python. They are written as loops all the same, and numba compiles them. The
machine code is kept in the user's cache folder, under a digest of the source text of this room. numba alone would not
do: it notices a change in a function's own file, but not in the functions that it calls; and a file that was encoded
by half-old code would not decode. `NUMBA_CACHE_DIR` moves the folder. Where no folder can be written, each process
compiles for itself, which takes some seconds. The cache is never in a folder for temporary files: others may write
there, and numba unpickles what it finds.
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
    """The same function as machine code; integers are 64 bits wide, and indices of arrays are not checked.

    The function must not create arrays, because numba's counting of references (`_nrt`) is off. This makes the coding
    of weights three times as fast.
    """
    if _CACHE is None:
        return njit(_nrt=False)(function)  # type: ignore[no-any-return]
    usual, config.CACHE_DIR = config.CACHE_DIR, str(_CACHE)
    try:
        return njit(cache=True, _nrt=False)(function)  # type: ignore[no-any-return]
    finally:
        config.CACHE_DIR = usual


def inlined(function: Function) -> Function:
    """The same function, for use in compiled functions: numba copies its body into each of them.

    It is for functions that are called once per weight. A real call would pass every array as seven numbers, which made
    coding four times slower.
    """
    return njit(inline="always")(function)  # type: ignore[no-any-return]


def _cache_folder() -> Path | None:
    """The folder for the machine code of exactly this source; None if no folder can be written."""
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
