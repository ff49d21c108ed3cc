"""What a pack gets: GPUs of several kinds are each asked, and shared between packs; logical GPUs on three nodes."""

from collections.abc import Iterator

import pytest

from mdlray.planning import Pack
from mdlray.spec import TrialSpec, replace_fields

RAYS_OWN = ("ResourceWarning", "FutureWarning", "DeprecationWarning", "UserWarning")
pytestmark = [
    pytest.mark.slow,
    *(pytest.mark.filterwarnings(f"ignore::{warning}") for warning in RAYS_OWN),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def mixed_cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A head without GPUs, a node with two large GPUs and one with a small one."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 0, "include_dashboard": False})
    cluster.add_node(num_cpus=4, num_gpus=2, resources={"accelerator_type:LARGE": 1})
    cluster.add_node(num_cpus=4, num_gpus=1, resources={"accelerator_type:SMALL": 1})
    yield cluster.address
    ray.shutdown()
    cluster.shutdown()


def test_every_kind_of_gpu_is_asked_and_shared(mixed_cluster: str) -> None:
    from mdlray import dispatch

    dispatch.connect(mixed_cluster)

    def probe() -> int | None:
        import ray

        here = ray.get_runtime_context().get_node_id()
        (node,) = [node for node in ray.nodes() if node["NodeID"] == here]
        assert ray.get_runtime_context().get_accelerator_ids()["GPU"]
        return 3 if "accelerator_type:LARGE" in node["Resources"] else 2

    assert dispatch.on_each_kind_of_gpu(probe) == {"LARGE": 3, "SMALL": 2}
    assert dispatch.on_each_kind_of_gpu(lambda: None) == {}

    with pytest.raises(ValueError, match=r"--gpus 800 asks for 800 GPUs.*--gpus 0.*--gpus 3 for.*--quick.*--address"):
        dispatch.choose_resources(800)
    alone = dispatch.choose_resources(3)
    shared = dispatch.share_gpus(alone, 2)
    assert (shared.num_parallel, shared.gpus_per_pack) == (6, 0.5)
    assert dispatch.share_gpus(alone, 1) == alone
    assert dispatch.share_gpus(alone, 100).gpus_per_pack == 1 / 3, "nine CPUs are for three packs on each GPU"

    def work(pack: Pack, save: object) -> object:
        import time

        import ray

        time.sleep(1)
        context = ray.get_runtime_context()
        return context.get_node_id(), context.get_accelerator_ids()["GPU"]

    packs = [Pack("toy", (replace_fields(TrialSpec(), {"seeds.initialization": seed}),)) for seed in range(24)]
    batches, results = iter([packs]), []
    watch = dispatch.DriverCallbacks(
        lambda pack: {},
        lambda pack, state: None,
        lambda pack, result: results.append(result),
        lambda pack, reason: pytest.fail(reason),
    )
    assert dispatch.run_packs(lambda: next(batches, None), work, shared, watch)
    dispatch.disconnect()
    assert len(results) == 24 and all(len(gpus) == 1 for _, gpus in results)
