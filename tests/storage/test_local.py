"""Files of a local folder are whole or absent, and the lock says who holds it."""

import errno
import fcntl
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


@pytest.mark.parametrize(
    ("number", "reason"), [(errno.ENOLCK, "No locks available"), (errno.ENOSYS, "not implemented")]
)
def test_a_file_system_without_locks_is_named_with_the_way_out(tmp_path, monkeypatch, number, reason):
    def refuse(file, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match=f"toy cannot be locked .*{reason}.*: its file system has no locks") as raised:
        with LocalFolder(tmp_path / "toy").writing():
            pass
    assert "or a bucket, with --results" in str(raised.value) and "Lustre: -o flock" in str(raised.value)


def test_a_stale_file_handle_is_an_error_to_try_again(tmp_path, monkeypatch):
    folder = LocalFolder(tmp_path)
    folder.write({"x": b"1"})

    def stale(*arguments, **options):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    for target, use in ((os, lambda: folder.names()), (os, lambda: folder.exists("x"))):
        with monkeypatch.context() as patch:
            patch.setattr(target, "listdir", stale)
            patch.setattr(target, "stat", stale)
            with pytest.raises(OSError, match=r"\(Stale file handle\)\. Nothing is lost: give the same command again"):
                use()
