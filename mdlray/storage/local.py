"""A folder of this machine as a `Storage`: atomic writing, and a lock that the system drops when its process dies.

A file is written beside its place as `.tmp-<pid>-<name>`, flushed, fsynced and renamed; then its folder is fsynced. So
whoever is killed, and whenever, leaves the old file, the new file, or the old file and a leftover that nobody reads.
Assumes a POSIX file system, where a rename within a folder is atomic. No time of day is looked at.
"""

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mdlray.storage.lock_owner import LockOwner

LEFTOVER = ".tmp-"
"""Prefix of the names of files that are not finished."""

_LOCK = ".lock"
_BATCH = 256
"""Files that are open at once; a process may have 1024."""
_FLUSHES_AT_ONCE = 16
"""The file system commits flushes that come together at one go: 256 small files take 0.03 s so, 0.6 s one by one."""


@dataclass(frozen=True)
class LocalFolder:
    """A folder of this machine."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @property
    def num_parallel(self) -> int:
        """Small files are read from memory: threads would only wait for each other."""
        return 1

    def __str__(self) -> str:
        return str(self.path)

    def address(self, name: str = "") -> Path:
        """Where a file or folder lies, or would."""
        return self.path / name if name else self.path

    def read(self, name: str) -> bytes:
        """The file; FileNotFoundError without one."""
        return self.address(name).read_bytes()

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Write every file whole or not at all, missing folders included; OSError that says what to do if it fails."""
        files = {self.address(name): content for name, content in contents.items()}
        try:
            _write_atomically(files)
        except OSError as error:
            raise type(error)(error.errno, _advice(error, self.path)) from error

    def names(self, folder: str = "") -> set[str]:
        """Names of what is directly in a folder below; none where there is no folder."""
        path = self.address(folder)
        return set(os.listdir(path)) if path.is_dir() else set()

    def exists(self, name: str) -> bool:
        """Whether there is this file."""
        return self.address(name).exists()

    def delete(self, names: Iterable[str]) -> None:
        """Remove files; those that are gone already are no error."""
        for name in names:
            self.address(name).unlink(missing_ok=True)

    def clean(self, folder: str, spare: Iterable[str] = ()) -> None:
        """Remove what killed writers left of files that they had not finished, except of the `spare` names."""
        for name in self.names(folder):
            if name.startswith(LEFTOVER) and not name.endswith(tuple(spare)):
                (self.address(folder) / name).unlink(missing_ok=True)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make the folder and be its only writer; ValueError if another process is, OSError if it cannot be written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = open(self.path / _LOCK, "a+")  # noqa: SIM115
        except OSError as error:
            raise type(error)(error.errno, _advice(error, self.path)) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise ValueError(
                    f"another run is writing to {self.path}: {LockOwner.from_json(lock.read())}. Wait for it to end, "
                    "end it (its lock ends with it), or give this one another --results."
                ) from None
            # Who holds it, for the message above; a full disk must not forbid a resume that only reads.
            try:
                lock.truncate(0)
                lock.write(LockOwner.me().to_json())
                lock.flush()
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
            yield


def _write_atomically(contents: Mapping[Path, bytes]) -> None:
    """Write every file whole or not at all, fsynced and renamed in this order; missing folders are made."""
    items = list(contents.items())
    for folder in dict.fromkeys(path.parent for path, _ in items):
        folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(items), _BATCH):
        _write_batch(items[start : start + _BATCH])
    # Once per folder, not once per file: a pack brings a thousand models.
    for folder in {path.parent for path, _ in items}:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_batch(items: list[tuple[Path, bytes]]) -> None:
    besides = {path.with_name(f"{LEFTOVER}{os.getpid()}-{path.name}"): path for path, _ in items}
    descriptors: list[int] = []
    try:
        for beside, (_, content) in zip(besides, items, strict=True):
            descriptors.append(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666))
            _write_all(descriptors[-1], content)
        if len(items) == 1:
            os.fsync(descriptors[0])
        else:
            with ThreadPoolExecutor(min(_FLUSHES_AT_ONCE, len(items))) as pool:
                list(pool.map(os.fsync, descriptors))
        for beside, path in besides.items():
            os.replace(beside, path)
    except BaseException:
        for beside in besides:
            beside.unlink(missing_ok=True)
        raise
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    # A full disk, or a limit, takes what fits and says so only to the next call.
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _advice(error: OSError, folder: Path) -> str:
    """What a person can do about an error of writing."""
    reason = f"{folder} cannot be written ({error.strerror or error})"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{reason}; make room there. Nothing that is stored is lost: the same command then resumes."
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{reason}; make it writable, or give another folder with --results."
    return f"{reason}; give a folder that can be written with --results. Nothing that is stored is lost."
