"""Missing files → torchvision's download, in a process of its own → complete files below the data folder, or an error.

torchvision knows the mirrors and the md5 sums, but waits for ever on a silent server and leaves half a file when it is
cut off. So the download runs in a child process that can be ended after a time, into a temporary folder; only complete
files are copied beside their place and renamed into it. Several processes may do this at once: each writes its own
copy and the last rename wins with the same bytes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

DOWNLOAD_SECONDS = 900.0
"""After so long a download is given up; the largest set has 65 MB with its unpacked copy."""

_CHILD = """
import socket, sys
socket.setdefaulttimeout(30)
try:
    import torchvision.datasets
    getattr(torchvision.datasets, sys.argv[1])(sys.argv[2], download=True)
except Exception as error:
    print(f"{type(error).__name__}: {error}")
    sys.exit(1)
"""


class MissingDataError(FileNotFoundError):
    """The files of a data set are not there and could not be fetched."""


def download(torchvision_name: str, root: Path, seconds: float = DOWNLOAD_SECONDS) -> None:
    """Fetches the data set of that class in `torchvision.datasets` into `root/<torchvision_name>/raw`.

    Files that are there already are kept. Raises MissingDataError, with the cause, after at most `seconds`, and leaves
    no incomplete file below `root`.
    """
    with tempfile.TemporaryDirectory(prefix="mdlray-download-") as temporary:
        # -P: a file in the current folder must not stand in for a library; stderr stays open for the progress bars.
        command = [sys.executable, "-P", "-c", _CHILD, torchvision_name, temporary]
        try:
            child = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise MissingDataError(f"no answer within {seconds:g} seconds") from None
        if child.returncode != 0:
            said = " ".join(child.stdout.split())
            raise MissingDataError(said or f"the download ended with exit status {child.returncode}")
        fetched = Path(temporary, torchvision_name, "raw")
        try:
            install(sorted(fetched.iterdir()), root / torchvision_name / "raw")
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
