"""The number of CPUs that this process may use, which may be fewer than the machine has.

Two limits apply, and the smaller one counts: the CPUs on which the process may run (set by `taskset` or Slurm), and the
CPU time that its control groups allow (set by containers or `systemd-run -p CPUQuota=`). Example: a file `cpu.max` with
the content "150000 100000" allows 1.5 CPUs, which count as 1.
"""

import os
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cpus(root: Path = ROOT, membership: Path = MEMBERSHIP) -> int:
    """The number of CPUs that this process may use, at least 1.

    `root` is the folder where control groups are mounted, `membership` the file that names this process's groups.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([count, *(int(quota) for quota in _quotas(root, membership))]))


def _quotas(root: Path, membership: Path) -> list[float]:
    """CPUs that each control group allows, from this process's up to the root, without groups that set no limit."""
    quotas = []
    for folder in _groups(root, membership):
        if (limit := _read(folder / "cpu.max").split()) and limit[0] != "max":
            quotas.append(int(limit[0]) / int(limit[1]))
    # Version 1 of control groups has other files; in a container, these are the container's own.
    quota, period = (_read(root / "cpu" / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
    if quota and period and int(quota) > 0:
        quotas.append(int(quota) / int(period))
    return quotas


def _groups(root: Path, membership: Path) -> list[Path]:
    lines = [line.split(":", 2) for line in _read(membership).splitlines()]
    names = [line[2] for line in lines if len(line) == 3 and line[:2] == ["0", ""]]
    group = root / names[0].lstrip("/") if names else root
    return [folder for folder in (group, *group.parents) if folder == root or root in folder.parents]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
