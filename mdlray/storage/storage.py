"""Where results lie: a folder of this machine or a prefix in a bucket, with the same few operations.

    "results/x"  "file:///data/x"                a `LocalFolder`
    "s3://bucket/x"  "gs://..."  "abfs://..."    a `Bucket`: whatever `pyarrow.fs.FileSystem.from_uri` knows

A file has a name relative to its storage, such as "models/<trial_id>.mdl". In both kinds of storage a file is either
whole or absent, and every reader sees a file as soon as `write` has returned. A file whose content is damaged is moved
into the folder `damaged/` and never deleted (`move_aside`). Access keys come from the environment (`AWS_*` and similar
variables) and never from the address, because addresses are printed.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_ONE_SLASH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/(?!/)")

DAMAGED = "damaged"
"""Folder of the files that were moved aside."""


class Storage(Protocol):
    """A folder of this machine, or a prefix in a bucket."""

    @property
    def name(self) -> str:
        """The last part of the address, e.g. `compare_pruning`."""

    @property
    def num_parallel(self) -> int:
        """Number of files that are read at once."""

    def address(self, name: str = "") -> Path | str:
        """The address of the storage, or of a file or folder in it: a Path if it is local, otherwise a URI."""

    def read(self, name: str) -> bytes:
        """The content of a file; FileNotFoundError without one."""

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Write every file whole or not at all; once this returns, all of them survive a power cut."""

    def names(self, folder: str = "") -> set[str]:
        """Names of the files in the storage or in a folder below it; none where there is no such folder."""

    def exists(self, name: str) -> bool:
        """Whether there is this file."""

    def move(self, name: str, new_name: str) -> None:
        """Give a file another name; FileNotFoundError without one."""

    def delete(self, names: Iterable[str]) -> None:
        """Remove files, in any order; a file that is already gone is no error."""

    def clean(self, folder: str, spare: Iterable[str] = ()) -> None:
        """Remove the unfinished files of killed writers, except those of the `spare` names."""

    def writing(self) -> AbstractContextManager[None]:
        """Make the storage and be its only writer; ValueError or OSError if another process is, or if that fails."""


def move_aside(storage: Storage, name: str) -> str:
    """Move a damaged file out of the way, and return its new name.

    Example: "trials.parquet" becomes "damaged/1-trials.parquet"; the next damaged file gets the number 2.
    """
    numbers = [int(moved.partition("-")[0]) for moved in storage.names(DAMAGED) if re.match(r"\d+-", moved)]
    new_name = f"{DAMAGED}/{1 + max(numbers, default=0)}-{name.rpartition('/')[2]}"
    storage.move(name, new_name)
    return new_name


def open_storage(address: str | Path) -> Storage:
    """The storage at an address; ValueError for an address that cannot be understood. This writes nothing."""
    # The import is here because a reader of local tables need not wait for the libraries of object stores.
    if is_remote(address):
        from mdlray.storage.bucket import open_bucket

        return open_bucket(str(address))
    from mdlray.storage.local import LocalFolder

    return LocalFolder(_local_path(address))


def is_remote(address: str | Path) -> bool:
    """Whether an address names a bucket."""
    return isinstance(address, str) and bool(_REMOTE.match(address)) and not address.startswith("file://")


def below(address: str, name: str) -> str | Path:
    """The address of `name` in a folder or bucket; the options after `?` stay at the end."""
    if not is_remote(address):
        return _local_path(address) / name
    path, question, options = address.partition("?")
    return f"{path.rstrip('/')}/{name}{question}{options}"


def read_file(address: str | Path) -> bytes:
    """The content of one file, local or in a bucket; FileNotFoundError without one, ValueError for a bad address."""
    if not is_remote(address):
        return _local_path(address).read_bytes()
    path, question, options = str(address).partition("?")
    folder, _, name = path.rpartition("/")
    if not name or not is_remote(folder):
        raise ValueError(f"{address!r} names no file; write it like s3://bucket/prefix/models/<trial_id>.mdl.")
    return open_storage(f"{folder}{question}{options}").read(name)


def _local_path(address: str | Path) -> Path:
    if isinstance(address, str) and address.startswith("file://"):
        parts = urlsplit(address)
        if parts.netloc not in ("", "localhost") or not parts.path or parts.query or parts.fragment:
            raise ValueError(
                f"{address!r} is no local path; write file:///absolute/path (with %3F for ? and %23 for #), or the "
                "path alone."
            )
        return Path(unquote(parts.path))
    if _ONE_SLASH.match(str(address)):
        raise ValueError(
            f"{str(address)!r} has one slash after the colon; write addresses with two, and as text: a Path makes one "
            "of them."
        )
    try:
        return Path(address).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{str(address)!r} begins with ~ and no user's name; write the absolute path.") from error
