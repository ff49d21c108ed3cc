"""CPUs that a process may use: a real affinity, and folders that look like those of control groups."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mdlray.driver.cpus import usable_cpus

NOWHERE = Path("/nowhere")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_the_affinity_of_the_process_counts() -> None:
    program = """
import os
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
from mdlray.driver.cpus import usable_cpus
print(usable_cpus())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    assert usable_cpus(NOWHERE, NOWHERE) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"": "max 100000"}, None),
        ({"": "max 100000", "slice/job": "100000 100000"}, 1),
        ({"slice": "150000 100000", "slice/job": "max 100000"}, 1),
        ({"slice/job": "20000 100000"}, 1),
        ({"other": "100000 100000"}, None),
        ({"": "9900000 100000"}, None),
    ],
)
def test_the_least_control_group_on_the_way_counts(
    limits: dict[str, str], expected: int | None, tmp_path: Path
) -> None:
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    membership.write_text("1:name=systemd:/x\n0::/slice/job\n")
    for name, text in limits.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / "cpu.max").write_text(text + "\n")
    assert usable_cpus(root, membership) == (expected or usable_cpus(NOWHERE, NOWHERE))


def test_version_one_of_control_groups_counts(tmp_path: Path) -> None:
    folder = tmp_path / "cpu"
    folder.mkdir()
    for name, value in {"quota": 100_000, "period": 100_000}.items():
        (folder / f"cpu.cfs_{name}_us").write_text(f"{value}\n")
    assert usable_cpus(tmp_path, NOWHERE) == 1
    (folder / "cpu.cfs_quota_us").write_text("-1\n")
    assert usable_cpus(tmp_path, NOWHERE) == usable_cpus(NOWHERE, NOWHERE)
