"""A request → the packs that are still to be run: those of a grid, or those that a search suggests as it goes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mdlray.driver.manifest import note_on_last_run, shown_file
from mdlray.planning import Pack, Sweep, missing_packs, plan_grid, replace_seeds
from mdlray.planning.definitions import Definitions, sweep_version
from mdlray.results import Store
from mdlray.results.asked import count_not_asked, not_asked_note, note_asked, with_variant
from mdlray.results.damage import move_damaged_aside
from mdlray.results.parquet import DamagedFileError
from mdlray.results.store import JOURNAL
from mdlray.spec import TrialSpec, replace_fields
from mdlray.storage.storage import move_aside

if TYPE_CHECKING:
    from mdlray.dispatch import Resources
    from mdlray.driver.search import Search


@dataclass(frozen=True)
class SearchRequest:
    """The options of a search, from the command line."""

    sampler: str
    seed: int
    num_trials: int | None
    changes: Mapping[str, Any]
    background_images: str | None
    """Digest of the user's photographs; None if there are none."""
    version: str
    """Version of the sweep's file; another version begins a new study."""


@dataclass(frozen=True)
class SweepRequest:
    """What the command line asks for: the trials of a grid, or a search (`trials` is empty then)."""

    sweep: Sweep
    trials: list[TrialSpec]
    search: SearchRequest | None
    store: Store
    data: Path
    background_images: Path | None
    definitions: Definitions
    """The sweep's file and the files that it needs. Workers run it, too, since it may add entries to the registries."""
    retry_failed: bool
    command: str
    """The command as the user would type it again."""
    variant: str = ""
    """The options of the command line that change trials, e.g. `--dataset mnist --seed 5` (`mdlray.results.asked`)."""
    asked: frozenset[str] = frozenset()
    """Ids of all trials of a grid, also of those beyond `--trials`; a search asks as it goes."""


@dataclass(frozen=True)
class WorkQueue:
    """The packs that are still to be run; a search adds packs as it goes."""

    more: Callable[[], Sequence[Pack] | None]
    """Returns packs that may start now and that it has not returned before; None when there will be no more packs."""
    add_rows: Callable[[Iterable[Mapping[str, Any]]], None]
    """Must be called with the rows of every pack that ends."""
    samples: Sequence[TrialSpec]
    """Trials that name every family, method and data set of the trials to be run."""
    num_trials: int
    """Trials that are still to be run."""
    num_done: int
    num_packs: int | None = None
    packs: Sequence[Pack] | None = None
    """All packs that are still to be run, in their order; None for a search."""


def prepare_folder(request: SweepRequest) -> list[str]:
    """Move damaged files aside and note what is asked, before anything runs; returns what to tell about the files."""
    notes = move_damaged_aside(request.store)
    note_asked(request.store, request.variant, open_search(request).asked_ids() if request.search else request.asked)
    return notes + _notes_on_last_run(request)


def notes_on_plan(request: SweepRequest) -> list[str]:
    """What people should know of rows that a grid would not ask; a search does not know yet what it asks."""
    notes = _notes_on_last_run(request)
    if request.search:
        return notes
    number = count_not_asked(request.store, with_variant(request.store, request.variant, request.asked))
    return [*notes, not_asked_note(number)] if number else notes


def _notes_on_last_run(request: SweepRequest) -> list[str]:
    """A word where another sweep of this name was run in the folder before."""
    file = shown_file(request.definitions.path)
    try:
        note = note_on_last_run(request.store.read_manifest(), file, request.sweep.question)
    except DamagedFileError as error:  # a plan touches nothing, and a run has moved such a file aside before
        note = str(error)
    return [note] if note else []


def answered(request: SweepRequest) -> dict[str, str]:
    """Trial id → status, of the rows that count: their trials need not be run, unless failed ones are retried.

    A failed row that was made with another version of the sweep's file does not count, because the edit of the file may
    have removed the cause. A failed row without a version was written before rows had versions, and counts.
    """
    status = request.store.status_by_trial()
    if "failed" in status.values():
        for trial_id in _failed_elsewhere(request.store.read_trials(), sweep_version(request.definitions)):
            del status[trial_id]
    return status


def _failed_elsewhere(trials: pd.DataFrame, version: str | None) -> list[str]:
    """Ids of the trials that failed with another version of the sweep's file."""
    made_with = trials["sweep_version"]
    is_other = made_with.notna() & (made_with != version)
    return list(trials.loc[(trials["status"] == "failed") & is_other, "trial_id"])


def grid_queue(request: SweepRequest, resources: "Resources") -> WorkQueue:
    """The packs of a grid, without the trials that are done."""
    status = answered(request)
    packs = plan_grid(request.sweep, request.trials, on_gpu=resources.on_gpu, num_parallel=resources.num_parallel)
    missing = missing_packs(packs, status, retry_failed=request.retry_failed, halving=request.sweep.halving)
    trials = [spec for pack in missing for spec in pack.members]
    # All packs of a grid may start at once: the first call of `more` returns them, and every later one None.
    batches = [missing]
    return WorkQueue(
        more=lambda: batches.pop() if batches else None,
        add_rows=lambda rows: None,
        samples=trials,
        num_trials=len(trials),
        num_done=len(request.trials) - len(trials),
        num_packs=len(missing),
        packs=missing,
    )


def search_queue(request: SweepRequest, resources: "Resources") -> WorkQueue:
    """A search that goes on where its journal ends, and that writes the journal whenever a batch is told."""
    from mdlray.driver.checks import check_names

    sweep = request.sweep
    # The packs of a search must not depend on the number of workers, so they are not made smaller for many workers.
    limit = sweep.networks_per_pack if resources.on_gpu else sweep.networks_per_pack_cpu
    search = open_search(request, limit)
    if search.journal_damage:
        move_aside(request.store.storage, JOURNAL)
    num_written = search.num_told

    def keep_journal() -> None:
        nonlocal num_written
        if search.num_told > num_written:
            request.store.write_journal(search.journal_bytes())
            num_written = search.num_told

    def more() -> Sequence[Pack] | None:
        packs = search.packs()
        # Before it is run, so that a report that is drawn meanwhile shows its rows.
        note_asked(request.store, request.variant, search.asked_ids())
        keep_journal()
        check_names([spec for pack in packs or () for spec in pack.members])
        return packs

    def add_rows(rows: Iterable[Mapping[str, Any]]) -> None:
        search.add_rows(rows)
        keep_journal()

    return WorkQueue(more, add_rows, search.samples(), search.num_left, num_written)


def open_search(request: SweepRequest, networks_per_pack: int = 1) -> "Search":
    """The search with its journal and the stored rows; a damaged journal is not used, and `Search.notes` says so."""
    from mdlray.driver.journal import DamagedJournalError
    from mdlray.driver.search import Search

    options, store = request.search, request.store
    assert options is not None
    columns = ["trial_id", "status", "validation_accuracy", "compressed_bytes"]
    rows: list[Any] = []
    if store.has_results():
        trials = store.read_trials()
        failed_elsewhere = _failed_elsewhere(trials, sweep_version(request.definitions))
        rows = trials.loc[~trials["trial_id"].isin(failed_elsewhere), columns].to_dict("records")
    if not request.sweep.halving:
        rows = [row for row in rows if row["status"] != "stopped"]

    def search_with(journal: bytes | None) -> Search:
        return Search(
            request.sweep,
            sampler=options.sampler,
            seed=options.seed,
            num_trials=options.num_trials,
            changes=options.changes,
            settle=lambda spec: settle(spec, options.seed, options.background_images),
            networks_per_pack=networks_per_pack,
            rows=rows,
            journal=journal,
            version=options.version,
        )

    try:
        return search_with(store.read_journal())
    except DamagedJournalError as error:
        search = search_with(None)
        search.journal_damage = str(error)
        search.notes.append(search.journal_damage)
        return search


def settle(spec: TrialSpec, seed: int, background_images: str | None) -> TrialSpec:
    """The trial with `seed` (`--seed`) added to its seeds, and with the user's photographs (`--background-images`).

    `background_images` is their digest. It is set only if the trial's data set has photographs as backgrounds.
    """
    spec = replace_seeds(spec, seed)
    if background_images and spec.data.dataset.endswith("_background_images"):
        spec = replace_fields(spec, {"data.backgrounds": background_images})
    return spec


def digest_of(folder: Path | None, datasets: Sequence[str]) -> str | None:
    """What a user's photographs add to the ids of the trials that have them as backgrounds."""
    from mdlray.data import backgrounds_digest

    if folder is None:
        return None
    if not any(dataset.endswith("_background_images") for dataset in datasets):
        raise ValueError(
            f"--background-images {folder} has no effect: no trial has a data set that ends in _background_images; "
            "leave it out, or choose one with --dataset, e.g. --dataset mnist_background_images."
        )
    return backgrounds_digest(folder)
