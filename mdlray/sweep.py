"""`python -m mdlray.sweep NAME`: a question in, tables out.

    sweeps/NAME.py -> trials -> packs, minus what is done -> Ray Tune -> results/NAME/ -> front and figures

The same command again resumes: what has a row is not run twice. Exit codes: 0 all rows ok, 1 some rows failed (they are
listed), 2 bad input, 130 interrupted (with the command that resumes). Heavy imports happen once a run starts.
"""

import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from mdlray.manifest import current_commit, describe_run, merge
from mdlray.plan import (
    Pack,
    Sweep,
    expand,
    find_sweep,
    list_sweeps,
    load_sweep,
    missing_packs,
    missing_trials,
    plan_packs,
)
from mdlray.progress import SHOWN, Progress
from mdlray.spec import TrialSpec
from mdlray.summary import failure_lines, front_tables, plan_summary
from mdlray.tables import Store
from mdlray.tables.front import front_table
from mdlray.tables.pack import PackResult, failed_pack
from mdlray.tables.place import below

EXIT_OK, EXIT_FAILED_ROWS, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(add_completion=False, rich_markup_mode="rich")
console = Console(highlight=False, markup=False)


@app.command(help=(__doc__ or "").split("\n\n")[0])
def main(
    name: Annotated[str | None, typer.Argument(help="A file in sweeps/, or the path of one.")] = None,
    gpus: Annotated[int | None, typer.Option(min=0, help="GPUs to use; 0 = CPU (default: all there are)")] = None,
    address: Annotated[
        str | None, typer.Option(help="A running Ray cluster (default: RAY_ADDRESS, else Ray starts here)")
    ] = None,
    data: Annotated[Path, typer.Option(envvar="MDLRAY_DATA", help="Folder of the data sets")] = Path("data"),
    dataset: Annotated[str | None, typer.Option(help="Use this data set for every trial")] = None,
    background_images: Annotated[Path | None, typer.Option(help="Photographs for *_background_images")] = None,
    results: Annotated[str, typer.Option(help="Folder or s3://bucket/prefix that gets a folder per sweep")] = "results",
    trials: Annotated[int | None, typer.Option(min=1, help="Only the first so many trials")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Added to the seeds of every trial")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="The same path in about a minute on a CPU")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would run, and stop")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed trials again")] = False,
    list_: Annotated[bool, typer.Option("--list", help="The sweeps there are")] = False,
) -> None:
    """Parse, run, and turn the outcome into an exit code."""
    if list_:
        raise typer.Exit(print_sweeps())
    try:
        if name is None:
            raise ValueError("name a sweep, e.g. `python -m mdlray.sweep compare_pruning`; --list shows what there is.")
        asked = prepare(name, data, dataset, background_images, results, trials, seed, quick)
        code = show_plan(asked, gpus, retry_failed) if plan else run(asked, gpus, address, retry_failed)
    except (ValueError, OSError) as error:
        Console(stderr=True, highlight=False).print(f"error: {error}", soft_wrap=True, markup=False)
        code = EXIT_BAD_INPUT
    raise typer.Exit(code)


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    sweep: Sweep
    trials: list[TrialSpec]
    store: Store
    data: Path
    background_images: Path | None
    definitions: str
    """Text of the sweep's file: workers run it too, since it may add members to the registries."""


def prepare(
    name: str,
    data: Path,
    dataset: str | None,
    background_images: Path | None,
    results: str,
    num_trials: int | None,
    seed: int,
    quick: bool,
) -> Asked:
    """The sweep's trials and where their rows go; ValueError for anything that does not fit."""
    path = find_sweep(name)
    sweep = load_sweep(path)
    folder = sweep.name
    if quick:
        if sweep.quick is None:
            raise ValueError(f"the sweep {sweep.name!r} has no quick variant; leave out --quick, or use --trials N.")
        sweep, folder = sweep.quick, f"{sweep.name}-quick"
    changes = {"data.dataset": dataset} if dataset else {}
    specs = expand(sweep, changes=changes, seed=seed, num_trials=num_trials)
    if background_images:
        background_images = background_images.expanduser().resolve()
        specs = with_backgrounds(specs, background_images)
    return Asked(
        sweep,
        specs,
        Store(below(results, folder)),
        data.expanduser().resolve(),
        background_images,
        path.read_text(),
    )


def with_backgrounds(specs: Sequence[TrialSpec], folder: Path) -> list[TrialSpec]:
    """The trials with a user's photographs, whose digest becomes part of their ids."""
    from mdlray.data import backgrounds_digest
    from mdlray.spec import replace_fields

    if not any(spec.data.dataset.endswith("_background_images") for spec in specs):
        raise ValueError(
            f"--background-images {folder} has no effect: no trial has a data set that ends in _background_images; "
            "leave it out, or choose one with --dataset, e.g. --dataset mnist_background_images."
        )
    change = {"data.backgrounds": backgrounds_digest(folder)}
    return [
        replace_fields(spec, change) if spec.data.dataset.endswith("_background_images") else spec for spec in specs
    ]


def run(asked: Asked, gpus: int | None, address: str | None, retry_failed: bool) -> int:
    """Run what is missing, then write the tables; returns the exit code."""
    with asked.store.writing():
        status = asked.store.status_by_trial()
        if missing_trials(asked.trials, status, retry_failed=retry_failed):
            done = run_missing(asked, gpus, address, status, retry_failed)
        else:
            console.print(f"all {len(asked.trials)} trials are done.")
            done = True
        return finish(asked, interrupted=not done)


def run_missing(
    asked: Asked, gpus: int | None, address: str | None, status: Mapping[str, str], retry_failed: bool
) -> bool:
    """Run what is missing through Ray; returns False if it was interrupted."""
    from mdlray import dispatch, trial

    started, clock, commit = datetime.now(UTC), time.monotonic(), current_commit()
    trial.check_names(asked.trials)
    dispatch.connect(address)
    try:
        resources = dispatch.choose_resources(gpus)
        trial.fetch_data(asked.trials, asked.data)
        limit = learners_per_pack(asked.sweep, resources.on_gpu, len(asked.trials), resources.num_parallel)
        packs = plan_packs(asked.sweep.name, asked.trials, limit)
        packs = missing_packs(packs, status, retry_failed=retry_failed)
        device = "auto" if resources.on_gpu else "cpu"
        site = trial.Site(asked.data, asked.background_images, device, definitions=asked.definitions)
        num_done = len(asked.trials) - sum(len(pack.members) for pack in packs)
        progress = Progress(packs, num_done, console, rows_so_far(asked.store))
        before, checksums = asked.store.read_manifest(), dict[str, list[str]]()

        def note() -> None:
            about = describe_run(
                sweep=asked.sweep.name,
                question=asked.sweep.question,
                command=command_line(),
                started=started.isoformat(timespec="seconds"),
                commit=commit,
                seconds=time.monotonic() - clock,
                resources=asdict(resources),
                counts={"asked": len(asked.trials), "run": progress.num_trials, "failed": progress.num_failed},
            )
            asked.store.write_manifest(merge(before, about, checksums))

        def store(pack: Pack, result: PackResult) -> None:
            asked.store.write_pack(pack.pack_id, result.rows, result.curves, result.layers, result.models)
            for name, checksum in result.data_checksums.items():
                checksums.setdefault(name, []).append(checksum)
            progress.pack_finished(pack, result.rows)
            note()
            if resources.on_gpu and progress.num_packs == 1 and result.rows[0]["device"] == "cpu":
                console.print(
                    "note: the first pack ran on a CPU: its node has a GPU for Ray, but torch sees none there"
                )
            result.release()

        def store_lost(pack: Pack, reason: str) -> None:
            store(pack, failed_pack(pack, reason))

        console.print(f"{progress.num_todo} trials in {len(packs)} packs, {resources.num_parallel} at a time")
        note()
        progress.start()
        try:
            watch = dispatch.Watch(progress.pack_started, store, store_lost)
            done = dispatch.run_packs(packs, lambda pack: trial.run_pack(pack, site), resources, watch)
        finally:
            progress.stop()
    finally:
        dispatch.disconnect()
    note()
    console.print(progress.counts())
    return done


def rows_so_far(store: Store) -> list[Mapping[str, Any]]:
    """What the display of the front needs of the rows there are."""
    if not store.has_results():
        return []
    rows: list[Any] = store.read_trials()[list(SHOWN)].to_dict("records")
    return rows


def finish(asked: Asked, *, interrupted: bool) -> int:
    """Compact the rows, write the front and the figures, say what came out; returns the exit code."""
    store = asked.store
    if interrupted and not store.has_results():
        console.print(f"interrupted before any pack was done; start again with: {command_line()}", soft_wrap=True)
        return EXIT_INTERRUPTED
    store.compact()
    trials = store.read_trials()
    front = front_table(trials)
    store.write_front(front)
    if interrupted:
        console.print(f"interrupted; {len(trials)} trials are stored. Resume with: {command_line()}", soft_wrap=True)
        return EXIT_INTERRUPTED
    from mdlray.report import write_report

    write_report(store.folder)
    for table in front_tables(front):
        console.print(table)
    console.print(f"tables: {store.trials_path}, {store.front_path}; picture: {store.report_path}", soft_wrap=True)
    mine = {spec.trial_id for spec in asked.trials}
    failed = trials[(trials["status"] != "ok") & trials["trial_id"].isin(mine)]
    if failed.empty:
        return EXIT_OK
    console.print(f"{len(failed)} of {len(mine)} trials failed; run them again with --retry-failed:")
    for line in failure_lines(failed):
        console.print(line, soft_wrap=True)
    return EXIT_FAILED_ROWS


def learners_per_pack(sweep: Sweep, on_gpu: bool, num_trials: int, num_parallel: int) -> int:
    """At most what the sweep wants on this kind of device, and little enough that every device gets a pack."""
    return min(sweep.learners_per_pack if on_gpu else sweep.learners_per_pack_cpu, -(-num_trials // num_parallel))


def print_sweeps() -> int:
    """One line per file in `sweeps/`."""
    for path in list_sweeps():
        sweep = load_sweep(path)
        console.print(f"{sweep.name:24} {len(expand(sweep)):6,} trials  {sweep.question}", soft_wrap=True)
    return EXIT_OK


def show_plan(asked: Asked, gpus: int | None, retry_failed: bool) -> int:
    """What would run, and about how long; no Ray, no torch."""
    status = asked.store.status_by_trial()
    limit = learners_per_pack(asked.sweep, bool(gpus), len(asked.trials), gpus or os.cpu_count() or 1)
    packs = plan_packs(asked.sweep.name, asked.trials, limit)
    left = missing_packs(packs, status, retry_failed=retry_failed)
    done = asked.store.read_trials() if asked.store.has_results() else None
    for line in plan_summary(asked.store.folder, asked.trials, packs, left, status, done, gpus):
        console.print(line, soft_wrap=isinstance(line, str))
    return EXIT_OK


def command_line() -> str:
    """The command that was typed, to be typed again."""
    return shlex.join(["python", "-m", "mdlray.sweep", *sys.argv[1:]])


if __name__ == "__main__":
    app()
