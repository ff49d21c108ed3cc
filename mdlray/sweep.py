"""`python -m mdlray.sweep NAME`: a question in, tables out.

    sweeps/NAME.py -> trials -> packs, minus what is done -> Ray Tune -> results/NAME/ -> front and figures

The same command again resumes: what has a row is not run twice. Exit codes: 0 all rows ok, 1 some rows failed (they are
listed), 2 bad input, 3 the Ray cluster was lost, 130 interrupted by Ctrl-C, 143 by SIGTERM, 129 by a terminal that
closed (these four with the command that resumes). Heavy imports happen once a run starts.
"""

import io
import shlex
import sys

from mdlray.driver.signals import Interrupted, Signals

signals = Signals(command=shlex.join(["python", "-m", "mdlray.sweep", *sys.argv[1:]]))
if __name__ == "__main__":
    # Before the other imports, which take a second: Ctrl-C may come in that, too.
    signals.install()

import time
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console

from mdlray.driver.cpus import usable_cpus
from mdlray.driver.output import Output
from mdlray.driver.run import Machines, NothingWorksError, run_missing
from mdlray.driver.summary import failure_lines, front_tables, plan_summary, print_notes, search_summary
from mdlray.driver.work_queue import (
    SearchRequest,
    SweepRequest,
    answered,
    digest_of,
    notes_on_plan,
    open_search,
    prepare_folder,
    settle,
)
from mdlray.planning import expand, missing_packs, missing_trials, plan_grid, space_of
from mdlray.planning.sweep_file import find_sweep, list_sweeps, load_listed_sweep, note_on, read_sweep
from mdlray.results import Store
from mdlray.results.asked import asked_notes, asked_rows, variant_of
from mdlray.results.derived import derive
from mdlray.spec import TrialSpec
from mdlray.storage.storage import below

EXIT_OK, EXIT_FAILED_ROWS, EXIT_BAD_INPUT, EXIT_CLUSTER_LOST = 0, 1, 2, 3

app = typer.Typer(add_completion=False, rich_markup_mode="rich")
console = Console(file=Output(), highlight=False, markup=False)  # type: ignore[arg-type]


@app.command(help=(__doc__ or "").split("\n\n")[0])
def main(
    name: Annotated[str | None, typer.Argument(help="A file in sweeps/, or the path of one.")] = None,
    gpus: Annotated[int | None, typer.Option(min=0, help="GPUs to use; 0 = CPU (default: all there are)")] = None,
    cpus: Annotated[int | None, typer.Option(min=1, help="Packs at a time on CPUs (default: one per CPU)")] = None,
    address: Annotated[
        str | None, typer.Option(help="A running Ray cluster (default: RAY_ADDRESS, else Ray starts here)")
    ] = None,
    data: Annotated[Path, typer.Option(envvar="MDLRAY_DATA", help="Folder of the data sets")] = Path("data"),
    dataset: Annotated[str | None, typer.Option(help="Use this data set for every trial")] = None,
    background_images: Annotated[Path | None, typer.Option(help="Photographs for *_background_images")] = None,
    results: Annotated[str, typer.Option(help="Folder or s3://bucket/prefix that gets a folder per sweep")] = "results",
    search: Annotated[
        str | None, typer.Option(help="Let Optuna choose the trials: optuna (= tpe), nsga2, gp or random")
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Only the first so many; a search's budget")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Added to the seeds of every trial")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="The same path in a few minutes on a CPU")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would run, and stop")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed trials again")] = False,
    list_: Annotated[bool, typer.Option("--list", help="The sweeps there are")] = False,
) -> None:
    """Parse, run, and turn the outcome into an exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Under an ASCII locale a question may have characters that cannot be printed: they become `?`.
        sys.stdout.reconfigure(errors="replace")
    try:
        with signals.raising():
            if list_:
                code = print_sweeps()
            elif name is None:
                raise ValueError(
                    "name a sweep, e.g. `python -m mdlray.sweep compare_pruning`; --list shows what there is."
                )
            else:
                request = prepare(
                    name=name,
                    data=data,
                    dataset=dataset,
                    background_images=background_images,
                    results=results,
                    num_trials=trials,
                    seed=seed,
                    quick=quick,
                    retry_failed=retry_failed,
                    search=search,
                )
                machines = Machines(gpus, cpus, address)
                code = show_plan(request, machines) if plan else run(request, machines)
    except Interrupted:
        Console(stderr=True, highlight=False).print(signals.advice, soft_wrap=True, markup=False)
        code = signals.exit_code
    except (ValueError, OSError) as error:
        Console(stderr=True, highlight=False).print(f"error: {error}", soft_wrap=True, markup=False)
        code = EXIT_BAD_INPUT
    raise typer.Exit(code)


def prepare(
    *,
    name: str,
    data: Path,
    dataset: str | None,
    background_images: Path | None,
    results: str,
    num_trials: int | None,
    seed: int,
    quick: bool,
    retry_failed: bool,
    search: str | None,
) -> SweepRequest:
    """The sweep's trials, or its search, and where the rows go; ValueError for anything that does not fit."""
    path = find_sweep(name)
    if note := note_on(path):
        print_notes(console, [note])
    sweep, definitions = read_sweep(path)
    folder = sweep.name
    if quick:
        if sweep.quick is None:
            raise ValueError(f"the sweep {sweep.name!r} has no quick variant; leave out --quick, or use --trials N.")
        sweep, folder = sweep.quick, f"{sweep.name}-quick"
    changes = {"data.dataset": dataset} if dataset else {}
    background_images = background_images.expanduser().resolve() if background_images else None
    specs: list[TrialSpec] = []
    search_request = None
    if search or not sweep.grids:
        from mdlray.driver.search import sampler_name

        sampler = sampler_name(search or "optuna")
        folder = f"{folder}-{sampler}"
        if retry_failed:
            raise ValueError(
                "--retry-failed does not go with a search, which has been told of the failures; leave it out."
            )
        datasets = [dataset or fields.get("data.dataset", sweep.base.data.dataset) for fields in space_of(sweep).strata]
        digest = digest_of(background_images, datasets)
        search_request = SearchRequest(sampler, seed, num_trials, changes, digest, definitions.version[:8])
    else:
        specs = expand(sweep, changes=changes, seed=seed)
        digest = digest_of(background_images, [spec.data.dataset for spec in specs[:num_trials]])
        specs = [settle(spec, 0, digest) for spec in specs]
    return SweepRequest(
        sweep,
        specs[:num_trials],
        search_request,
        Store(below(results, folder)),
        data.expanduser().resolve(),
        background_images,
        definitions,
        retry_failed,
        signals.command,
        variant_of(dataset, seed, digest),
        # Not only the first --trials: a command that runs less must not take the other rows off the front.
        frozenset(spec.trial_id for spec in specs),
    )


def run(request: SweepRequest, machines: Machines) -> int:
    """Run what is missing, then write the tables; returns the exit code."""
    with request.store.writing():
        print_notes(console, prepare_folder(request))
        if not is_missing(request):
            console.print(nothing_to_run(request), soft_wrap=True)
            return finish(request, interrupted=False)
        try:
            is_done = run_missing(
                request, machines, console, signals, lambda reason: end_without_cluster(request, reason)
            )
        except NothingWorksError as error:
            write_tables(request.store)
            console.print(f"stopped: {error} When it is mended: {request.command} --retry-failed", soft_wrap=True)
            return EXIT_FAILED_ROWS
        return finish(request, interrupted=not is_done)


def end_without_cluster(request: SweepRequest, reason: str) -> None:
    """Say what to do, and end the process at once: its main thread may wait for the lost cluster for ever.

    What is being written is cut off as by a kill, which leaves every file whole or absent.
    """
    # A signal to the whole group of processes reaches Ray's, too, and perhaps first.
    time.sleep(0.3)
    if signals.received:
        signals.end_now(signals.advice)
    signals.end_now(
        f"error: {reason}. Nothing that is stored is lost. Start the cluster again (one of this command's own starts "
        f"by itself), then resume with: {request.command}  # or the new --address",
        EXIT_CLUSTER_LOST,
    )


def nothing_to_run(request: SweepRequest) -> str:
    """Why nothing is run, in a sentence that does not hide failures."""
    if request.search:
        return f"all {open_search(request).num_told} trials are done."
    status = request.store.status_by_trial()
    num_failed = sum(status.get(spec.trial_id) == "failed" for spec in request.trials)
    if not num_failed:
        return f"all {len(request.trials)} trials are done."
    return (
        f"nothing to run: all {len(request.trials)} trials have a row, and {num_failed} of them failed; run those "
        "again with --retry-failed."
    )


def is_missing(request: SweepRequest) -> bool:
    """Whether there is a trial to run; a search that lacks its journal's end only asks itself."""
    if request.search:
        search = open_search(request)
        print_notes(console, search.notes)
        return search.num_left > 0
    status = answered(request)
    return bool(
        missing_trials(request.trials, status, retry_failed=request.retry_failed, halving=request.sweep.halving)
    )


def finish(request: SweepRequest, *, interrupted: bool) -> int:
    """Compact the rows, write the front and the figures, say what came out; returns the exit code."""
    store = request.store
    if interrupted and not store.has_results():
        console.print(f"interrupted before any pack was done; start again with: {request.command}", soft_wrap=True)
        return signals.exit_code
    trials, front = write_tables(store)
    if interrupted:
        console.print(f"interrupted; {len(trials)} trials are stored. Resume with: {request.command}", soft_wrap=True)
        return signals.exit_code
    from mdlray.report import write_report
    from mdlray.studies.registry import find_study

    write_report(store.folder, study=find_study(request.sweep.study))
    for table in front_tables(front, console.width):
        console.print(table)
    trials_path, front_path, page = (store.path(name) for name in ("trials.parquet", "front.parquet", "report.html"))
    console.print(f"tables: {trials_path}, {front_path}; picture: {page}", soft_wrap=True)
    for note in asked_notes(store):
        console.print(note, soft_wrap=True)
    mine = open_search(request).trial_ids() if request.search else {spec.trial_id for spec in request.trials}
    failed = trials[(trials["status"] == "failed") & trials["trial_id"].isin(mine)]
    if failed.empty:
        return EXIT_OK
    remedy = "the search knows" if request.search else "run them again with --retry-failed"
    console.print(f"{len(failed)} of {len(mine)} trials failed; {remedy}:")
    for line in failure_lines(failed):
        console.print(line, soft_wrap=True)
    return EXIT_FAILED_ROWS


def write_tables(store: Store) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compact the rows and write what follows from those that are asked; returns all rows and the front."""
    store.compact()
    trials = store.read_trials()
    tables = derive(asked_rows(store, trials))
    store.write_derived(tables)
    return trials, tables["front"]


def print_sweeps() -> int:
    """One line per sweep, and per file in `sweeps/` that is none; exit code 2 only if there is no sweep at all."""
    num_listed = 0
    for path in list_sweeps():
        try:
            sweep = load_listed_sweep(path)
            count = len(expand(sweep)) if sweep.grids else space_of(sweep).num_trials
            line, num_listed = f"{sweep.name:24} {count:6,} trials  {sweep.question}", num_listed + 1
        except (ValueError, OSError) as error:
            line = f"{path.stem:24} is no sweep: {error}"
        console.print(line, soft_wrap=True)
        if note := note_on(path):
            console.print(f"{'':24} note: {note}", soft_wrap=True)
    return EXIT_OK if num_listed else EXIT_BAD_INPUT


def show_plan(request: SweepRequest, machines: Machines) -> int:
    """What would run, and about how long; no Ray, no torch, so that of names only those of data sets are checked."""
    from mdlray.data import find_dataset

    gpus = machines.gpus
    done = request.store.read_trials() if request.store.has_results() else None
    if request.search:
        search = open_search(request)
        print_notes(console, search.notes)
        trials = search.samples()
        lines = search_summary(request.store.folder, search, done, gpus)
    else:
        trials = request.trials
        status = answered(request)
        num_parallel = gpus or machines.cpus or usable_cpus()
        packs = plan_grid(request.sweep, request.trials, on_gpu=bool(gpus), num_parallel=num_parallel)
        left = missing_packs(packs, status, retry_failed=request.retry_failed, halving=request.sweep.halving)
        lines = plan_summary(request.store.folder, request.trials, packs, left, status, done, gpus)
    for dataset in {spec.data.dataset for spec in trials}:
        find_dataset(dataset)
    for line in lines:
        console.print(line, soft_wrap=isinstance(line, str))
    print_notes(console, notes_on_plan(request))
    if gpus is None:
        console.print("planned for CPUs; with --gpus N for GPUs, whose packs are larger", soft_wrap=True)
    return EXIT_OK


if __name__ == "__main__":
    app()
