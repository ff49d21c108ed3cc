"""`slurm.sbatch` itself, with real Ray, on hosts made of namespaces, which see no other process of the machine."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import mdlray

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (Path(sys.prefix) / "bin/activate").exists(), reason="needs a virtual environment"),
]


def sbatch(on_hosts: Any, num_hosts: int, tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`sbatch cluster/slurm.sbatch WORDS` on hosts with one CPU and one logical GPU each."""
    home = tmp_path / "home"
    home.mkdir()
    slurm = {"SLURM_JOB_NUM_NODES": str(num_hosts), "SLURM_CPUS_PER_TASK": "1", "SLURM_GPUS_ON_NODE": "1"}
    # Workers notice after a minute that the head is gone; a test need not wait for that. Below what `ray stop` takes,
    # `ray symmetric-run` on the head would notice, too, and exit with 1.
    ours = {"HOME": str(home), "MDLRAY_VENV": sys.prefix, "RAY_gcs_rpc_server_reconnect_timeout_s": "25"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | slurm | ours
    done: subprocess.CompletedProcess[str] = on_hosts(num_hosts, ["bash", "cluster/slurm.sbatch", *words], environment)
    return done


def test_a_sweep_on_two_hosts_with_a_token(on_hosts: Any, tmp_path: Path) -> None:
    results = tmp_path / "results"
    done = sbatch(on_hosts, 2, tmp_path, "tests/assets/tiny_sweep.py", "--trials", "4", "--results", str(results))
    assert done.returncode == 0, done.stdout
    assert "On head node." in done.stdout and "On worker node." in done.stdout, done.stdout
    rows = mdlray.load(results / "tiny_sweep")
    assert len(rows) == 4 and (rows["status"] == "ok").all()
    (run,) = json.loads((results / "tiny_sweep" / "manifest.json").read_text())["runs"]
    assert run["resources"] == {"num_parallel": 2, "cpus_per_pack": 1, "gpus_per_pack": 1}
    assert not (tmp_path / "home/.ray").exists(), "the token is the job's, not the user's"


def test_the_job_fails_as_the_sweep_does(on_hosts: Any, tmp_path: Path) -> None:
    done = sbatch(on_hosts, 1, tmp_path, "no_such_sweep", "--results", str(tmp_path))
    assert done.returncode == 2 and "there is no sweep 'no_such_sweep'" in done.stdout, done.stdout
