"""What is left → rows in the store: the driver's part, from connecting to Ray to the last row written.

    WorkQueue (a grid's packs, or a search that asks as it goes) ─► dispatch ─► store, manifest, progress

The driver is the only writer. Whatever ends it, the rows that are stored stay, and the same command goes on.
"""

import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from mdlray.data import Images, load_images
from mdlray.driver.cpus import usable_cpus
from mdlray.driver.manifest import current_commit, describe_run, merge, shown_file
from mdlray.driver.progress import SHOWN, Progress
from mdlray.driver.signals import Interrupted, Signals
from mdlray.driver.work_queue import SweepRequest, WorkQueue, grid_queue, search_queue
from mdlray.planning import Pack, ceil_div, training_effort
from mdlray.planning.definitions import Definitions, define, sweep_version
from mdlray.results import Store
from mdlray.results.asked import asked_rows
from mdlray.results.pack_result import PackResult, failed_pack
from mdlray.spec import TrialSpec

if TYPE_CHECKING:
    from mdlray.dispatch import Board, Resources, Shared
    from mdlray.worker.run_pack import WorkerConfig


FIRST_PACKS = 3
"""If so many packs fail with one error before anything is ok, the cause is common to all, and the run ends."""


@dataclass(frozen=True)
class Machines:
    """Where to run, as asked for; None leaves the choice to Ray or to what this process may use."""

    gpus: int | None = None
    cpus: int | None = None
    """Packs at a time on CPUs."""
    address: str | None = None
    """Of a Ray cluster that runs."""


class NothingWorksError(RuntimeError):
    """The first packs of a run all failed with one and the same error."""


def run_missing(
    request: SweepRequest,
    machines: Machines,
    console: Console,
    signals: Signals,
    cluster_lost: Callable[[str], None],
) -> bool:
    """Run what is missing through Ray; returns False if a signal ended it before.

    `cluster_lost` must end the process: it is called in another thread when the cluster is gone, with what happened.
    Raises NothingWorksError where the first packs fail with one error; their rows are stored.
    """
    from mdlray import dispatch
    from mdlray.driver import checks, preflight
    from mdlray.worker import run_pack as worker

    started = Started(datetime.now(UTC), time.monotonic(), current_commit())
    checks.check_names(request.trials)
    try:
        dispatch.connect(machines.address, cluster_lost, num_cpus=usable_cpus())
    except SystemExit as error:  # Ray's own answer to SIGTERM while it starts
        signals.received = signals.received or signal.SIGTERM
        raise Interrupted from error
    try:
        signals.install()
        resources = dispatch.choose_resources(machines.gpus, machines.cpus)
        queue = search_queue(request, resources) if request.search else grid_queue(request, resources)
        preflight.check_workers(request.definitions, queue.samples, dispatch.on_each_node)
        checks.fetch_data(queue.samples, request.data)
        device = "auto" if resources.on_gpu else "cpu"
        config = worker.WorkerConfig(
            request.data,
            request.background_images,
            device,
            definitions=request.definitions,
            halving=request.sweep.halving,
        )
        images_of = share_images(request)
        first_packs = queue.more()
        if resources.on_gpu and first_packs:
            resources = dispatch.share_gpus(resources, packs_per_gpu(first_packs, resources, config, images_of))
            config = replace(config, gpu_share=resources.gpus_per_pack)
        board = dispatch.Board()
        recorder = RunRecorder(request, queue, resources, console, started, board, lambda: signals.received is not None)

        def inputs(pack: Pack) -> dict[str, Any]:
            recorder.progress.pack_started(pack)
            return {"images": images_of(pack), "checkpoint": request.store.read_checkpoint(pack.pack_id)}

        version = sweep_version(request.definitions)
        watch = dispatch.DriverCallbacks(
            inputs=inputs,
            saved=lambda pack, checkpoint: request.store.write_checkpoint(pack.pack_id, checkpoint),
            finished=recorder.store,
            lost=lambda pack, reason: recorder.store(pack, failed_pack(pack, reason, version)),
        )
        looked_at = [first_packs]

        def more() -> Sequence[Pack] | None:
            return looked_at.pop() if looked_at else queue.more()

        packs = f" in {queue.num_packs} packs" if queue.num_packs is not None else ""
        console.print(f"{queue.num_trials} trials{packs}, {resources.num_parallel} at a time")
        recorder.note()
        recorder.progress.start()
        try:
            with signals.watching():
                done = dispatch.run_packs(
                    more,
                    lambda pack, save, images, checkpoint: worker.run_pack(
                        pack,
                        config,
                        images=images,
                        checkpoint=checkpoint,
                        save=save,
                        report=partial(board.write, pack.pack_id),
                    ),
                    resources,
                    watch,
                    lambda: signals.received is not None,
                )
        finally:
            recorder.progress.stop()
    finally:
        dispatch.disconnect()
    recorder.note()
    recorder.say()
    return done


@dataclass(frozen=True)
class Started:
    """When a run began, by both clocks, and with which code."""

    at: datetime
    clock: float
    commit: str | None


class RunRecorder:
    """Keeps what packs bring: rows and networks, the manifest, what is shown."""

    def __init__(
        self,
        request: SweepRequest,
        queue: WorkQueue,
        resources: "Resources",
        console: Console,
        started: Started,
        board: "Board",
        is_stopping: Callable[[], bool],
    ):
        self.request, self.queue, self.resources, self.board = request, queue, resources, board
        self.console, self.started = console, started
        self.progress = Progress(
            queue.num_trials,
            queue.num_done,
            console,
            queue.packs,
            rows_so_far(request.store),
            resources.num_parallel,
            board.read,
            is_stopping,
        )
        self.before = request.store.read_manifest()
        self.checksums: dict[str, list[str]] = {}
        self.steps = Counter(done=0, saved=0)
        self.first_errors: set[str] = set()

    def store(self, pack: Pack, result: PackResult) -> None:
        """Write a pack's result, then tell everybody who waits for it."""
        store = self.request.store
        store.write_pack(pack.pack_id, result)
        store.delete_checkpoint(pack.pack_id)
        self.board.wipe(pack.pack_id)
        self.queue.add_rows(result.rows)
        for name, checksum in result.checksums.items():
            self.checksums.setdefault(name, []).append(checksum)
        self.steps.update(result.steps._asdict())
        self.progress.pack_finished(pack, result.rows)
        self.note()
        for text in result.notes:
            self.console.print(f"note: {text}", soft_wrap=True)
        if self.resources.on_gpu and self.progress.num_packs == 1 and result.rows[0]["device"] == "cpu":
            self.console.print(
                "note: the first pack ran on a CPU: its node has a GPU for Ray, but torch sees none there"
            )
        self.stop_if_nothing_works(result.rows)
        result.release()

    def stop_if_nothing_works(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Raise NothingWorksError when the first packs of a run end in one error, and no trial is ok yet.

        A network that diverged is no such error: other trials of the sweep may have a lower learning rate.
        """
        progress = self.progress
        self.first_errors.update(str(row["error"] or "ok").strip().splitlines()[-1] for row in rows)
        if progress.num_packs != FIRST_PACKS or progress.num_packs_todo == FIRST_PACKS:
            return
        error, *others = self.first_errors
        works = any(row["status"] != "failed" for row in progress.rows)
        if not (others or works or error.startswith("diverged")):
            raise NothingWorksError(
                f"the first {FIRST_PACKS} packs failed, each of their {progress.num_failed} trials with one error, so "
                f"the others are not run: {error} (the column `error` of trials.parquet says where it was raised)."
            )

    def note(self) -> None:
        """Write the manifest as of now."""
        progress = self.progress
        counts = {"asked": self.queue.num_done + self.queue.num_trials, "run": progress.num_trials}
        about = describe_run(
            sweep=self.request.sweep.name,
            question=self.request.sweep.question,
            file=shown_file(self.request.definitions.path),
            version=sweep_version(self.request.definitions),
            study=self.request.sweep.study,
            command=self.request.command,
            started=self.started.at.isoformat(timespec="seconds"),
            commit=self.started.commit,
            seconds=time.monotonic() - self.started.clock,
            resources=asdict(self.resources),
            counts=counts | {"failed": progress.num_failed},
            member_steps=self.steps,
        )
        self.request.store.write_manifest(merge(self.before, about, self.checksums))

    def say(self) -> None:
        """The last line of a run, and what early stopping saved."""
        self.console.print(self.progress.counts())
        if saved := self.steps["saved"]:
            share = 100 * saved / self.steps.total()
            self.console.print(f"early stopping saved {saved:,} member-steps, {share:.0f} % of all")


def share_images(request: SweepRequest) -> "Callable[[Pack], Shared]":
    """A pack to its images, which are made once, beside the driver, and lie once in every node's memory."""
    from mdlray import dispatch

    shared: dict[str, Shared] = {}
    # Not `asked`, which holds all trials: this is sent to another process.
    config = (request.definitions, request.data, request.background_images)

    def images_of(pack: Pack) -> "Shared":
        first = pack.members[0]
        if first.images_key not in shared:
            shared[first.images_key] = dispatch.share(lambda: prepare_images(first, *config))
        return shared[first.images_key]

    return images_of


def prepare_images(spec: TrialSpec, definitions: Definitions, data: Path, background_images: Path | None) -> Images:
    """The images of a trial, for all packs that see the same."""
    define(definitions)
    return load_images(spec.data, spec.seeds.randomization, data, background_images)


def packs_per_gpu(
    packs: Sequence[Pack], resources: "Resources", config: "WorkerConfig", images_of: "Callable[[Pack], Shared]"
) -> int:
    """As many as the largest pack leaves room for on every kind of GPU, as measured there; 1 where there is no CUDA."""
    from mdlray import dispatch
    from mdlray.worker import run_pack as worker

    largest = max(packs, key=lambda pack: sum(map(training_effort, pack.members)))
    images = images_of(largest)
    fitting = dispatch.on_each_kind_of_gpu(lambda: worker.count_packs_on_gpu(largest, config, images))
    # No more than there are packs: two on one GPU while another idles is no gain.
    return min([ceil_div(len(packs), resources.num_parallel), *fitting.values()]) if fitting else 1


def rows_so_far(store: Store) -> list[Mapping[str, Any]]:
    """What the display of the front needs of the rows that are asked and already there."""
    if not store.has_results():
        return []
    rows: list[Any] = asked_rows(store, store.read_trials())[list(SHOWN)].to_dict("records")
    return rows
