"""A folder of this machine as a `Storage`: atomic writing, and a lock that the system drops when its process dies.

A file `trials.parquet` is first written as `.tmp-<pid>-trials.parquet` in the same folder, fsynced, and renamed; then
the folder is fsynced. A writer that is killed therefore leaves the old file, the new file, or the old file and an
unfinished one, which no reader opens. An error of the system, such as "permission denied", is reported as the system
words it, with what to do; it never means that the content is damaged. Assumes a POSIX file system, where a rename
within a folder is atomic. The module never looks at the time of day.
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
"""Prefix of the names of unfinished files."""

_LOCK = ".lock"
_BATCH = 256
"""Number of files that are open at once; a process may open 1024."""
_FLUSHES_AT_ONCE = 16
"""The file system joins flushes that arrive together: 256 small files take 0.03 s this way, and 0.6 s one by one."""

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
"""What `flock` answers on a file system that has no locks."""


@dataclass(frozen=True)
class LocalFolder:
    """A folder of this machine."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name as text; bytes that are no UTF-8 are replaced."""
        return os.fsencode(self.path.resolve().name).decode(errors="replace")

    @property
    def num_parallel(self) -> int:
        """One: small files come from the system's memory, and threads would only wait for each other."""
        return 1

    def __str__(self) -> str:
        return str(self.path)

    def address(self, name: str = "") -> Path:
        """The path of this folder, or of a file in it, whether or not the file exists."""
        return self.path / name if name else self.path

    def read(self, name: str) -> bytes:
        """The content of a file; FileNotFoundError without one, OSError that says what to do if it cannot be read."""
        with _reading(self.address(name)):
            return self.address(name).read_bytes()

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Write every file whole or not at all, and make missing folders; OSError that says what to do if it fails."""
        files = {self.address(name): content for name, content in contents.items()}
        try:
            _write_atomically(files)
        except OSError as error:
            raise type(error)(error.errno, _advice(error, self.path)) from error

    def names(self, folder: str = "") -> set[str]:
        """Names of the files in this folder or in one below it; none where there is no such folder."""
        path = self.address(folder)
        with _reading(path):
            try:
                return set(os.listdir(path))
            except (FileNotFoundError, NotADirectoryError):
                return set()

    def exists(self, name: str) -> bool:
        """Whether there is this file; OSError where the system does not tell."""
        path = self.address(name)
        with _reading(path):
            # Not `Path.exists`, which calls a file absent whose link leads in a circle.
            try:
                os.stat(path)
            except (FileNotFoundError, NotADirectoryError):
                return False
            return True

    def move(self, name: str, new_name: str) -> None:
        """Give a file another name, and make the folder of that name; OSError that says what to do if it fails."""
        target = self.address(new_name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            # A rename needs no room, so it works on a full disk as well.
            os.rename(self.address(name), target)
        except OSError as error:
            raise type(error)(error.errno, _advice(error, self.path)) from error

    def delete(self, names: Iterable[str]) -> None:
        """Remove files; a file that is already gone is no error."""
        for name in names:
            self.address(name).unlink(missing_ok=True)

    def clean(self, folder: str, spare: Iterable[str] = ()) -> None:
        """Remove the unfinished files of killed writers, except those of the `spare` names."""
        for name in self.names(folder):
            if name.startswith(LEFTOVER) and not name.endswith(tuple(spare)):
                (self.address(folder) / name).unlink(missing_ok=True)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make the folder and be its only writer.

        ValueError if another process is the writer, OSError if the folder cannot be written or cannot be locked.
        """
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
            except OSError as error:
                raise type(error)(error.errno, _lock_advice(error, self.path)) from error
            # The message above names the process. A full disk must not forbid a run that finds everything done.
            try:
                lock.truncate(0)
                lock.write(LockOwner.me().to_json())
                lock.flush()
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
            yield


def _write_atomically(contents: Mapping[Path, bytes]) -> None:
    """Write every file whole or not at all, fsynced and renamed in this order; make missing folders."""
    items = list(contents.items())
    for folder in dict.fromkeys(path.parent for path, _ in items):
        folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(items), _BATCH):
        _write_batch(items[start : start + _BATCH])
    # Once per folder, not once per file: a pack may bring a thousand networks.
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
    # On a full disk a call writes what fits, and only the next call fails.
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _advice(error: OSError, folder: Path) -> str:
    """What a person can do about a file that could not be written."""
    reason = f"{folder} cannot be written ({error.strerror or error})"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{reason}; make room there. Nothing that is stored is lost: the same command then resumes."
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{reason}; make it writable, or give another folder with --results."
    return f"{reason}; give a folder that can be written with --results. Nothing that is stored is lost."


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Add to an error of the system which file it is about, and what to do; a missing file stays what it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = f"{path} cannot be read ({error.strerror or error}). Nothing is lost"
        if error.errno in (errno.EACCES, errno.EPERM):
            advice = f"make it readable for the user with id {os.geteuid()}, and give the same command again."
        else:
            advice = "give the same command again; if the error stays, check the path and the file system."
        raise type(error)(error.errno, f"{reason}: {advice}") from error


def _lock_advice(error: OSError, folder: Path) -> str:
    """What a person can do where a folder cannot be locked."""
    reason = f"{folder} cannot be locked ({error.strerror or error})"
    if error.errno not in _NO_LOCKS:
        return f"{reason}; give another folder with --results."
    return (
        f"{reason}: its file system has no locks, so nothing would stop two runs from writing there at once. Give a "
        "folder on another file system, or a bucket, with --results (results that are already there can be copied), "
        "or have this one mounted with locks (Lustre: -o flock; NFS: without nolock)."
    )
