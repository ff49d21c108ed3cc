"""The files for Ray's cluster launcher, checked by Ray's own code, which must also find typical mistakes."""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest

# Ray's modules of the launcher leave files to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

NAMES = ("aws.yaml", "gcp.yaml", "on_prem.yaml")


def prepare(config: dict[str, Any]) -> dict[str, Any]:
    """What `ray up` does with a file before it talks to a cloud: fill in defaults, check; raises if it does not fit."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared: dict[str, Any] = prepare_config(copy.deepcopy(config))
    validate_config(prepared)
    return prepared


@pytest.mark.parametrize("name", NAMES)
def test_ray_accepts_the_file(name: str, launch_files: dict[str, Any]) -> None:
    prepared = prepare(launch_files[name])
    assert prepared["cluster_name"] == "mdlray"


def set_key(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(config: dict[str, Any]) -> None:
        for key in path[:-1]:
            config = config[key]
        config[path[-1]] = value

    return change


# Ray's word for each; it gives up on two of them without one.
MISTAKES: dict[str, tuple[str, Callable[[dict[str, Any]], Any], type[Exception] | None, str]] = {
    "unknown key": ("aws.yaml", set_key("max_worker", value=8), None, "'max_worker' was unexpected"),
    "unknown key of a node type": (
        "aws.yaml",
        set_key("available_node_types", "worker", "min_worker", value=8),
        None,
        "'min_worker' was unexpected",
    ),
    "a number as text": ("gcp.yaml", set_key("max_workers", value="eight"), None, "'eight' is not of type 'integer'"),
    "negative": ("gcp.yaml", set_key("max_workers", value=-1), None, "-1 is less than the minimum of 0"),
    "head of no type": (
        "aws.yaml",
        set_key("head_node_type", value="nope"),
        ValueError,
        "`head_node_type` must be one of `available_node_types`",
    ),
    "more workers than allowed": (
        "gcp.yaml",
        set_key("available_node_types", "worker", "min_workers", value=9),
        ValueError,
        "`max_workers` is smaller than the sum of `min_workers`",
    ),
    "unknown provider": ("aws.yaml", set_key("provider", "type", value="awz"), NotImplementedError, "provider: awz"),
    "no provider": ("gcp.yaml", lambda config: config.pop("provider"), KeyError, "provider"),
    "no workers' addresses": (
        "on_prem.yaml",
        lambda config: config["provider"].pop("worker_ips"),
        None,
        "list of `worker_ips`",
    ),
    "no head's address": ("on_prem.yaml", lambda config: config["provider"].pop("head_ip"), None, "supply a `head_ip`"),
    "commands as text": ("on_prem.yaml", set_key("setup_commands", value="bash setup.sh"), TypeError, "str"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_ray_finds_the_mistake(mistake: str, launch_files: dict[str, Any]) -> None:
    name, change, kind, word = MISTAKES[mistake]
    config = copy.deepcopy(launch_files[name])
    change(config)
    with pytest.raises(kind or Exception, match=re.escape(word)):
        prepare(config)


@pytest.mark.parametrize("name", ["aws.yaml", "gcp.yaml"])
def test_64_spot_gpus_and_a_head_on_demand_that_runs_no_pack(name: str, launch_files: dict[str, Any]) -> None:
    types = launch_files[name]["available_node_types"]
    head, worker = types["head"], types["worker"]
    assert head["resources"] == {"CPU": 0}
    assert worker["min_workers"] == worker["max_workers"] == launch_files[name]["max_workers"]
    assert worker["min_workers"] * worker["resources"]["GPU"] == 64
    assert "spot" in str(worker["node_config"]).lower() and "spot" not in str(head["node_config"]).lower()


def test_machines_of_ones_own_are_started_by_the_autoscaler_that_starts_them(launch_files: dict[str, Any]) -> None:
    _, start = launch_files["on_prem.yaml"]["head_start_ray_commands"]
    assert "RAY_enable_autoscaler_v2=0 " in start and '--node-ip-address="$RAY_CLOUD_INSTANCE_ID"' in start


@pytest.mark.parametrize("name", NAMES)
def test_every_node_gets_the_checkout_and_the_token(name: str, launch_files: dict[str, Any]) -> None:
    assert launch_files[name]["file_mounts"] == {"~/mdlray": ".", "~/.ray/auth_token": "~/.ray/auth_token"}
    assert any("cluster/setup_node.sh" in command for command in launch_files[name]["setup_commands"])
