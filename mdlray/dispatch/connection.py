"""Joining and leaving a Ray cluster, knowing when it is lost, and sharing values in it."""

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mdlray.dispatch import outage
from mdlray.dispatch.head import TokenRefusedError, check_head

HEAD_PATIENCE = 0.6
"""Share of the time after which Ray ends a process that cannot reach the head (RAY_gcs_rpc_server_reconnect_timeout_s,
60 s unless set): early enough to say first what that means here."""

LOCAL_STARTS = 3
"""How often a Ray of our own is started before we give up. On a busy machine one of its helpers may need more than the
15 seconds that Ray allows it (fixed, Ray 2.60): its raylet ends then, and Ray's start after half a minute."""

_left = threading.Event()
"""Set when the present cluster is left on purpose."""

_is_ours = True
"""Whether `connect` joined or started the present Ray; another's, as in a notebook, goes on when we leave."""


def connect(
    address: str | None, cluster_lost: Callable[[str], None] | None = None, *, num_cpus: int | None = None
) -> None:
    """Join the Ray cluster at `address` (`auto`: one that runs here), or at RAY_ADDRESS, or start Ray here.

    A Ray that this process has joined before, as a notebook does, is used as it is. `num_cpus` is what a Ray that is
    started here may use; None leaves that to Ray. `cluster_lost` is told, in a thread of its own, that the cluster's
    head or this machine's part of it has gone. The driver cannot go on then: what it asks of Ray waits, until Ray ends
    the process, with no word on what to do.

    Raises ValueError where no cluster answers, or this machine cannot start one; TimeoutError where a Ray of our own
    does not start in time.
    """
    global _left, _is_ours
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    _is_ours = not ray.is_initialized()
    if _is_ours:
        where = address or os.environ.get("RAY_ADDRESS") or "local"
        if where == "local":
            _start(num_cpus)
        else:
            _join(where)
    elif address and address not in ("auto", ray.get_runtime_context().gcs_address):
        raise ValueError(
            f"--address is {address!r}, and this process is already part of the Ray cluster at "
            f"{ray.get_runtime_context().gcs_address}. Leave the address out to use that one, or call ray.shutdown() "
            "before."
        )
    if cluster_lost:
        head, here = ray.get_runtime_context().gcs_address, ray.get_runtime_context().get_node_id()
        (node,) = (node for node in ray.nodes() if node["NodeID"] == here)
        raylet = f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"
        head_patience = HEAD_PATIENCE * float(os.environ.get("RAY_gcs_rpc_server_reconnect_timeout_s", 60))
        watched = {
            head: outage.Watched(f"the head of the Ray cluster at {head}", head_patience),
            # Ray ends this process about a second after its raylet has ended in good order.
            raylet: outage.Watched(f"Ray's part on this machine, the raylet at {raylet},", 0.0, held=True),
        }
        # One per cluster: who still watches the one before must not be told that it is on again.
        _left = threading.Event()
        outage.watch(watched, cluster_lost, _left)


def _join(where: str) -> None:
    try:
        # Ray's client mode would run the searcher away from the results folder.
        if where.startswith("ray://"):
            raise ValueError("the driver must be part of the cluster, so give host:port without ray://")
        _init(check_head(where))
    except TokenRefusedError as error:
        raise ValueError(
            f"the Ray cluster at {error} asks for a token, and this process has none or another one. Copy "
            "~/.ray/auth_token from the machine of its head to here, or set RAY_AUTH_TOKEN_PATH to such a file, and "
            "leave RAY_AUTH_MODE unset or set it to token."
        ) from error
    except (OSError, ValueError) as error:
        raise ValueError(
            f"no Ray cluster answers at {where!r} ({error}). Give the address that `ray start --head` printed, e.g. "
            "--address 10.0.0.1:6379, or leave --address and RAY_ADDRESS out to start Ray on this machine."
        ) from error


def _start(num_cpus: int | None) -> None:
    try:
        started = any(_init("local", num_cpus) for _ in range(LOCAL_STARTS))
    except (OSError, ValueError) as error:
        raise ValueError(f"Ray cannot start on this machine: {_advice(error)}") from error
    if not started:
        raise TimeoutError(
            f"Ray did not start on this machine in {LOCAL_STARTS} attempts, as if it were too busy. Try again when "
            "less runs here, or start Ray with `ray start --head` and add --address auto."
        )


def _advice(error: OSError | ValueError) -> str:
    """Why Ray did not start here, and what to do."""
    if "AF_UNIX path" in str(error):
        return (
            f"the paths of its sockets are longer than the system allows ({error}), because they lie below TMPDIR or "
            "RAY_TMPDIR. Set RAY_TMPDIR to a short folder, e.g. RAY_TMPDIR=/tmp."
        )
    home = Path("~").expanduser()
    if (
        isinstance(error, OSError)
        and error.filename
        and Path(os.fsdecode(error.filename))
        in (
            home,
            home / ".ray",
            home / ".ray" / "auth_token",
        )
    ):
        return (
            f"it cannot write the token of its cluster to {error.filename} ({error.strerror}). Set HOME to a folder "
            "that you may write to, or RAY_AUTH_MODE=disabled if you alone can reach this machine's ports."
        )
    return f"{error}"


def _init(where: str, num_cpus: int | None = None) -> bool:
    """Whether Ray is there now; False where its start took too long and may be tried again."""
    try:
        ray.init(address=where, num_cpus=num_cpus, log_to_driver=False, logging_level="ERROR", include_dashboard=False)
    except Exception as error:  # Ray has no class of its own for this
        if "timed out during startup" not in str(error):
            raise
        ray.shutdown()
        return False
    return True


def disconnect() -> None:
    """Leave the cluster; a Ray that `connect` started ends."""
    _left.set()
    if _is_ours:
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
