"""Packs through real Ray: two nodes with logical GPUs, a node that is lost, a worker that always dies."""

from types import SimpleNamespace

import pytest

from mdlray.plan import Pack
from mdlray.spec import TrialSpec, replace_fields

# Ray leaves processes and sockets to the garbage collector, and warns about its own next versions.
RAYS_OWN = (
    "ResourceWarning",
    "FutureWarning",
    "DeprecationWarning",
    "UserWarning",
    "pytest.PytestUnraisableExceptionWarning",
)
pytestmark = [pytest.mark.slow, *(pytest.mark.filterwarnings(f"ignore::{warning}") for warning in RAYS_OWN)]


def packs(count: int) -> list[Pack]:
    return [Pack("toy", (replace_fields(TrialSpec(), {"seeds.initialization": seed}),)) for seed in range(count)]


class Log:
    """What a driver was told."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.finished: dict[str, object] = {}
        self.lost: dict[str, str] = {}

    def watch(self) -> object:
        from mdlray.dispatch import Watch

        return Watch(
            lambda pack: self.started.append(pack.pack_id),
            lambda pack, result: self.finished.update({pack.pack_id: result}),
            lambda pack, reason: self.lost.update({pack.pack_id: reason}),
        )


def test_eight_logical_gpus_on_two_nodes_and_one_of_them_lost(cluster: object) -> None:
    """Packs run on both nodes, one pack per GPU; those of a lost node run again on the other."""
    from mdlray import dispatch

    dispatch.connect(cluster.address)
    resources = dispatch.choose_resources(8)
    assert resources.num_parallel == 8 and resources.on_gpu
    log, doomed = Log(), cluster.nodes_with_gpus[1]
    doomed_id = doomed.node_id

    def work(pack: Pack) -> object:
        import time
        from types import SimpleNamespace

        import ray

        time.sleep(0.5)
        context = ray.get_runtime_context()
        return SimpleNamespace(node=context.get_node_id(), gpus=context.get_accelerator_ids()["GPU"])

    all_packs, first_seen = packs(24), []

    def finished(pack: Pack, result: SimpleNamespace) -> None:
        log.finished[pack.pack_id] = result
        if result.node == doomed_id and not first_seen:
            first_seen.append(pack.pack_id)
            cluster.remove_node(doomed, allow_graceful=False)

    watch = dispatch.Watch(lambda pack: log.started.append(pack.pack_id), finished, log.watch().lost)
    assert dispatch.run_packs(all_packs, work, resources, watch)
    assert not log.lost and set(log.finished) == {pack.pack_id for pack in all_packs}
    assert first_seen and len({result.node for result in log.finished.values()}) == 2
    assert all(len(result.gpus) == 1 for result in log.finished.values())
    dispatch.disconnect()


def test_a_pack_that_kills_its_worker_is_given_up_and_the_others_finish() -> None:
    from mdlray import dispatch

    dispatch.connect("local")
    all_packs = packs(4)
    poison = all_packs[1].pack_id

    def work(pack: Pack) -> object:
        import os
        import signal

        if pack.pack_id == poison:
            os.kill(os.getpid(), signal.SIGKILL)
        return pack.pack_id

    log = Log()
    assert dispatch.run_packs(all_packs, work, dispatch.choose_resources(0), log.watch())
    dispatch.disconnect()
    assert list(log.lost) == [poison] and "lost 4 times" in log.lost[poison]
    assert set(log.finished) == {pack.pack_id for pack in all_packs} - {poison}


def test_too_many_gpus_and_no_cluster_are_explained() -> None:
    from mdlray import dispatch

    dispatch.connect("local")
    with pytest.raises(ValueError, match=r"--gpus 800 asks for 800 GPUs.*--gpus 0 for the CPU.*--quick.*--address"):
        dispatch.choose_resources(800)
    dispatch.disconnect()
    with pytest.raises(ValueError, match="no Ray cluster answers at '127.0.0.1:1'.*leave --address"):
        dispatch.connect("127.0.0.1:1")


def test_what_the_driver_raises_ends_the_run_at_once() -> None:
    """A full disk in `finished` is not taken for a lost worker: the pack is not run again, the error comes out."""
    from mdlray import dispatch

    dispatch.connect("local")
    calls, log = [], Log()

    def full_disk(pack: Pack, result: object) -> None:
        calls.append(pack.pack_id)
        raise OSError(28, "No space left on device")

    watch = dispatch.Watch(lambda pack: None, full_disk, log.watch().lost)
    with pytest.raises(Exception, match="No space left on device"):
        dispatch.run_packs(packs(3), lambda pack: pack.pack_id, dispatch.choose_resources(0), watch)
    dispatch.disconnect()
    assert len(calls) == 1 and not log.lost
