"""What produced a results folder: the sweep, versions, commit, data checksums, machine and the times of each run.

`manifest.json` has one entry per run of the command; data checksums of all runs are kept side by side, so that a folder
filled from two different copies of a data set shows it.
"""

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("mdlray", "torch", "ray", "optuna", "numpy", "pandas", "pyarrow", "numba", "torchvision", "mlxtend")


def describe_run(
    *,
    sweep: str,
    question: str,
    file: str | None,
    version: str | None,
    study: str,
    command: str,
    started: str,
    commit: str | None,
    seconds: float,
    resources: Mapping[str, Any],
    counts: Mapping[str, int],
    member_steps: Mapping[str, int],
) -> dict[str, Any]:
    """One run of the command; `started` is ISO 8601 in UTC, `file` and `version` are those of the sweep's file."""
    return {
        "sweep": sweep,
        "question": question,
        "file": file,
        "sweep_version": version,
        "study": study,
        "command": command,
        "started": started,
        "seconds": round(seconds, 1),
        "resources": dict(resources),
        "trials": dict(counts),
        "member_steps": dict(member_steps),
        "commit": commit,
        "python": platform.python_version(),
        "packages": {name: package_version(name) for name in PACKAGES},
        "machine": {"system": platform.system(), "processor": platform.machine(), "num_cpus": os.cpu_count()},
    }


def merge(
    old: Mapping[str, Any], run: Mapping[str, Any], data_checksums: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """The manifest with one more run."""
    checksums = {name: list(known) for name, known in old.get("data_checksums", {}).items()}
    for name, found in data_checksums.items():
        checksums[name] = list(dict.fromkeys([*checksums.get(name, []), *found]))
    return {"data_checksums": checksums, "runs": [*old.get("runs", []), dict(run)]}


def shown_file(path: str) -> str | None:
    """A sweep's file as a manifest names it: from the current directory, or its name alone where it lies elsewhere."""
    if not path:
        return None
    file, here = Path(path), Path.cwd()
    return file.relative_to(here).as_posix() if file.is_relative_to(here) else file.name


def note_on_last_run(manifest: Mapping[str, Any], file: str | None, question: str) -> str | None:
    """A word where the last run in the folder was of another file that asked something else.

    A file that was moved asks what it asked, and an edited one is the same file. Runs of older versions name no file.
    """
    last = (manifest.get("runs") or [{}])[-1]
    if not last.get("file") or file is None or last["file"] == file or last.get("question") == question:
        return None
    return (
        f"the last run in this folder was of {last['file']} with the question {last.get('question')!r}; rows of trials "
        "that this file does not ask are kept and are not on the front. Give one of the two sweeps another name, "
        "or use another --results, to keep them apart."
    )


def package_version(name: str) -> str | None:
    """The installed version, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def current_commit() -> str | None:
    """The commit of the checkout this package runs from, `-dirty` if it has changes; None outside git."""
    folder = Path(__file__).parent
    try:
        head = _git(folder, "rev-parse", "HEAD")
        return head + ("-dirty" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()
