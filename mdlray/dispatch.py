"""Packs -> Ray Tune -> results, one pack per Tune trial.

Ray Tune schedules, restarts lost workers and keeps actors warm; it is not the ledger. Our Searcher hands out the next
pack and receives its result in the one report at the end, on the driver, which is the only writer. What is done is a
question to the results folder (`mdlray.plan.missing_packs`), so that nothing of Tune's own state has to survive: it
lies in a temporary folder and is never restored (a restore re-runs finished trials).
"""

import logging
import os
import pickle
import shutil
import tempfile
import threading
import time
import zlib
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mdlray import outage
from mdlray.plan import Pack
from mdlray.tables.pack import PackResult

# Read by Ray when it is imported. The loggers would write five files per trial and re-read them; the snapshot grows
# with the sweep and is never restored; the strict check is for searchers that read metrics, ours takes whole results.
for name, value in {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_WARN_THRESHOLD_S": "60",
}.items():
    os.environ.setdefault(name, value)

import ray  # noqa: E402
from ray import tune  # noqa: E402
from ray.tune.search import Searcher  # noqa: E402
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: E402

Work = Callable[..., PackResult]
"""(pack, save, **inputs) → result, on a worker; `save` hands the driver a checkpoint (bytes) to keep."""

More = Callable[[], Sequence[Pack] | None]
"""Packs that may start now and were not given out before; None when there will never be more."""

RAYLET_PATIENCE_SECONDS = 2.0
HEAD_PATIENCE = 0.6
"""Share of the time after which Ray ends a process that cannot reach the head (RAY_gcs_rpc_server_reconnect_timeout_s,
60 s unless set): early enough to say first what that means here."""

_disconnected = threading.Event()

MOST_PACKS_PER_GPU = 4
"""While one pack is quantized and encoded on a CPU, others keep the GPU busy; more would only wait for each other."""

SECONDS_BEFORE_RETRY = (1.0, 5.0, 25.0)
"""A pack whose worker or node was lost is run again after these waits, before its members become failed rows.

Ray Tune's own retries follow at once: under load all of them went to a node that was dead but not yet known to be.
"""


@dataclass(frozen=True)
class Resources:
    """What a pack gets and how many run at once."""

    num_parallel: int
    cpus_per_pack: float
    gpus_per_pack: float

    @property
    def on_gpu(self) -> bool:
        """Whether packs ask for a GPU."""
        return self.gpus_per_pack > 0


@dataclass(frozen=True)
class Watch:
    """What the driver is told, always in its own thread."""

    inputs: Callable[[Pack], dict[str, Any]]
    """A pack is about to start: what goes with it to its worker."""
    saved: Callable[[Pack, bytes], None]
    """A checkpoint of a pack that is still running."""
    finished: Callable[[Pack, PackResult], None]
    lost: Callable[[Pack, str], None]
    """A pack whose worker was lost every time, with what is known about it."""


def connect(address: str | None, cluster_lost: Callable[[str], None] | None = None) -> None:
    """Join the Ray cluster at `address` (`auto`: one that runs here), or at RAY_ADDRESS, or start Ray here.

    `cluster_lost` is told, in a thread of its own, that the cluster's head or this machine's part of it has gone. The
    driver cannot go on then: what it asks of Ray waits, until Ray ends the process, with no word on what to do.
    """
    where = address or os.environ.get("RAY_ADDRESS") or "local"
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    try:
        _probe(where)
        ray.init(address=where, log_to_driver=False, logging_level="ERROR", include_dashboard=False)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"no Ray cluster answers at {where!r} ({error}). Give the address that `ray start --head` printed, e.g. "
            "--address 10.0.0.1:6379, or leave --address and RAY_ADDRESS out to start Ray on this machine."
        ) from error
    if cluster_lost:
        head, here = ray.get_runtime_context().gcs_address, ray.get_runtime_context().get_node_id()
        (node,) = (node for node in ray.nodes() if node["NodeID"] == here)
        raylet = f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"
        head_patience = HEAD_PATIENCE * float(os.environ.get("RAY_gcs_rpc_server_reconnect_timeout_s", 60))
        watched = {
            head: outage.Watched(f"the head of the Ray cluster at {head}", head_patience),
            raylet: outage.Watched(f"Ray's part on this machine, the raylet at {raylet},", RAYLET_PATIENCE_SECONDS),
        }
        _disconnected.clear()
        outage.watch(watched, cluster_lost, _disconnected)


def _probe(address: str) -> None:
    # Ray itself tries a wrong address for minutes; its client mode runs the searcher away from the results folder.
    if address.startswith("ray://"):
        raise ValueError("the driver must be part of the cluster, so give host:port without ray://")
    _, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        outage.probe(address)


def disconnect() -> None:
    """Leave the cluster; a Ray that `connect` started ends."""
    _disconnected.set()
    ray.shutdown()


def on_each_kind_of_gpu(probe: Callable[[], int | None]) -> dict[str, int]:
    """What `probe` returns on one free GPU of each kind in the cluster (kind → value), without those that return None.

    A kind is what Ray calls `accelerator_type`; GPUs that a node only claims to have are one kind as well.
    """
    nodes: dict[str, str] = {}
    for node in ray.nodes():
        if node["Alive"] and node["Resources"].get("GPU", 0) >= 1:
            kinds = [name for name in node["Resources"] if name.startswith("accelerator_type:")]
            nodes.setdefault(kinds[0].partition(":")[2] if kinds else "unknown", node["NodeID"])
    remote = ray.remote(num_gpus=1, num_cpus=0)(probe)
    there = {
        kind: remote.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=True)).remote()
        for kind, node in nodes.items()
    }
    values = {kind: ray.get(reference) for kind, reference in there.items()}
    return {kind: value for kind, value in values.items() if value is not None}


def share_gpus(resources: Resources, packs_per_gpu: int) -> Resources:
    """The same GPUs with up to so many packs on each, where there are CPUs for them."""
    cpus = int(ray.cluster_resources().get("CPU", 0))
    packs_per_gpu = max(1, min(packs_per_gpu, MOST_PACKS_PER_GPU, cpus // resources.num_parallel))
    return Resources(resources.num_parallel * packs_per_gpu, resources.cpus_per_pack, 1 / packs_per_gpu)


def choose_resources(num_gpus: int | None) -> Resources:
    """One pack per GPU, or per CPU with `num_gpus` 0; None takes all GPUs there are, else the CPUs.

    ValueError at once if the cluster has fewer GPUs than asked for.
    """
    have = ray.cluster_resources()
    gpus, cpus = int(have.get("GPU", 0)), int(have.get("CPU", 0))
    if num_gpus is None:
        num_gpus = gpus
    if num_gpus > gpus:
        raise ValueError(
            f"--gpus {num_gpus} asks for {num_gpus} GPUs, Ray sees {gpus} (and {cpus} CPUs). Use --gpus 0 for the CPU"
            f"{f', --gpus {gpus} for what is here' if gpus else ''}, --quick for a first look, or --address for a "
            f"cluster that has them (a node declares logical ones with `ray start --num-gpus {num_gpus}`)."
        )
    if num_gpus == 0:
        return Resources(num_parallel=max(cpus, 1), cpus_per_pack=1, gpus_per_pack=0)
    return Resources(num_parallel=num_gpus, cpus_per_pack=1 if cpus >= num_gpus else 0, gpus_per_pack=1)


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


def run_packs(more: More, work: Work, resources: Resources, watch: Watch) -> bool:
    """Run packs through Ray Tune until there are no more; returns False if an interrupt (SIGINT) ended it before.

    What `more` or the watch raises ends the run and comes out here.
    """
    feeder = _Feeder(more, watch)
    storage = tempfile.mkdtemp(prefix="mdlray-tune-")

    def trainable(config: dict[str, Any]) -> None:
        def save(checkpoint: bytes) -> None:
            tune.report({"checkpoint": checkpoint})

        tune.report({"result": work(_unpack(config["pack"]), save=save, **config["inputs"])})

    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": resources.cpus_per_pack, "gpu": resources.gpus_per_pack}),
        tune_config=tune.TuneConfig(
            search_alg=feeder, num_samples=-1, max_concurrent_trials=resources.num_parallel, reuse_actors=True
        ),
        run_config=tune.RunConfig(storage_path=storage, name="packs", verbose=0),
    )
    try:
        tuner.fit()
    except tune.TuneError as error:
        # What a callback of the watch raised comes wrapped; the cause is what the user can act on.
        raise (error.__cause__ or error) from None
    finally:
        shutil.rmtree(storage, ignore_errors=True)
    return feeder.is_done


class _Feeder(Searcher):  # type: ignore[misc]
    """Hands out packs in order, takes their results, and hands out those of lost workers again, later."""

    def __init__(self, more: More, watch: Watch):
        super().__init__()
        self.more = more
        self.watch = watch
        self.exhausted = False
        self.waiting: deque[Pack] = deque()
        self.again: list[tuple[float, Pack]] = []
        """Packs whose workers were lost: (not before this time, pack)."""
        self.given_up: list[Pack] = []
        self.running: dict[str, Pack] = {}
        self.losses: Counter[str] = Counter()

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to hand out or to wait for."""
        return self.exhausted and not (self.waiting or self.again or self.given_up or self.running)

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        # Not where the loss is noticed: Ray Tune swallows what a full disk raises there.
        while self.given_up:
            lost = self.given_up.pop()
            self.watch.lost(lost, f"the worker was lost {self.losses[lost.pack_id]} times while it ran this pack")
        pack = self._next()
        if pack is None:
            finished: str = Searcher.FINISHED
            return finished if self.is_done else None
        self.running[trial_id] = pack
        return {"pack": _pack(pack), "inputs": self.watch.inputs(pack)}

    def _next(self) -> Pack | None:
        now = time.monotonic()
        for place, (not_before, pack) in enumerate(self.again):
            if not_before <= now:
                del self.again[place]
                return pack
        if not self.waiting and not self.exhausted:
            new = self.more()
            self.exhausted = new is None
            self.waiting.extend(new or ())
        return self.waiting.popleft() if self.waiting else None

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        # Here and not on completion: there Ray Tune swallows what a full disk raises and runs the pack again, and an
        # interrupt between the two would throw a finished pack away.
        if trial_id in self.running and "checkpoint" in result:
            self.watch.saved(self.running[trial_id], result["checkpoint"])
        elif trial_id in self.running and "result" in result:
            self.watch.finished(self.running.pop(trial_id), result["result"])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if not error or trial_id not in self.running:
            return
        pack = self.running.pop(trial_id)
        self.losses[pack.pack_id] += 1
        if self.losses[pack.pack_id] > len(SECONDS_BEFORE_RETRY):
            self.given_up.append(pack)
        else:
            wait = SECONDS_BEFORE_RETRY[self.losses[pack.pack_id] - 1]
            self.again.append((time.monotonic() + wait, pack))

    def __getstate__(self) -> dict[str, Any]:
        # Ray Tune pickles the searcher into its own snapshot, which is never read; the watch cannot be pickled.
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the results folder knows what is done."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore."""


def _pack(pack: Pack) -> bytes:
    # Ray Tune keeps the configuration of every trial to the end; members share most of their fields.
    return zlib.compress(pickle.dumps(pack))


def _unpack(content: bytes) -> Pack:
    pack: Pack = pickle.loads(zlib.decompress(content))
    return pack
