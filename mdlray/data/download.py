"""Missing files of a data set → whole files with the right md5 sums in the data folder, or an error that says why not.

pooch asks the mirrors one after the other, each up to three times if the connection breaks or the sum is wrong.
It writes into a temporary folder; when all files are complete, they are copied beside their place and renamed into it.
Several processes may do this at once: each writes its own copy and the last rename wins with the same bytes.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

DOWNLOAD_SECONDS = 900.0
"""After so long a download is given up; the largest set has 31 MB."""
RETRIES = 2
"""After a failure a mirror is asked so many times more, one and two seconds later."""
_SILENT_SECONDS = 30.0
_CHUNK_BYTES = 4096


class MissingDataError(FileNotFoundError):
    """The files of a data set are not there and could not be fetched."""


def download(md5: Mapping[str, str], mirrors: Sequence[str], folder: Path, seconds: float = DOWNLOAD_SECONDS) -> None:
    """Fetches the files (name → md5 sum) from the first of the mirrors that has them into `folder`.

    A mirror is an address to which a file's name is added, e.g. `https://ossci-datasets.s3.amazonaws.com/mnist/`. Files
    that are there already are kept. Raises MissingDataError with the causes and leaves no incomplete file in `folder`.
    The time is looked at after every few kilobytes, and a server may be silent for 30 seconds.
    """
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="mdlray-download-") as temporary:
        for name, digest in md5.items():
            _fetch(name, digest, mirrors, Path(temporary), end, seconds)
        try:
            install([Path(temporary, name) for name in md5], folder)
        except OSError as error:
            raise MissingDataError(f"the files arrived but could not be written ({error})") from error


def install(files: Sequence[Path], folder: Path) -> None:
    """Copies the files into `folder`, each whole or not at all, and leaves those alone which are there already."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        place = folder / file.name
        if place.exists():
            continue
        beside = folder / f".{file.name}.{os.getpid()}.part"
        try:
            shutil.copyfile(file, beside)
            os.replace(beside, place)
        finally:
            beside.unlink(missing_ok=True)


def _fetch(name: str, digest: str, mirrors: Sequence[str], folder: Path, end: float, seconds: float) -> None:
    import pooch
    from requests.exceptions import RequestException

    def fetch_bytes(url: str, output_file: str, _: Any) -> None:
        if time.monotonic() > end or not _write_body(url, Path(output_file), end):
            raise MissingDataError(f"no complete answer within {seconds:g} seconds")

    causes = []
    for mirror in mirrors:
        fetcher = pooch.create(folder, mirror, registry={name: f"md5:{digest}"}, retry_if_failed=RETRIES)
        try:
            fetcher.fetch(name, downloader=fetch_bytes)
        except RequestException as error:
            causes.append(f"{mirror}{name}: {error}")
        except ValueError:
            causes.append(f"{mirror}{name}: what the server sent is not the file (its md5 sum is not {digest})")
        except MissingDataError:
            raise
        except OSError as error:
            raise MissingDataError(f"it could not be written to {folder} ({error})") from error
        else:
            return
    raise MissingDataError("; ".join(causes))


def _write_body(url: str, file: Path, end: float) -> bool:
    """Writes what the server sends, byte for byte, into the file; False if the time was over before all was there."""
    import requests
    import urllib3

    # pooch's own downloader would unpack the body where a server calls a .gz file's compression an encoding.
    headers = {"Accept-Encoding": "identity"}
    silent_seconds = min(_SILENT_SECONDS, max(end - time.monotonic(), 0.01))
    with requests.get(url, stream=True, timeout=silent_seconds, headers=headers) as response, file.open("wb") as output:
        response.raise_for_status()
        try:
            for chunk in response.raw.stream(_CHUNK_BYTES, decode_content=False):
                output.write(chunk)
                if time.monotonic() > end:
                    return False
        except urllib3.exceptions.HTTPError as error:
            # So that pooch asks again, as after any other failure of the connection.
            raise requests.exceptions.ConnectionError(error) from error
    return True
