"""Files of a local folder are whole or absent, and the lock says who holds it."""

import os

import pytest

from mdlray.tables.local import LEFTOVER, write_atomically


def test_files_are_written_whole_and_nothing_is_left_beside(tmp_path):
    write_atomically({tmp_path / "a" / "x": b"one", tmp_path / "b" / "y": b"two"})
    write_atomically({tmp_path / "a" / "x": b"three"})
    assert (tmp_path / "a" / "x").read_bytes() == b"three" and (tmp_path / "b" / "y").read_bytes() == b"two"
    assert os.listdir(tmp_path / "a") == ["x"] and os.listdir(tmp_path / "b") == ["y"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    write_atomically({tmp_path / "x": b"old"})

    def full(descriptor):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_atomically({tmp_path / "x": b"new"})
    assert (tmp_path / "x").read_bytes() == b"old" and os.listdir(tmp_path) == ["x"]


def test_an_unfinished_file_has_the_process_in_its_name(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.extend(os.listdir(tmp_path)))
    write_atomically({tmp_path / "x": b"new"})
    assert seen[0] == f"{LEFTOVER}{os.getpid()}-x"
