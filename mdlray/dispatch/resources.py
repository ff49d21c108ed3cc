"""The CPUs and GPUs of a pack, and how many packs run at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

Answer = TypeVar("Answer")

MOST_PACKS_PER_GPU = 4
"""While one pack is quantized and encoded on a CPU, others keep the GPU busy; more would only wait for each other."""


@dataclass(frozen=True)
class Resources:
    """The CPUs and GPUs of a pack, and how many packs run at a time."""

    num_parallel: int
    cpus_per_pack: float
    gpus_per_pack: float

    @property
    def on_gpu(self) -> bool:
        """Whether packs ask for a GPU."""
        return self.gpus_per_pack > 0


def on_each_kind_of_gpu(probe: Callable[[], int | None]) -> dict[str, int]:
    """Kind of GPU → what `probe` returns on one free GPU of this kind, without kinds for which it returns None.

    A kind is Ray's `accelerator_type`. GPUs that a node declares, without having them, are a kind of their own.
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


def on_each_node(task: Callable[[], Answer]) -> dict[str, Answer]:
    """Address of a node → what `task` returns on it, for every node that may run packs, and for the driver's node.

    A node that is lost meanwhile has no answer, because its packs will be run elsewhere. ValueError for a node that
    cannot run mdlray.
    """
    here = ray.get_runtime_context().get_node_id()
    nodes = {
        node["NodeID"]: node["NodeManagerAddress"]
        for node in ray.nodes()
        if node["Alive"] and (node["NodeID"] == here or {"CPU", "GPU"} & node["Resources"].keys())
    }
    # No CPU is asked for: other work may hold them all.
    remote = ray.remote(num_cpus=0)(task)
    asked = {
        node: remote.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote()
        for node in nodes
    }
    answers = {}
    for number, (node, reference) in enumerate(asked.items()):
        # Several nodes may lie on one machine.
        address = nodes[node] if nodes[node] not in answers else f"{nodes[node]} (node {number + 1})"
        try:
            answers[address] = ray.get(reference)
        except (ray.exceptions.NodeDiedError, ray.exceptions.TaskUnschedulableError):
            continue
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ValueError(
                f"a worker on {address} cannot run mdlray: {reason}. Every node needs mdlray and its packages in the "
                "versions that are installed here."
            ) from error
    return answers


def share_gpus(resources: Resources, packs_per_gpu: int) -> Resources:
    """The same GPUs with up to `packs_per_gpu` packs on each, but no more packs than CPUs."""
    cpus = int(ray.cluster_resources().get("CPU", 0))
    packs_per_gpu = max(1, min(packs_per_gpu, MOST_PACKS_PER_GPU, cpus // resources.num_parallel))
    return Resources(resources.num_parallel * packs_per_gpu, resources.cpus_per_pack, 1 / packs_per_gpu)


def choose_resources(num_gpus: int | None, num_cpus: int | None = None) -> Resources:
    """One pack per GPU, or per CPU with `num_gpus` 0; None takes all GPUs there are, else the CPUs.

    `num_cpus` is how many packs run at once on CPUs, None for one per CPU; with it None GPUs means none.

    ValueError at once if the cluster has fewer GPUs or CPUs than asked for.
    """
    if num_cpus is not None:
        if num_gpus:
            raise ValueError(
                f"--cpus {num_cpus} is for packs on CPUs and --gpus {num_gpus} asks for packs on GPUs; leave one out."
            )
        num_gpus = 0
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
        if cpus == 0:
            raise ValueError(
                f"the cluster has no CPU for packs: Ray sees 0 CPUs and {gpus} GPUs. Add a node that has some "
                "(`ray start --address ... --num-cpus N`), wait until its nodes have joined, "
                f"{f'use --gpus {gpus}, ' if gpus else ''}or leave --address and RAY_ADDRESS out to use this machine."
            )
        if num_cpus is not None and num_cpus > cpus:
            raise ValueError(
                f"--cpus {num_cpus} asks for {num_cpus} packs at a time, one per CPU, and Ray may use {cpus} CPUs. Use "
                f"--cpus {cpus} or leave it out."
            )
        return Resources(num_parallel=num_cpus or cpus, cpus_per_pack=1, gpus_per_pack=0)
    return Resources(num_parallel=num_gpus, cpus_per_pack=1 if cpus >= num_gpus else 0, gpus_per_pack=1)
