"""What do tables cost at scale? Open a million rows, compute their fronts, write them; and store thousands of packs.

    python benchmarks/tables.py [--rows 1000 10000 ...] [--packs 2000] [--figure benchmarks/figures/tables.svg]

Rows are realistic: four data sets, five levels of random labels, 50 networks, three methods, a hundred ratios, twenty
repetitions over seeds; ids are the trials' own, specs their canonical JSON. Each size has a process of its own.
Aim: 1,000,000 rows opened, their fronts computed and written in under 10 s in all on 2 cores.
"""

import argparse
import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

import mdlray
from mdlray.planning import Pack
from mdlray.results import Store
from mdlray.results.derived.front import front_table
from mdlray.results.pack_result import PackResult, failed_pack, model_file
from mdlray.results.parquet import parquet_bytes
from mdlray.results.schema import CURVES, TRIALS
from mdlray.results.tables import TABLES
from mdlray.results.trial_columns import trial_columns
from mdlray.spec import TrialSpec, canonical_json, replace_fields

AIM_ROWS, AIM_SECONDS = 1_000_000, 10.0
REPETITIONS = 20
STEPS = ("load", "front_table", "write_front")


def settings(number: int) -> dict[str, object]:
    """The fields of the `number`-th setting."""
    method = number % 3
    number //= 3
    ratio = round(0.9 + 0.001 * (number % 100), 4)
    number //= 100
    return {
        "data.dataset": ("mnist", "fashion_mnist", "kmnist", "mnist_rotation")[number % 4],
        "data.label_randomization_fraction": (number // 4 % 5) / 4,
        "model.hidden_units": (10 + number // 20,),
        "compression.method": "obd" if method == 2 else "magnitude",
        "compression.pruning_ratio": ratio,
        "training.regularizer": ("l1", "l2", "none")[method],
        "training.regularizer_strength": (1e-4, 1e-3, 0.0)[method],
    }


def make_table(num_rows: int) -> pa.Table:
    """A compacted table of trials, drawn from a fixed seed."""
    chance = np.random.default_rng(0)
    num_cells = -(-num_rows // REPETITIONS)
    rows: dict[str, list[object]] = {name: [] for name in TRIALS.names}
    for number in range(num_cells):
        spec = replace_fields(TrialSpec(), settings(number))
        columns = trial_columns(spec)
        first, last = canonical_json(spec).split('"initialization":0')
        for seed in range(min(REPETITIONS, num_rows - number * REPETITIONS)):
            # Not the spec's own id: twenty million calls of the hash of a whole spec would take an hour.
            known = columns | {"seed": seed, "spec": f'{first}"initialization":{seed}{last}'}
            known["trial_id"] = hashlib.sha256(known["spec"].encode()).hexdigest()[: len(columns["trial_id"])]
            for name, value in known.items():
                rows[name].append(value)
    known_columns = {name: values for name, values in rows.items() if values}
    size = num_rows
    compressed = chance.integers(300, 60_000, size)
    accuracy = 1 - 0.9 * chance.random(size) * np.exp(-compressed / 20_000)
    mask, values = compressed // 3, compressed // 2
    measured = {
        "status": np.full(size, "ok"),
        "sweep": np.full(size, "compare_pruning"),
        "label_changed_fraction": chance.random(size),
        "num_weights": chance.integers(10_000, 100_000, size),
        "num_nonzero": chance.integers(10, 10_000, size),
        "train_accuracy": np.minimum(1, accuracy + 0.01),
        "validation_accuracy": accuracy.round(4),
        "test_accuracy": (accuracy - 0.005).round(4),
        "train_nats": 45_000 * chance.random(size),
        "trained_validation_accuracy": accuracy,
        "trained_test_accuracy": accuracy,
        "compressed_bytes": compressed,
        "header_bytes": np.full(size, 40),
        "mask_bytes": mask,
        "values_bytes": values,
        "codebook_bytes": compressed - mask - values - 40,
        "ideal_entropy_bits": 8 * chance.random(size) * compressed,
        "lzma_csr_bytes": compressed * 2,
        "decoded_ok": np.full(size, True),
        "wall_seconds": chance.random(size),
        "device": np.full(size, "NVIDIA GPU"),
        "num_members_in_pack": np.full(size, 1000),
        "pack_id": np.char.mod("%012x", np.arange(size) // 1000),
    }
    arrays = [pa.array((known_columns | measured).get(f.name, [None] * size), f.type) for f in TRIALS]
    return TABLES["trials"].in_order(pa.Table.from_arrays(arrays, schema=TRIALS))


def measure(folder: str) -> dict[str, float]:
    """Seconds of each step for the table in a folder, and this process's peak memory in megabytes."""
    seconds = {}

    def timed(name: str, do: Callable[[], object]) -> object:
        begun = time.perf_counter()
        result = do()
        seconds[name] = time.perf_counter() - begun
        return result

    trials = timed("load", lambda: mdlray.load(folder))
    front = timed("front_table", lambda: front_table(trials))
    timed("write_front", lambda: Store(folder).write_derived({"front": front}))
    return seconds | {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "cells": len(front)}


def measure_packs(num_packs: int, num_members: int = 64) -> dict[str, float]:
    """Seconds of storing packs with curves, of asking what is done, and of the compaction at the end."""
    row = failed_pack(Pack("tables", (TrialSpec(),)), "none").rows[0] | {"num_members_in_pack": num_members}
    point = dict.fromkeys(CURVES.names, 0.5)
    with tempfile.TemporaryDirectory() as folder:
        store, slowest = Store(folder), 0.0
        begun = time.perf_counter()
        for pack in range(num_packs):
            ids = [f"{pack:08x}{member:08x}" for member in range(num_members)]
            rows = [row | {"trial_id": trial_id} for trial_id in ids]
            curves = [point | {"trial_id": trial_id, "epoch": epoch} for trial_id in ids for epoch in (1, 2, 3)]
            before = time.perf_counter()
            store.write_pack(f"{pack:08x}", PackResult({"trials": rows, "curves": curves}))
            slowest = max(slowest, time.perf_counter() - before)
        written = time.perf_counter()
        num_files = len(os.listdir(Path(folder) / "parts"))
        status = store.status_by_trial()
        asked = time.perf_counter()
        store.compact()
        compacted = time.perf_counter()
        assert len(status) == num_packs * num_members
    return {
        "written": written - begun,
        "slowest": slowest,
        "asked": asked - written,
        "compacted": compacted - asked,
        "files": num_files,
    }


def measure_models(num_models: int = 256) -> float:
    """Seconds of storing the models of one pack, 3,000 bytes each, the median of five packs."""
    chance = np.random.default_rng(0)
    row = failed_pack(Pack("tables", (TrialSpec(),)), "none").rows[0] | {"num_members_in_pack": num_models}
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for pack in range(5):
            models = {f"{pack}-{number}": chance.bytes(3000) for number in range(num_models)}
            begun = time.perf_counter()
            rows, files = [row | {"trial_id": name} for name in models], {model_file(n): b for n, b in models.items()}
            Store(folder).write_pack(f"p{pack}", PackResult({"trials": rows}, files))
            seconds.append(time.perf_counter() - begun)
    return float(np.median(seconds))


def draw(results: dict[int, dict[str, float]], path: Path) -> None:
    """Seconds over rows, both logarithmic, one line per step, and the aim."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 4.0), layout="constrained")
    axes = figure.add_subplot()
    sizes = list(results)
    for name, color in zip((*STEPS, "in all"), ("#0072B2", "#D55E00", "#009E73", "#000000"), strict=True):
        totals = [sum(results[n][s] for s in STEPS) if name == "in all" else results[n][name] for n in sizes]
        axes.plot(sizes, totals, marker="o", color=color, label=name, linewidth=2 if name == "in all" else 1.2)
    axes.plot(AIM_ROWS, AIM_SECONDS, marker="_", markersize=24, color="#777777", linestyle="none", label="aim")
    axes.set(xscale="log", yscale="log", xlabel="rows", ylabel="seconds", title="Opening a table and computing fronts")
    axes.grid(color="#E6E6E6")
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> None:
    """Make, measure, print Markdown, draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--packs", type=int, default=2_000)
    parser.add_argument("--figure", type=Path, default=Path("benchmarks/figures/tables.svg"))
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return
    results: dict[int, dict[str, float]] = {}
    print(f"{platform.machine()}, {os.cpu_count()} cores, pandas and pyarrow {pa.__version__}\n")
    print(
        "| rows | settings | file (MB) | load (s) | front_table (s) | write_front (s) | in all (s) | peak memory (MB) |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for num_rows in arguments.rows:
        with tempfile.TemporaryDirectory() as folder:
            content = parquet_bytes(make_table(num_rows))
            (Path(folder) / "trials.parquet").write_bytes(content)
            size = len(content) / 1e6
            del content
            words = [sys.executable, __file__, "--measure", folder]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
        found = results[num_rows] = json.loads(done.stdout)
        steps = " | ".join(f"{found[name]:.2f}" for name in STEPS)
        total = sum(found[name] for name in STEPS)
        print(f"| {num_rows:,} | {found['cells']:,.0f} | {size:.1f} | {steps} | {total:.2f} | {found['peak']:,.0f} |")
    if AIM_ROWS in results:
        total = sum(results[AIM_ROWS][name] for name in STEPS)
        met = "met" if total < AIM_SECONDS else "not met"
        print(f"\nThe aim, {AIM_ROWS:,} rows in under {AIM_SECONDS:.0f} s in all, is {met}: {total:.1f} s.")
    if results:
        draw(results, arguments.figure)
    if arguments.packs:
        packs = measure_packs(arguments.packs)
        print(
            f"\n{arguments.packs:,} packs of 64 rows and 192 points of curves: stored in {packs['written']:.1f} s "
            f"({1000 * packs['written'] / arguments.packs:.1f} ms per pack, the slowest {packs['slowest']:.2f} s), "
            f"{packs['files']:.0f} files then; asking what is done takes {packs['asked']:.2f} s, compaction "
            f"{packs['compacted']:.1f} s. A pack with 256 models of 3,000 bytes is stored in {measure_models():.3f} s."
        )


if __name__ == "__main__":
    main()
