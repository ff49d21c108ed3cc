"""Joining and leaving a Ray cluster, knowing when it is lost, and sharing values in it."""

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mdlray.dispatch import outage

RAYLET_PATIENCE_SECONDS = 2.0
HEAD_PATIENCE = 0.6
"""Share of the time after which Ray ends a process that cannot reach the head (RAY_gcs_rpc_server_reconnect_timeout_s,
60 s unless set): early enough to say first what that means here."""

LOCAL_STARTS = 3
"""How often a Ray of our own is started before we give up. On a busy machine one of its helpers may need more than the
15 seconds that Ray allows it (fixed, Ray 2.60): its raylet ends then, and Ray's start after half a minute."""

_left = threading.Event()
"""Set when the present cluster is left on purpose."""


def connect(address: str | None, cluster_lost: Callable[[str], None] | None = None) -> None:
    """Join the Ray cluster at `address` (`auto`: one that runs here), or at RAY_ADDRESS, or start Ray here.

    `cluster_lost` is told, in a thread of its own, that the cluster's head or this machine's part of it has gone. The
    driver cannot go on then: what it asks of Ray waits, until Ray ends the process, with no word on what to do.

    Raises ValueError where no cluster answers, TimeoutError where a Ray of our own does not start.
    """
    global _left
    where = address or os.environ.get("RAY_ADDRESS") or "local"
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    try:
        _probe(where)
        started = any(_init(where) for _ in range(LOCAL_STARTS))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"no Ray cluster answers at {where!r} ({error}). Give the address that `ray start --head` printed, e.g. "
            "--address 10.0.0.1:6379, or leave --address and RAY_ADDRESS out to start Ray on this machine."
        ) from error
    if not started:
        raise TimeoutError(
            f"Ray did not start on this machine in {LOCAL_STARTS} attempts, as if it were too busy. Try again when "
            "less runs here, or start Ray with `ray start --head` and add --address auto."
        )
    if cluster_lost:
        head, here = ray.get_runtime_context().gcs_address, ray.get_runtime_context().get_node_id()
        (node,) = (node for node in ray.nodes() if node["NodeID"] == here)
        raylet = f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"
        head_patience = HEAD_PATIENCE * float(os.environ.get("RAY_gcs_rpc_server_reconnect_timeout_s", 60))
        watched = {
            head: outage.Watched(f"the head of the Ray cluster at {head}", head_patience),
            raylet: outage.Watched(f"Ray's part on this machine, the raylet at {raylet},", RAYLET_PATIENCE_SECONDS),
        }
        # One per cluster: who still watches the one before must not be told that it is on again.
        _left = threading.Event()
        outage.watch(watched, cluster_lost, _left)


def _init(where: str) -> bool:
    """Whether Ray is there now; False where its start took too long and may be tried again."""
    try:
        ray.init(address=where, log_to_driver=False, logging_level="ERROR", include_dashboard=False)
    except Exception as error:  # Ray has no class of its own for this
        if "timed out during startup" not in str(error):
            raise
        ray.shutdown()
        return False
    return True


def _probe(address: str) -> None:
    # Ray itself tries a wrong address for minutes; its client mode runs the searcher away from the results folder.
    if address.startswith("ray://"):
        raise ValueError("the driver must be part of the cluster, so give host:port without ray://")
    _, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        outage.probe(address)


def disconnect() -> None:
    """Leave the cluster; a Ray that `connect` started ends."""
    _left.set()
    ray.shutdown()


@dataclass(frozen=True)
class Shared:
    """A value that is computed once, beside the driver, and lies once in the memory of every node that asks for it."""

    reference: "ray.ObjectRef[Any]"

    def __call__(self) -> Any:
        """The value; its arrays are views of the node's shared memory and cannot be written to."""
        return ray.get(self.reference)


def share(compute: Callable[[], Any]) -> Shared:
    """Compute a value where the driver is, where its files are; returns at once."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    # No CPU is asked for: those are the packs', which wait for this.
    return Shared(ray.remote(num_cpus=0, scheduling_strategy=here)(compute).remote())
