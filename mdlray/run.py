"""What was asked → rows in the store: the driver's part, from the packs that are missing to the last row written.

    Todo (a grid's packs, or a search that asks as it goes) ─► dispatch ─► store, manifest, progress

The driver is the only writer. Whatever ends it, the rows that are stored stay, and the same command goes on.
"""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from mdlray.data import Images, load_images
from mdlray.manifest import current_commit, describe_run, merge
from mdlray.plan import Pack, Sweep, define, missing_packs, plan_packs, replace_seeds, work
from mdlray.progress import SHOWN, Progress
from mdlray.spec import TrialSpec, replace_fields
from mdlray.tables import Store
from mdlray.tables.pack import PackResult, failed_pack

if TYPE_CHECKING:
    from mdlray.dispatch import Resources, Shared
    from mdlray.search import Search


@dataclass(frozen=True)
class AskedSearch:
    """How a search was asked for."""

    sampler: str
    seed: int
    num_trials: int | None
    changes: Mapping[str, Any]
    background_images: str | None
    """Digest of the photographs."""
    version: str
    """Of the sweep's text: another one begins a new study."""


@dataclass(frozen=True)
class Asked:
    """What the command line asks for: the trials of a grid, or a search."""

    sweep: Sweep
    trials: list[TrialSpec]
    search: AskedSearch | None
    store: Store
    data: Path
    background_images: Path | None
    definitions: str
    """Text of the sweep's file: workers run it too, since it may add members to the registries."""
    retry_failed: bool
    command: str
    """To be typed again."""


@dataclass(frozen=True)
class Todo:
    """What is left, to be handed out; a search finds out as it goes."""

    more: Callable[[], Sequence[Pack] | None]
    add_rows: Callable[[Iterable[Mapping[str, Any]]], None]
    samples: Sequence[TrialSpec]
    """Trials that have all the names and data of those that are left."""
    num_trials: int
    num_done: int
    num_packs: int | None = None
    work: float | None = None


def run_missing(
    asked: Asked, gpus: int | None, address: str | None, console: Console, cluster_lost: Callable[[str], None]
) -> bool:
    """Run what is missing through Ray; returns False if it was interrupted.

    `cluster_lost` must end the process: it is called in another thread when the cluster is gone, with what happened.
    """
    from mdlray import dispatch, trial

    started, clock, commit = datetime.now(UTC), time.monotonic(), current_commit()
    trial.check_names(asked.trials)
    dispatch.connect(address, cluster_lost)
    try:
        resources = dispatch.choose_resources(gpus)
        todo = search_todo(asked, resources) if asked.search else grid_todo(asked, resources)
        trial.fetch_data(todo.samples, asked.data)
        device = "auto" if resources.on_gpu else "cpu"
        site = trial.Site(
            asked.data, asked.background_images, device, definitions=asked.definitions, halving=asked.sweep.halving
        )
        shared: dict[str, Shared] = {}

        def images_of(pack: Pack) -> "Shared":
            first = pack.members[0]
            if first.images_key not in shared:
                shared[first.images_key] = dispatch.share(lambda: prepare_images(first, asked))
            return shared[first.images_key]

        first_packs = todo.more()
        if resources.on_gpu and first_packs:
            largest = max(first_packs, key=lambda pack: sum(map(work, pack.members)))
            images, alone = images_of(largest), site
            fitting = dispatch.on_each_kind_of_gpu(lambda: trial.count_packs_on_gpu(largest, alone, images))
            # No more than there are packs: two on one GPU while another idles is no gain.
            wanted = min([-(-len(first_packs) // resources.num_parallel), *fitting.values()]) if fitting else 1
            resources = dispatch.share_gpus(resources, wanted)
            site = replace(site, gpu_share=resources.gpus_per_pack)
        progress = Progress(
            todo.num_trials, todo.num_done, console, todo.num_packs, todo.work, rows_so_far(asked.store)
        )
        before, checksums = asked.store.read_manifest(), dict[str, list[str]]()
        steps = Counter(done=0, saved=0)

        def note() -> None:
            about = describe_run(
                sweep=asked.sweep.name,
                question=asked.sweep.question,
                command=asked.command,
                started=started.isoformat(timespec="seconds"),
                commit=commit,
                seconds=time.monotonic() - clock,
                resources=asdict(resources),
                counts={
                    "asked": todo.num_done + todo.num_trials,
                    "run": progress.num_trials,
                    "failed": progress.num_failed,
                },
                member_steps=steps,
            )
            asked.store.write_manifest(merge(before, about, checksums))

        def inputs(pack: Pack) -> dict[str, Any]:
            progress.pack_started(pack)
            return {"images": images_of(pack), "checkpoint": asked.store.read_checkpoint(pack.pack_id)}

        def keep_checkpoint(pack: Pack, checkpoint: bytes) -> None:
            asked.store.write_checkpoint(pack.pack_id, checkpoint)

        def store(pack: Pack, result: PackResult) -> None:
            asked.store.write_pack(pack.pack_id, result.rows, result.curves, result.layers, result.models)
            asked.store.delete_checkpoint(pack.pack_id)
            todo.add_rows(result.rows)
            for name, checksum in result.data_checksums.items():
                checksums.setdefault(name, []).append(checksum)
            progress.pack_finished(pack, result.rows)
            steps.update(done=result.member_steps, saved=result.saved_member_steps)
            note()
            for text in result.notes:
                console.print(f"note: {text}", soft_wrap=True)
            if resources.on_gpu and progress.num_packs == 1 and result.rows[0]["device"] == "cpu":
                console.print(
                    "note: the first pack ran on a CPU: its node has a GPU for Ray, but torch sees none there"
                )
            result.release()

        def store_lost(pack: Pack, reason: str) -> None:
            store(pack, failed_pack(pack, reason))

        packs = f" in {todo.num_packs} packs" if todo.num_packs is not None else ""
        console.print(f"{todo.num_trials} trials{packs}, {resources.num_parallel} at a time")
        note()
        progress.start()
        try:
            watch = dispatch.Watch(inputs, keep_checkpoint, store, store_lost)
            batches = itertools.chain([first_packs], iter(todo.more, ...))
            done = dispatch.run_packs(
                lambda: next(batches),
                lambda pack, save, images, checkpoint: trial.run_pack(
                    pack, site, images=images, checkpoint=checkpoint, save=save
                ),
                resources,
                watch,
            )
        finally:
            progress.stop()
    finally:
        dispatch.disconnect()
    note()
    console.print(progress.counts())
    if steps["saved"]:
        share = steps["saved"] / steps.total()
        console.print(f"early stopping saved {steps['saved']:,} member-steps, {100 * share:.0f} % of all")
    return done


def grid_todo(asked: Asked, resources: "Resources") -> Todo:
    """The packs of a grid that have no rows."""
    status = asked.store.status_by_trial()
    limit = learners_per_pack(asked.sweep, resources.on_gpu, len(asked.trials), resources.num_parallel)
    packs = plan_packs(asked.sweep.name, asked.trials, limit)
    left = missing_packs(packs, status, retry_failed=asked.retry_failed, halving=asked.sweep.halving)
    trials = [spec for pack in left for spec in pack.members]
    batches = iter([left])
    return Todo(
        more=lambda: next(batches, None),
        add_rows=lambda rows: None,
        samples=trials,
        num_trials=len(trials),
        num_done=len(asked.trials) - len(trials),
        num_packs=len(left),
        work=sum(map(work, trials)),
    )


def search_todo(asked: Asked, resources: "Resources") -> Todo:
    """A search that goes on where its journal ends, and writes the journal whenever a batch is told."""
    from mdlray.trial import check_names

    sweep = asked.sweep
    # Not fewer where there are many workers: the packs of a search must not depend on who is there.
    limit = sweep.learners_per_pack if resources.on_gpu else sweep.learners_per_pack_cpu
    search = open_search(asked, limit)
    written = search.num_told

    def keep_journal() -> None:
        nonlocal written
        if search.num_told > written:
            asked.store.write_journal(search.journal_bytes())
            written = search.num_told

    def more() -> Sequence[Pack] | None:
        packs = search.packs()
        keep_journal()
        check_names([spec for pack in packs or () for spec in pack.members])
        return packs

    def add_rows(rows: Iterable[Mapping[str, Any]]) -> None:
        search.add_rows(rows)
        keep_journal()

    return Todo(more, add_rows, search.samples(), search.num_trials - written, written)


def open_search(asked: Asked, learners_per_pack: int = 1) -> "Search":
    """The search as its journal and the stored rows have it."""
    from mdlray.search import Search

    how, store = asked.search, asked.store
    assert how is not None
    columns = ["trial_id", "status", "validation_accuracy", "compressed_bytes"]
    rows: list[Any] = store.read_trials()[columns].to_dict("records") if store.has_results() else []
    if not asked.sweep.halving:
        rows = [row for row in rows if row["status"] != "stopped"]
    return Search(
        asked.sweep,
        sampler=how.sampler,
        seed=how.seed,
        num_trials=how.num_trials,
        changes=how.changes,
        settle=lambda spec: settle(spec, how.seed, how.background_images),
        learners_per_pack=learners_per_pack,
        rows=rows,
        journal=store.read_journal(),
        version=how.version,
    )


def settle(spec: TrialSpec, seed: int, background_images: str | None) -> TrialSpec:
    """The trial with `--seed` and the photographs of `--background-images`."""
    spec = replace_seeds(spec, seed)
    if background_images and spec.data.dataset.endswith("_background_images"):
        spec = replace_fields(spec, {"data.backgrounds": background_images})
    return spec


def prepare_images(spec: TrialSpec, asked: Asked) -> Images:
    """The images of a trial, for all packs that see the same."""
    define(asked.definitions, f"sweep {asked.sweep.name}")
    return load_images(spec.data, spec.seeds.randomization, asked.data, asked.background_images)


def learners_per_pack(sweep: Sweep, on_gpu: bool, num_trials: int, num_parallel: int) -> int:
    """At most what the sweep wants on this kind of device, and little enough that every device gets a pack."""
    return min(sweep.learners_per_pack if on_gpu else sweep.learners_per_pack_cpu, -(-num_trials // num_parallel))


def rows_so_far(store: Store) -> list[Mapping[str, Any]]:
    """What the display of the front needs of the rows there are."""
    if not store.has_results():
        return []
    rows: list[Any] = store.read_trials()[list(SHOWN)].to_dict("records")
    return rows
