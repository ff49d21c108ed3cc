"""Machine code is kept under a digest of the source it came from, and where nothing can be kept coding works too."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mdlray

ROOT = Path(mdlray.__file__).parent
NO_FOLDER = "/dev/null/nowhere"

CODES = """
import tempfile
tempfile.tempdir = {temporary!r}
import numpy as np
from mdlray import codec
from mdlray.codec import compiled
tensor = codec.CodedTensor(np.eye(4, dtype=int), np.ones(1, np.float16))
network = codec.CodedNetwork("x", (), 0.0, 1.0, (tensor,))
assert codec.identical(codec.decode(codec.encode(network).blob), network)
print(compiled._CACHE)
"""
IMPORTS = "from mdlray.codec import compiled; print(compiled._CACHE)"


def output(program: str, source: Path, **folders: str) -> str:
    """What a process says that has the given source and, of the variables about folders, these alone."""
    kept = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME", "TMPDIR", "NUMBA_CACHE_DIR")}
    words = [sys.executable, "-B", "-c", program]
    env = kept | folders | {"PYTHONPATH": str(source.parent)}
    process = subprocess.run(words, env=env, capture_output=True, text=True, cwd=source.parent)
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


def cache_folder(source: Path, **folders: str) -> Path:
    return Path(output(IMPORTS, source, **folders))


def test_the_cache_has_another_name_once_any_source_of_the_room_changes(tmp_path: Path) -> None:
    source = tmp_path / "source" / "mdlray"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns("__pycache__"))
    names = [cache_folder(source, HOME=str(tmp_path)).name for _ in range(2)]
    (source / "codec" / "varint.py").write_text((source / "codec" / "varint.py").read_text() + "\n")
    names.append(cache_folder(source, HOME=str(tmp_path)).name)
    assert names[0] == names[1] != names[2]
    assert names[0] == cache_folder(ROOT, HOME=str(tmp_path)).name, "the place of the source does not matter"


def test_the_first_folder_that_can_be_written_is_taken(tmp_path: Path) -> None:
    numba, cache, home = (str(tmp_path / name) for name in ("numba", "cache", "home"))
    assert cache_folder(ROOT, NUMBA_CACHE_DIR=numba, XDG_CACHE_HOME=cache, HOME=home).parent == Path(numba)
    assert cache_folder(ROOT, XDG_CACHE_HOME=cache, HOME=home).parent == Path(cache)
    assert cache_folder(ROOT, NUMBA_CACHE_DIR=NO_FOLDER, HOME=home).parent == Path(home) / ".cache"
    assert output(IMPORTS, ROOT, HOME=NO_FOLDER, TMPDIR=str(tmp_path)) == "None", "others may write there"


@pytest.mark.slow
def test_a_process_that_can_write_no_cache_compiles_for_itself() -> None:
    folders = {name: NO_FOLDER for name in ("HOME", "XDG_CACHE_HOME", "TMPDIR", "NUMBA_CACHE_DIR")}
    assert output(CODES.format(temporary=NO_FOLDER), ROOT, **folders) == "None"


@pytest.mark.slow
def test_machine_code_is_kept_where_it_was_said(tmp_path: Path) -> None:
    folder = Path(output(CODES.format(temporary=None), ROOT, NUMBA_CACHE_DIR=str(tmp_path)))
    assert folder.parent == tmp_path and list(folder.rglob("*.nbc"))
