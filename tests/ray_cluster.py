"""A Ray cluster in a process of its own, which outlives the drivers that join it: lines on standard input tell it what
to do, a line of JSON answers each.

    python ray_cluster.py GPUS...     a head without GPUs, and a node for each number of (logical) GPUs
    state                             -> {"address", "head": {"gcs_server": pid, "raylet": pid}, "raylets": [pid, ...]}
    replace N                         remove what is left of the N-th node with GPUs, and add one in its place
    (end of input)                    end the cluster
"""

import json
import sys
from typing import Any

from ray.cluster_utils import Cluster


def pid(node: Any, kind: str) -> int:
    """The process of a node that Ray calls by this name."""
    number: int = node.all_processes[kind][0].process.pid
    return number


def main() -> None:
    """Start, answer until the input ends, and stop."""
    gpus = [int(word) for word in sys.argv[1:]]
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=count, num_gpus=count) for count in gpus]
    while True:
        head = {kind: pid(cluster.head_node, kind) for kind in ("gcs_server", "raylet")}
        state = {"address": cluster.address, "head": head, "raylets": [pid(node, "raylet") for node in nodes]}
        print(json.dumps(state), flush=True)
        line = sys.stdin.readline()
        if not line:
            break
        if line.startswith("replace"):
            number = int(line.split()[1])
            cluster.remove_node(nodes[number], allow_graceful=False)
            nodes[number] = cluster.add_node(num_cpus=gpus[number], num_gpus=gpus[number])
    cluster.shutdown()


if __name__ == "__main__":
    main()
