"""Packs -> Ray Tune -> results: a Searcher hands packs out and takes their results; a lost pack is run again."""

import os
import pickle
import shutil
import tempfile
import time
import zlib
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.search import Searcher

from mdlray.dispatch.resources import Resources
from mdlray.planning import Pack
from mdlray.results.pack_result import PackResult

Work = Callable[..., PackResult]
"""(pack, save, **inputs) → result, on a worker; `save` hands the driver a checkpoint (bytes) to keep."""

More = Callable[[], Sequence[Pack] | None]
"""Returns packs that may start now and that it has not returned before; None when there will be no more packs."""

SCRATCH = "mdlray-tune-"

SECONDS_BEFORE_RETRY = (1.0, 5.0, 25.0)
"""A pack whose worker or node was lost is run again after these waits, before its members become failed rows.

Ray Tune's own retries follow at once: under load all of them went to a node that was dead but not yet known to be.
"""


@dataclass(frozen=True)
class DriverCallbacks:
    """Functions that the driver calls when something happens to a pack, always in the thread of `run_packs`."""

    inputs: Callable[[Pack], dict[str, Any]]
    """Called when a pack is about to start; returns the keyword arguments for its worker."""
    saved: Callable[[Pack, bytes], None]
    """Called with a checkpoint of a pack that is still running."""
    finished: Callable[[Pack, PackResult], None]
    lost: Callable[[Pack, str], None]
    """Called with a pack whose worker was lost in every attempt, and with the reason as far as it is known."""


def run_packs(
    more: More,
    work: Work,
    resources: Resources,
    watch: DriverCallbacks,
    must_stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Run packs through Ray Tune until there are no more; returns False if `must_stop` became true before.

    Packs that are running at that moment are ended and have no result. An error that `more` or `watch` raises ends the
    run, and is raised here.
    """
    feeder = _Feeder(more, watch)
    storage = _scratch_folder()

    def trainable(config: dict[str, Any]) -> None:
        def save(checkpoint: bytes) -> None:
            tune.report({"checkpoint": checkpoint})

        tune.report({"result": work(_unpack(config["pack"]), save=save, **config["inputs"])})

    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": resources.cpus_per_pack, "gpu": resources.gpus_per_pack}),
        tune_config=tune.TuneConfig(
            search_alg=feeder, num_samples=-1, max_concurrent_trials=resources.num_parallel, reuse_actors=True
        ),
        run_config=tune.RunConfig(storage_path=storage, name="packs", verbose=0, stop=_Stop(must_stop)),
    )
    try:
        tuner.fit()
    except tune.TuneError as error:
        # Ray Tune wraps an error of a callback; the user can act on its cause only.
        raise _reason(error) from None
    finally:
        shutil.rmtree(storage, ignore_errors=True)
    return feeder.is_done


class _Stop(tune.Stopper):  # type: ignore[misc]
    """Ray Tune asks it at every step, several times a second, whether to end everything."""

    def __init__(self, must_stop: Callable[[], bool]):
        self.must_stop = must_stop

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.must_stop()

    def __getstate__(self) -> dict[str, Any]:
        # As of the searcher: the snapshot is never read.
        return {}


def _scratch_folder() -> str:
    """A temporary folder for the files of Ray Tune, which are never read; folders of killed drivers are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*-*"):
        owner = left.name.removeprefix(SCRATCH).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"{SCRATCH}{os.getpid()}-")


def _reason(error: BaseException) -> BaseException:
    # Ray Tune wraps twice, the inner time without a cause: the context is what was raised.
    while isinstance(error, tune.TuneError) and (inner := error.__cause__ or error.__context__):
        error = inner
    return error


class _Feeder(Searcher):  # type: ignore[misc]
    """Hands out packs in their order, takes their results, and hands out packs of lost workers again after a wait."""

    def __init__(self, more: More, watch: DriverCallbacks):
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
        # Not in `on_trial_complete`, because Ray Tune swallows errors that are raised there, e.g. by a full disk.
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
        # Not in `on_trial_complete`: Ray Tune swallows errors that are raised there, e.g. by a full disk, and would run
        # the pack again. An interrupt between the two calls would also lose a finished pack.
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
