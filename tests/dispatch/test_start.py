"""Starting Ray on this machine: what keeps it from that is named, and a Ray that is here already is used (real Ray)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

START = """
from mdlray import dispatch
try:
    dispatch.connect("local")
except ValueError as error:
    print(error)
"""

NOTEBOOK = """
import ray
quiet = {"include_dashboard": False, "logging_level": "ERROR", "log_to_driver": False}

def refused(call):
    try:
        call()
    except ValueError as error:
        print(error)

ray.init(num_cpus=1, **quiet)
from mdlray import dispatch
dispatch.connect(None)
print(dispatch.choose_resources(0).num_parallel, dispatch.choose_resources(None, 1).num_parallel)
refused(lambda: dispatch.choose_resources(0, 2))
refused(lambda: dispatch.choose_resources(2, 3))
refused(lambda: dispatch.connect("10.0.0.1:6379"))
dispatch.disconnect()
print("still there" if ray.is_initialized() else "ended")
ray.shutdown()
ray.init(num_cpus=0, **quiet)
dispatch.connect(None)
refused(lambda: dispatch.choose_resources(None))
ray.shutdown()
"""


def run(program: str, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run([sys.executable, "-c", program], env=kept | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_folder_whose_sockets_have_too_long_paths(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 110)
    folder.mkdir()
    said = run(START, TMPDIR=str(folder), RAY_AUTH_MODE="disabled")
    assert "Ray cannot start on this machine: the paths of its sockets are longer than the system allows" in said
    assert "Set RAY_TMPDIR to a short folder" in said


@pytest.mark.parametrize("home", ["/proc/nobody", "/dev/null"])
def test_a_home_that_cannot_be_written_to(home: str) -> None:
    said = run(START, HOME=home)
    assert "it cannot write the token of its cluster" in said and "Set HOME to a folder" in said
    assert "RAY_AUTH_MODE=disabled" in said and "no Ray cluster answers" not in said


def test_a_ray_of_a_notebook_is_used_and_not_ended_and_one_without_cpus_is_refused() -> None:
    numbers, too_many, both, other, after, no_cpu = run(NOTEBOOK, RAY_AUTH_MODE="disabled").splitlines()
    assert numbers == "1 1"
    assert too_many.startswith("--cpus 2 asks for 2 packs at a time, one per CPU, and Ray may use 1 CPUs.")
    assert both.startswith("--cpus 3 is for packs on CPUs and --gpus 2 asks for packs on GPUs")
    assert other.startswith("--address is '10.0.0.1:6379', and this process is already part of the Ray cluster at")
    assert after == "still there"
    assert no_cpu.startswith("the cluster has no CPU for packs: Ray sees 0 CPUs and 0 GPUs.")
