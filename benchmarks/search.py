"""How good is the search, and what do packs cost it? Finished trials of a grid are looked up instead of trained.

    python benchmarks/search.py [--seeds 10] [--trials 200] [--gp]
    python benchmarks/search.py --compare results/reference/pareto_search-tpe results/reference/pareto_search-random

`benchmarks/tables/search_table.parquet` has every trial of `benchmarks/search_table.py` (3,456, embedded digits). The
hypervolume of what a search has found is a share of the whole grid's; the search is the one that sweeps use, asked one
trial at a time or in batches. `--gp` adds the Gaussian process, which takes minutes per seed. `--compare` sets finished
searches side by side, stratum by stratum.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import mdlray
from mdlray.driver.search import Search
from mdlray.planning import Sweep, expand
from mdlray.planning.space import Space
from mdlray.planning.sweep_file import load_sweep
from mdlray.results.derived.front import hypervolume, pareto_mask

HERE = Path(__file__).parent
AFTER = (50, 100, 200)
AFTER_REAL = (25, 50, 75)
SEARCHES = (
    ("TPE, one at a time", "tpe", 1),
    ("TPE, batches of 8", "tpe", 8),
    ("TPE, batches of 32", "tpe", 32),
    ("NSGA-II, batches of 8", "nsga2", 8),
    ("NSGA-II, batches of 32", "nsga2", 32),
    ("random", "random", 32),
)
GP = ("GP, batches of 8", "gp", 8)
Row = dict[str, Any]


def grid_space(sweep: Sweep, batch: int, num_trials: int) -> Space:
    """The grid's options by their places, in order where the options are numbers in order."""
    (grid,) = sweep.grids
    unordered = {"method", "penalty"}

    def suggest(trial: Any) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for axis, options in grid.items():
            places = range(len(options))
            place = (
                trial.suggest_categorical(axis, list(places))
                if axis in unordered
                else trial.suggest_int(axis, 0, places[-1])
            )
            fields |= options[place]
        return fields

    return Space(suggest=suggest, num_trials=num_trials, trials_per_batch=batch)


def found(sweep: Sweep, rows: dict[str, Row], sampler: str, batch: int, seed: int, num_trials: int) -> list[Row]:
    """The rows that a search finds, in its order."""
    from dataclasses import replace

    searched = replace(sweep, grids=(), space=grid_space(sweep, batch, num_trials))
    search = Search(searched, sampler=sampler, seed=seed, networks_per_pack=8)
    while (packs := search.packs()) is not None:
        search.add_rows([rows[spec.trial_id] for pack in packs for spec in pack.members])
    trials = search.strata[0].told.get_trials(deepcopy=False)
    return [rows[trial.user_attrs["trial_id"]] for trial in trials]


def compare(folders: list[str]) -> None:
    """Hypervolume per stratum after some trials of each search, from the largest network of all as float32."""
    tables = {folder: mdlray.load(folder).set_index("trial_id") for folder in folders}
    reference = (0.0, float(np.log10(4 * max(table["num_weights"].max() for table in tables.values()))))
    print("| stratum | search |" + "".join(f" after {count} |" for count in AFTER_REAL) + " on the front |")
    print("| --- | --- |" + " ---: |" * (len(AFTER_REAL) + 1))
    lines = []
    for folder, table in tables.items():
        storage = JournalStorage(JournalFileBackend(str(Path(folder) / "optuna.journal")))
        for study in optuna.get_all_study_summaries(storage=storage):
            trials = optuna.load_study(study_name=study.study_name, storage=storage).trials
            rows = table.loc[[trial.user_attrs["trial_id"] for trial in trials]]
            ok = rows["status"] == "ok"
            accuracy = np.where(ok, rows["validation_accuracy"].astype(float), 0.0)
            size = np.where(ok, np.log10(rows["compressed_bytes"].astype(float)), np.inf)
            volumes = [hypervolume(accuracy[:count], size[:count], reference) for count in AFTER_REAL]
            on_front = pareto_mask(accuracy, size)[ok].sum()
            cells = " | ".join(f"{volume:.3f}" for volume in volumes)
            lines.append((rows["dataset"].iloc[0], f"| {Path(folder).name} | {cells} | {on_front} |"))
    for dataset, line in sorted(lines, key=lambda pair: pair[0]):
        print(f"| {dataset} {line}")


def main() -> None:
    """Every search with every seed, as a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--gp", action="store_true")
    parser.add_argument("--compare", nargs="+", metavar="FOLDER")
    arguments = parser.parse_args()
    if arguments.compare:
        return compare(arguments.compare)
    sweep = load_sweep(HERE / "search_table.py")
    columns = ["trial_id", "status", "validation_accuracy", "compressed_bytes", "num_weights"]
    table = pd.read_parquet(HERE / "tables" / "search_table.parquet", columns=columns)
    rows: dict[str, Row] = {row["trial_id"]: row for row in table.to_dict("records")}
    assert {spec.trial_id for spec in expand(sweep)} == set(rows), "the table is of another grid: run it again"
    reference = (0.0, float(np.log10(4 * table["num_weights"].max())))

    def volume(some: list[Row]) -> float:
        return hypervolume(
            [row["validation_accuracy"] for row in some],
            [np.log10(row["compressed_bytes"]) for row in some],
            reference,
        )

    whole = volume(list(rows.values()))
    counts = [count for count in AFTER if count <= arguments.trials]
    print(f"{len(rows):,} trials in the table, hypervolume {whole:.4f}; {arguments.seeds} seeds, share in %\n")
    print("| search |" + "".join(f" after {count} |" for count in counts) + " different trials | ms per trial |")
    print("| --- |" + " ---: |" * (len(counts) + 2))
    means: dict[str, float] = {}
    for name, sampler, batch in (*SEARCHES, *([GP] if arguments.gp else [])):
        started = time.perf_counter()
        runs = [found(sweep, rows, sampler, batch, seed, arguments.trials) for seed in range(arguments.seeds)]
        milliseconds = 1000 * (time.perf_counter() - started) / arguments.seeds / arguments.trials
        shares = np.array([[100 * volume(run[:count]) / whole for count in counts] for run in runs])
        means[name] = float(shares[:, -1].mean())
        cells = [f"{mean:.2f} ± {std:.2f}" for mean, std in zip(shares.mean(0), shares.std(0, ddof=1), strict=True)]
        different = np.mean([len({row["trial_id"] for row in run}) for run in runs])
        print(f"| {name} | {' | '.join(cells)} | {different:.0f} | {milliseconds:.1f} |", flush=True)
    alone = means["TPE, one at a time"]
    for batch in (8, 32):
        loss = 100 * (1 - means[f"TPE, batches of {batch}"] / alone)
        print(f"\nbatches of {batch} cost {loss:+.2f} % of the hypervolume after {counts[-1]} trials (aim: below 3 %)")


if __name__ == "__main__":
    main()
