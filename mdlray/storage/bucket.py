"""A prefix in an object store as a `Storage`, through pyarrow's file systems.

An object appears only when its upload is complete, so a bucket needs no unfinished files and no renaming. An upload is
one call in its own thread, because an interrupt must not reach it: an interrupt would close the stream, and closing a
stream completes the object with half of its bytes. A process that is killed completes no object. Every request is
repeated while the store does not answer (`mdlray.storage.retries`). `mdlray.storage.bucket_lock` keeps a second writer
out.

Assumes that a listing shows every object whose upload has ended; S3 has done so since 2020, and similar stores do.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from mdlray.storage.bucket_lock import BucketLock
from mdlray.storage.retries import with_retries

_AT_ONCE = 16
Result = TypeVar("Result")


@dataclass(frozen=True)
class Bucket:
    """A prefix in a bucket."""

    uri: str
    """The address without options, e.g. `s3://bucket/results/toy`."""
    options: str
    """The part of the address after `?`."""
    files: fs.FileSystem
    prefix: str
    lock: BucketLock = field(default_factory=BucketLock, compare=False)

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.uri.rpartition("/")[2]

    @property
    def num_parallel(self) -> int:
        """Sixteen, because reading a small object is mostly waiting for the server."""
        return _AT_ONCE

    def __str__(self) -> str:
        return self.uri

    def address(self, name: str = "") -> str:
        """The address of the bucket's prefix, or of an object, for `open_storage` and `mdlray.decode`."""
        return (f"{self.uri}/{name}" if name else self.uri) + (f"?{self.options}" if self.options else "")

    def read(self, name: str) -> bytes:
        """The content of an object; FileNotFoundError without one."""

        def fetch() -> bytes:
            with self.files.open_input_file(self._path(name)) as source:
                content: bytes = source.read()
                return content

        return self._with_retries(fetch, f"reading {self.uri}/{name}")

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Upload every object, several at once; ValueError if another driver has taken the lock over meanwhile."""
        self.lock.check(self)
        self.upload(contents)

    def upload(self, contents: Mapping[str, bytes]) -> None:
        """Upload every object, several at once, whoever holds the lock."""
        _in_threads(self._put, list(contents.items()))

    def _put(self, name: str, content: bytes) -> None:
        def put() -> None:
            stream = self.files.open_output_stream(self._path(name))
            # All bytes in one call: if this call or `close` fails, the stream refuses to complete the object.
            stream.write(pa.py_buffer(content))
            stream.close()

        self._with_retries(put, f"writing {self.uri}/{name}")

    def names(self, folder: str = "") -> set[str]:
        """Names of the objects below the prefix or a folder of it, without the empty objects that stand for folders."""
        selector = fs.FileSelector(self._path(folder), allow_not_found=True)
        objects = self._with_retries(lambda: self.files.get_file_info(selector), f"listing {self.uri}/{folder}")
        return {info.base_name for info in objects if info.type == fs.FileType.File and info.size}

    def exists(self, name: str) -> bool:
        """Whether there is this object."""
        return self.modified(name) is not None

    def modified(self, name: str) -> float | None:
        """When the object was written, in seconds by the server's clock; None without one."""
        info = self._with_retries(lambda: self.files.get_file_info(self._path(name)), f"looking at {self.uri}/{name}")
        return info.mtime_ns / 1e9 if info.type == fs.FileType.File else None

    def move(self, name: str, new_name: str) -> None:
        """Upload the object under its new name, then remove the old one; FileNotFoundError without one."""
        self.write({new_name: self.read(name)})
        self.delete([name])

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects, several at once; an object that is already gone is no error."""
        _in_threads(self._remove, [(name,) for name in names])

    def clean(self, folder: str, spare: Iterable[str] = ()) -> None:
        """Do nothing: an upload that was cut off leaves no object."""

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer; ValueError if another driver writes here, or if the store refuses our credentials."""
        with self.lock.held(self):
            yield

    def _remove(self, name: str) -> None:
        try:
            self._with_retries(lambda: self.files.delete_file(self._path(name)), f"deleting {self.uri}/{name}")
        except FileNotFoundError:
            pass

    def _path(self, name: str) -> str:
        return f"{self.prefix}/{name}" if name else self.prefix

    def _with_retries(self, do: Callable[[], Result], what: str) -> Result:
        return with_retries(do, what, self.uri)


def _in_threads(do: Callable[..., None], arguments: Sequence[tuple[object, ...]]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        futures = [pool.submit(do, *of_call) for of_call in arguments]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def open_bucket(address: str) -> Bucket:
    """The bucket at an address such as s3://bucket/prefix?endpoint_override=host:port&scheme=http.

    Raises ValueError for an address that names no store, OSError if the store does not answer.
    """
    parts = urlsplit(address)
    if parts.password or (parts.username and parts.scheme in ("s3", "gs", "gcs")):
        raise ValueError(
            f"the address of {parts.hostname or 'the bucket'} has an access key in it, and addresses are printed and "
            "noted down; put keys into the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) instead."
        )
    if not parts.netloc:
        raise ValueError(f"{address!r} names no bucket; write it like s3://bucket/prefix.")
    if parts.fragment:
        raise ValueError(f"{address!r} has a #, and what follows it would be lost; give a prefix without one.")
    uri = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    options = parts.query
    if parts.scheme == "s3" and "allow_delayed_open" not in options:
        # With this option a small object takes one request instead of three.
        options = "&".join(filter(None, [options, "allow_delayed_open=true"]))
    try:
        # For a bucket of AWS this is a request: it asks for the bucket's region.
        files, prefix = with_retries(
            lambda: fs.FileSystem.from_uri(f"{uri}?{options}" if options else uri), f"opening {uri}", uri
        )
    except pa.ArrowException as error:
        raise ValueError(
            f"{uri} cannot be used for results ({error}); give a local folder, or an address like s3://bucket/prefix, "
            "gs://bucket/prefix or abfs://container@account.dfs.core.windows.net/prefix."
        ) from error
    return Bucket(uri, parts.query, files, prefix.rstrip("/"))
