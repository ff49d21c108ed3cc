"""Where results lie: a folder of this machine or a prefix in a bucket, behind the same few verbs.

    "results/x"  "file:///data/x"                a `LocalFolder`
    "s3://bucket/x"  "gs://..."  "abfs://..."    a `Bucket`: whatever `pyarrow.fs.FileSystem.from_uri` knows

A place knows its files by their names below it ("models/<trial_id>.mdl"). Every file is whole or absent, in both kinds;
what is written is there for every reader once `write` returns. Access keys come from the environment (`AWS_*` and their
relatives), never from the address, because addresses are printed.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_ONE_SLASH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/(?!/)")


class Storage(Protocol):
    """A folder, here or in a bucket."""

    @property
    def name(self) -> str:
        """The last part of the address: what a sweep's results are called."""

    @property
    def num_parallel(self) -> int:
        """How many files it pays to read at once."""

    def address(self, name: str = "") -> Path | str:
        """The place, or a file or folder in it: a Path where it is local, else a URI."""

    def read(self, name: str) -> bytes:
        """The file; FileNotFoundError without one."""

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Write every file whole or not at all; all are there, also after a power cut, once this returns."""

    def names(self, folder: str = "") -> set[str]:
        """Names of the files directly in a folder below; none where there is no folder."""

    def exists(self, name: str) -> bool:
        """Whether there is this file."""

    def delete(self, names: Iterable[str]) -> None:
        """Remove files, in any order; those that are gone already are no error."""

    def clean(self, folder: str, spare: Iterable[str] = ()) -> None:
        """Remove what killed writers left of files that they had not finished, except of the `spare` names."""

    def writing(self) -> AbstractContextManager[None]:
        """Make the place and be its only writer; ValueError if somebody else is, or if it cannot be written."""


def open_storage(address: str | Path) -> Storage:
    """The place at an address; ValueError for one that cannot be understood. Writes nothing."""
    # Only now: a reader of local tables need not wait for the libraries of object stores.
    if is_remote(address):
        from mdlray.storage.bucket import open_bucket

        return open_bucket(str(address))
    from mdlray.storage.local import LocalFolder

    return LocalFolder(_local_path(address))


def is_remote(address: str | Path) -> bool:
    """Whether an address names a bucket."""
    return isinstance(address, str) and bool(_REMOTE.match(address)) and not address.startswith("file://")


def below(address: str, name: str) -> str | Path:
    """The address of `name` in a folder or bucket; options after `?` stay at the end."""
    if not is_remote(address):
        return _local_path(address) / name
    path, question, options = address.partition("?")
    return f"{path.rstrip('/')}/{name}{question}{options}"


def read_file(address: str | Path) -> bytes:
    """One file, local or in a bucket; FileNotFoundError without one, ValueError for an address that cannot be one."""
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
