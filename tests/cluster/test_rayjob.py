"""The RayJob against a closed schema of the parts of it that are used, and what no schema says."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

HERE = Path(__file__).parent
CLUSTER = HERE.parents[1] / "cluster"
VALIDATOR = Draft202012Validator(json.loads((HERE / "rayjob.schema.json").read_text()))
JOB: dict[str, Any] = yaml.safe_load((CLUSTER / "kuberay_rayjob.yaml").read_text())
SPEC = JOB["spec"]["rayClusterSpec"]


def test_the_file_fits_the_schema() -> None:
    Draft202012Validator.check_schema(VALIDATOR.schema)
    assert [error.message for error in VALIDATOR.iter_errors(JOB)] == []


def worker(job: dict[str, Any]) -> dict[str, Any]:
    group: dict[str, Any] = job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]
    return group


MISTAKES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "old version": lambda job: job.update(apiVersion="ray.io/v1alpha1"),
    "typo": lambda job: job["spec"].update(shutdownAfterJobFinish=True),
    "typo deep inside": lambda job: worker(job)["template"]["spec"]["containers"][0].update(volumeMount=[]),
    "number as text": lambda job: worker(job).update(replicas="8"),
    "text as number": lambda job: job["spec"]["rayClusterSpec"]["headGroupSpec"].update(rayStartParams={"num-cpus": 0}),
    "no template": lambda job: job["spec"]["rayClusterSpec"]["headGroupSpec"].pop("template"),
    "no authentication": lambda job: job["spec"]["rayClusterSpec"].pop("authOptions"),
    "unknown authentication": lambda job: job["spec"]["rayClusterSpec"].update(authOptions={"mode": "password"}),
    "time to live of what stays": lambda job: job["spec"].update(shutdownAfterJobFinishes=False),
    "memory without unit": lambda job: worker(job)["template"]["spec"]["containers"][0]["resources"].update(
        limits={"cpu": "32", "memory": "128GB"}
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_schema_finds_the_mistake(mistake: str) -> None:
    job = copy.deepcopy(JOB)
    MISTAKES[mistake](job)
    assert list(VALIDATOR.iter_errors(job)), mistake


def test_as_many_gpus_as_the_command_asks_for_and_none_of_its_packs_on_the_head() -> None:
    group = worker(JOB)
    (container,) = group["template"]["spec"]["containers"]
    for amounts in container["resources"].values():
        asked = re.search(r"--gpus (\d+)", JOB["spec"]["entrypoint"])
        assert asked and int(asked[1]) == group["replicas"] * int(amounts["nvidia.com/gpu"]) == 64
    assert group["replicas"] == group["minReplicas"] == group["maxReplicas"]
    assert SPEC["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_only_the_head_mounts_the_volume_and_the_command_writes_there() -> None:
    head = SPEC["headGroupSpec"]["template"]["spec"]
    (mount,) = head["containers"][0]["volumeMounts"]
    claim = yaml.safe_load((CLUSTER / "kuberay_volume.yaml").read_text())
    assert head["volumes"][0]["name"] == mount["name"]
    assert head["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["kind"] == "PersistentVolumeClaim" and claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    words = JOB["spec"]["entrypoint"].split()
    for option in ("--results", "--data"):
        assert words[words.index(option) + 1].startswith(mount["mountPath"] + "/")
    assert "volumes" not in worker(JOB)["template"]["spec"]


def test_head_and_workers_run_one_image_and_name_the_authentication() -> None:
    containers = [SPEC["headGroupSpec"]["template"]["spec"]["containers"][0]]
    containers += [group["template"]["spec"]["containers"][0] for group in SPEC["workerGroupSpecs"]]
    assert len({container["image"] for container in containers}) == 1
    assert SPEC["authOptions"]["mode"] == "token"
    for container in containers:
        assert {"name": "RAY_AUTH_MODE", "value": "token"} in container["env"]
