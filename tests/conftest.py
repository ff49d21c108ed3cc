"""A Ray cluster of several nodes on this machine, for slow tests; no deadlines, machines are shared."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("mdlray", deadline=None)
settings.load_profile("mdlray")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """A head without GPUs and two nodes with four logical ones each."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 2, "num_gpus": 0, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.nodes_with_gpus = [cluster.add_node(num_cpus=4, num_gpus=4) for _ in range(2)]
    yield cluster
    ray.shutdown()
    cluster.shutdown()
