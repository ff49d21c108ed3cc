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
    study: str,
    command: str,
    started: str,
    commit: str | None,
    seconds: float,
    resources: Mapping[str, Any],
    counts: Mapping[str, int],
    member_steps: Mapping[str, int],
) -> dict[str, Any]:
    """One run of the command; `started` is ISO 8601 in UTC."""
    return {
        "sweep": sweep,
        "question": question,
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
