"""Packs through real Ray: two nodes with logical GPUs, a node that is lost, a worker that always dies."""

from types import SimpleNamespace

import pytest

from mdlray.planning import Pack
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


def once(packs: list[Pack]) -> object:
    """All packs at the first call, and never more."""
    calls = iter([packs])
    return lambda: next(calls, None)


class Log:
    """What a driver was told."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.finished: dict[str, object] = {}
        self.lost: dict[str, str] = {}

    def start(self, pack: Pack) -> dict[str, object]:
        self.started.append(pack.pack_id)
        return {}

    def watch(self) -> object:
        from mdlray.dispatch import DriverCallbacks

        return DriverCallbacks(
            self.start,
            lambda pack, checkpoint: None,
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

    def work(pack: Pack, save: object) -> object:
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

    watch = dispatch.DriverCallbacks(log.start, lambda pack, checkpoint: None, finished, log.watch().lost)
    assert dispatch.run_packs(once(all_packs), work, resources, watch)
    assert not log.lost and set(log.finished) == {pack.pack_id for pack in all_packs}
    assert first_seen and len({result.node for result in log.finished.values()}) == 2
    assert all(len(result.gpus) == 1 for result in log.finished.values())
    dispatch.disconnect()


def test_a_pack_that_kills_its_worker_is_given_up_and_the_others_finish() -> None:
    from mdlray import dispatch

    dispatch.connect("local")
    all_packs = packs(4)
    poison = all_packs[1].pack_id

    def work(pack: Pack, save: object) -> object:
        import os
        import signal

        if pack.pack_id == poison:
            os.kill(os.getpid(), signal.SIGKILL)
        return pack.pack_id

    log = Log()
    assert dispatch.run_packs(once(all_packs), work, dispatch.choose_resources(0), log.watch())
    dispatch.disconnect()
    assert list(log.lost) == [poison] and "lost 4 times" in log.lost[poison]
    assert set(log.finished) == {pack.pack_id for pack in all_packs} - {poison}


def test_what_the_driver_raises_ends_the_run_at_once() -> None:
    """A full disk in `finished` is not taken for a lost worker: the pack is not run again, the error comes out."""
    from mdlray import dispatch

    dispatch.connect("local")
    calls, log = [], Log()

    def full_disk(pack: Pack, result: object) -> None:
        calls.append(pack.pack_id)
        raise OSError(28, "No space left on device")

    watch = dispatch.DriverCallbacks(log.start, lambda pack, checkpoint: None, full_disk, log.watch().lost)
    with pytest.raises(Exception, match="No space left on device"):
        dispatch.run_packs(once(packs(3)), lambda pack, save: pack.pack_id, dispatch.choose_resources(0), watch)
    dispatch.disconnect()
    assert len(calls) == 1 and not log.lost


def test_what_asking_for_packs_raises_ends_the_run_too() -> None:
    from mdlray import dispatch

    dispatch.connect("local")
    log, batches = Log(), iter([packs(2)])

    def more() -> list[Pack]:
        if not (batch := next(batches, [])):
            raise ValueError("the space of toy suggests nonsense")
        return batch

    with pytest.raises(ValueError, match="suggests nonsense"):
        dispatch.run_packs(more, lambda pack, save: pack.pack_id, dispatch.choose_resources(0), log.watch())
    dispatch.disconnect()


def test_packs_that_come_later_checkpoints_and_shared_values() -> None:
    """A second batch waits for the first; a pack saves, dies and is handed its checkpoint; a shared value is one."""
    from mdlray import dispatch

    dispatch.connect("local")
    first, second, log = packs(3), packs(5)[3:], Log()
    shared = dispatch.share(lambda: {"pixels": b"7" * 1000})
    checkpoints: dict[str, bytes] = {}
    batches = iter([first, second])

    def more() -> list[Pack] | None:
        return next(batches, None) if len(log.finished) in (0, 3) else [] if len(log.finished) < 5 else None

    def inputs(pack: Pack) -> dict[str, object]:
        log.started.append(pack.pack_id)
        return {"images": shared, "checkpoint": checkpoints.get(pack.pack_id)}

    mortal = first[1].pack_id

    def work(pack: Pack, save: object, images: object, checkpoint: bytes | None) -> object:
        import os
        import signal

        if pack.pack_id == mortal and checkpoint is None:
            save(b"half way")
            os.kill(os.getpid(), signal.SIGKILL)
        return (len(images()["pixels"]), checkpoint)

    watch = dispatch.DriverCallbacks(
        inputs, lambda pack, state: checkpoints.update({pack.pack_id: state}), log.watch().finished, log.watch().lost
    )
    assert dispatch.run_packs(more, work, dispatch.choose_resources(0), watch)
    dispatch.disconnect()
    assert set(log.finished) == {pack.pack_id for pack in first + second} and not log.lost
    assert log.finished.pop(mortal) == (1000, b"half way") and checkpoints == {mortal: b"half way"}
    assert all(result == (1000, None) for result in log.finished.values())
    assert set(log.started[-2:]) == {pack.pack_id for pack in second}
