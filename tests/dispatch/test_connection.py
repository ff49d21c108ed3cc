"""Joining a cluster, leaving it, and what a wrong address is answered; a Ray of several nodes where one is needed."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mdlray import dispatch

# Ray leaves processes and sockets to the garbage collector, and warns about its own next versions.
RAYS_OWN = (
    "ResourceWarning",
    "FutureWarning",
    "DeprecationWarning",
    "UserWarning",
    "pytest.PytestUnraisableExceptionWarning",
)
pytestmark = [pytest.mark.filterwarnings(f"ignore::{warning}") for warning in RAYS_OWN]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:1",
        "[::1]:1",
        ":1",
        "http://127.0.0.1:1",
        "no-such-host.invalid:6379",
        "127.0.0.1",
        "nonsense",
        "localhost:port",
        "x:²",
        f"{'ü' * 70}:1",
    ],
)
def test_an_address_without_a_cluster_is_an_error_at_once(address: str) -> None:
    begun = time.monotonic()
    with pytest.raises(ValueError) as refused:
        dispatch.connect(address)
    text = str(refused.value)
    assert text.startswith(f"no Ray cluster answers at {address!r} (")
    assert "Give the address that `ray start --head` printed, e.g. --address 10.0.0.1:6379, or leave" in text
    assert time.monotonic() - begun < 20


def test_the_address_of_the_environment_is_taken_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(ValueError, match="at '127.0.0.1:1' .*leave --address and RAY_ADDRESS out"):
        dispatch.connect(None)
    with pytest.raises(ValueError, match="at '127.0.0.1:2' "):
        dispatch.connect("127.0.0.1:2")


def test_rays_client_mode_is_refused_whoever_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The searcher would run away from the results folder."""
    monkeypatch.setenv("RAY_ADDRESS", "ray://127.0.0.1:10001")
    for address in (None, "ray://127.0.0.1:10001"):
        with pytest.raises(ValueError, match="the driver must be part of the cluster, so give host:port without ray:"):
            dispatch.connect(address)


def test_leaving_without_a_cluster_is_no_error() -> None:
    dispatch.disconnect()


@pytest.mark.slow
def test_a_cluster_is_joined_left_and_joined_again(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on without the driver, and leaving it is not losing it."""
    import ray

    reports: list[str] = []
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    for address in (None, cluster.address):
        dispatch.connect(address, reports.append)
        assert ray.is_initialized() and len(ray.nodes()) == 3
        assert dispatch.choose_resources(None).num_parallel == 8
        dispatch.disconnect()
        assert not ray.is_initialized()
    time.sleep(3)
    assert reports == []


@pytest.mark.slow
def test_a_value_is_computed_once_beside_the_driver_and_read_everywhere(cluster: Any, tmp_path: Path) -> None:
    """On the driver's node although all its CPUs are taken; what comes back cannot be written to."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    dispatch.connect(cluster.address)
    here, calls = ray.get_runtime_context().get_node_id(), tmp_path / "calls"

    def compute() -> tuple[str, Any]:
        with calls.open("a") as file:
            file.write("once\n")
        return ray.get_runtime_context().get_node_id(), np.arange(100_000)

    @ray.remote(num_cpus=2, scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False))
    def busy() -> None:
        time.sleep(600)

    occupied = busy.remote()
    shared = dispatch.share(compute)

    def look() -> tuple[str, str, int, bool]:
        where, numbers = shared()
        return ray.get_runtime_context().get_node_id(), where, int(numbers.sum()), numbers.flags.writeable

    nodes = [node.node_id for node in cluster.nodes_with_gpus]
    looked = ray.get(
        [
            ray.remote(num_cpus=1, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False))(look).remote()
            for node in nodes * 2
        ]
    )
    ray.cancel(occupied, force=True)
    dispatch.disconnect()
    assert looked == [(node, here, 4_999_950_000, False) for node in nodes * 2]
    assert calls.read_text() == "once\n"


@pytest.mark.slow
def test_what_computing_a_value_raises_comes_out_where_it_is_asked_for() -> None:
    dispatch.connect("local")

    def broken() -> None:
        raise ValueError("the photographs are gone")

    shared = dispatch.share(broken)
    with pytest.raises(ValueError, match="the photographs are gone"):
        shared()
    dispatch.disconnect()
