"""Files of a local folder are whole or absent, and the lock says who holds it."""

import errno
import os

import pytest

from mdlray.storage.local import LEFTOVER, LocalFolder


def test_files_are_written_whole_and_nothing_is_left_beside(tmp_path):
    folder = LocalFolder(tmp_path)
    folder.write({"a/x": b"one", "b/y": b"two"})
    folder.write({"a/x": b"three"})
    assert (tmp_path / "a" / "x").read_bytes() == b"three" and (tmp_path / "b" / "y").read_bytes() == b"two"
    assert os.listdir(tmp_path / "a") == ["x"] and os.listdir(tmp_path / "b") == ["y"]


def test_a_failed_write_leaves_the_old_file_and_says_what_to_do(tmp_path, monkeypatch):
    folder = LocalFolder(tmp_path)
    folder.write({"x": b"old"})

    def full(descriptor):
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="cannot be written .no space left on device.; make room there") as failed:
        folder.write({"x": b"new"})
    assert failed.value.errno == errno.ENOSPC
    assert (tmp_path / "x").read_bytes() == b"old" and os.listdir(tmp_path) == ["x"]


def test_an_unfinished_file_has_the_process_in_its_name(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.extend(os.listdir(tmp_path)))
    LocalFolder(tmp_path).write({"x": b"new"})
    assert seen[0] == f"{LEFTOVER}{os.getpid()}-x"
