"""How many CPUs this process may use, which may be fewer than the machine has.

The least of: the CPUs that the process may run on (`taskset`, Slurm), and the CPU time that its control groups allow
(containers, `systemd-run -p CPUQuota=`). Example: `cpu.max` "150000 100000" allows 1.5 CPUs, which count as 1.
"""

import os
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cpus(root: Path = ROOT, membership: Path = MEMBERSHIP) -> int:
    """At least 1. `root` is where control groups are mounted, `membership` says in which of them this process is."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([count, *(int(quota) for quota in _quotas(root, membership))]))


def _quotas(root: Path, membership: Path) -> list[float]:
    """CPUs that each control group on the way from the root to this process allows, where it sets a limit."""
    quotas = []
    for folder in _groups(root, membership):
        if (limit := _read(folder / "cpu.max").split()) and limit[0] != "max":
            quotas.append(int(limit[0]) / int(limit[1]))
    # Version 1 of control groups, as a container sees its own.
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
