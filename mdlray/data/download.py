"""Missing files of a data set → complete files with the right md5 sums in the data folder, or an error with the causes.

pooch asks one mirror after the other, each up to three times if the connection breaks or the md5 sum is wrong. It
writes into a temporary folder. When all files are complete, each is copied into the data folder under a temporary name
and then renamed. Several processes may do this at once: each writes its own copy, and all copies have the same bytes.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

DOWNLOAD_SECONDS = 900.0
"""A download is given up after this time; the largest data set has 31 MB."""
RETRIES = 2
"""How many times a mirror is asked again after a failure; pooch waits one second, then two."""
_SILENT_SECONDS = 30.0
_CHUNK_BYTES = 4096


class MissingDataError(FileNotFoundError):
    """Files of a data set are missing and could not be downloaded."""


def download(md5: Mapping[str, str], mirrors: Sequence[str], folder: Path, seconds: float = DOWNLOAD_SECONDS) -> None:
    """Downloads the files (name → md5 sum) into `folder`, each from the first mirror that has it.

    A mirror is an address that ends in `/`, such as `https://ossci-datasets.s3.amazonaws.com/mnist/`; the file's name
    is added to it. Files that exist in `folder` are kept. A server may be silent for 30 seconds at most, and the limit
    of `seconds` is checked after every 4 kB. Raises MissingDataError with the causes; no incomplete file is left.
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
    """Copies the files into `folder`, each whole or not at all. Files that exist there already are not changed."""
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
            # urllib3's reason alone: requests wraps it in a text that names the address again.
            wrapped = error.args[0] if error.args else error
            causes.append(f"{mirror}{name}: {getattr(wrapped, 'reason', error)}")
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
    """Writes the server's answer to the file, byte for byte; False if the time was over before it was complete."""
    import requests
    import urllib3

    # Some servers call the compression of a .gz file a content encoding. pooch's own downloader would then write the
    # unpacked file, with another md5 sum.
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
            # pooch asks again after errors of requests, but not after those of urllib3.
            raise requests.exceptions.ConnectionError(error) from error
    return True
