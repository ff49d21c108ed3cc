"""How busy would 512 GPUs be? What a pack costs the driver is measured with real Ray, the cluster is simulated.

    python benchmarks/cluster.py [--gpus 512]

Measured: the driver is the only one that serves all GPUs, one pack after the other (Ray Tune's loop, rows and networks
stored and fsynced). Packs that return the rows, curves and networks of a real pack at once, and train nothing, go
through the dispatcher on 4, 16 and 48 logical GPUs with a process each. Since these share two cores with the driver,
not the clock is read but the driver's CPU time, and how long it waits for the disk beyond that. A line through them
over the number of GPUs gives the cost for more.

Simulated: every GPU runs a pack, then waits for the driver, which serves those that wait in their order. Durations are
those of the packs in `results/reference/compare_pruning`, in random order; they took 2 CPU cores, so they are also
divided by 10 and by 100, for GPUs that are so much faster. Busy = share of GPU time in packs, until the first GPU finds
nothing to do (the tail); starting is included, with all GPUs waiting at once.
"""

import argparse
import heapq
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from mdlray.planning import Pack, Sweep, expand, plan_packs, vary
from mdlray.results import Store
from mdlray.results.pack_result import PackResult, model_file
from mdlray.spec import TrialSpec

REFERENCE = Path(__file__).parent.parent / "results" / "reference" / "compare_pruning"
MEASURED_GPUS = (4, 16, 48)
PACKS_PER_GPU = 20
_READ: dict[Path, PackResult] = {}


def real_result(folder: Path) -> PackResult:
    """The rows, curves, layers and networks of one pack of the reference run; read once per process."""
    if folder not in _READ:
        _READ[folder] = _read_result(Store(folder))
    return _READ[folder]


def _read_result(store: Store) -> PackResult:
    trials = store.read_trials()
    chosen = trials[trials["pack_id"] == trials["pack_id"].iloc[0]]
    ids = set(chosen["trial_id"])
    tables = [frame[frame["trial_id"].isin(ids)] for frame in (trials, store.read("curves"), store.read("layers"))]
    rows, curves, layers = ([_plain(row) for row in table.to_dict("records")] for table in tables)
    files = {model_file(name): store.model_path(name).read_bytes() for name in ids}
    return PackResult({"trials": rows, "curves": curves, "layers": layers}, files)


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    plain = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in row.items()}
    return {name: None if value is None or value != value else value for name, value in plain.items()}


def return_at_once(pack: Pack, save: object) -> PackResult:
    """A real pack's result under the names of this pack's trials."""
    real = real_result(REFERENCE)
    name = {row["trial_id"]: spec.trial_id for row, spec in zip(real.rows, pack.members, strict=True)}
    tables = {table: [row | {"trial_id": name[row["trial_id"]]} for row in rows] for table, rows in real.tables.items()}
    return PackResult(tables, {model_file(name[trial_id]): real.files[model_file(trial_id)] for trial_id in name})


def seconds_per_pack(num_gpus: int, num_packs: int) -> float:
    """The driver's, with so many logical GPUs, once all workers have started."""
    import ray

    from mdlray import dispatch

    size = len(real_result(REFERENCE).rows)
    seeds = vary("seeds.initialization", *range(size * num_packs))
    packs = plan_packs("empty", expand(Sweep(name="?", question="?", base=TrialSpec(), grids=({"s": seeds},))), size)
    ray.init(address="local", num_cpus=num_gpus, num_gpus=num_gpus, include_dashboard=False, logging_level="ERROR")
    marks: list[tuple[float, float]] = []
    stored = 0.0
    try:
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder) / "empty")

            def finished(pack: Pack, result: PackResult) -> None:
                nonlocal stored
                wall, cpu = time.perf_counter(), time.process_time()
                store.write_pack(pack.pack_id, result)
                result.release()
                stored += (time.perf_counter() - wall) - (time.process_time() - cpu)
                marks.append((time.process_time(), stored))

            batches = iter([packs])
            watch = dispatch.DriverCallbacks(
                lambda pack: {}, lambda pack, state: None, finished, lambda pack, reason: None
            )
            assert dispatch.run_packs(
                lambda: next(batches, None), return_at_once, dispatch.choose_resources(num_gpus), watch
            )
    finally:
        ray.shutdown()
    # Workers start in the first half, and take their time.
    (cpu, waited), (cpu_end, waited_end) = marks[num_packs // 2], marks[-1]
    return (cpu_end - cpu + max(waited_end - waited, 0.0)) / (num_packs - 1 - num_packs // 2)


def busy_until_tail(durations: np.ndarray, num_gpus: int, serve_seconds: float) -> float:
    """Share of GPU time in packs, from the first to the last start, with a driver that serves one GPU at a time."""
    waiting = [(0.0, gpu) for gpu in range(num_gpus)]
    driver_free = busy = start = 0.0
    ends = []
    for duration in durations:
        asked, gpu = heapq.heappop(waiting)
        start = max(asked, driver_free) + serve_seconds
        driver_free = start
        heapq.heappush(waiting, (start + duration, gpu))
        ends.append((start, start + duration))
    busy = sum(min(end, start) - begin for begin, end in ends)
    return busy / (num_gpus * start)


def main() -> None:
    """Measure, then simulate."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--gpus", type=int, default=512)
    arguments = parser.parse_args()
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    from mdlray import dispatch  # noqa: F401  (sets what Ray reads when it is imported)

    trials = Store(REFERENCE).read_trials()
    seconds = trials.groupby("pack_id")["wall_seconds"].sum().to_numpy()
    print("| logical GPUs | driver seconds per pack of real results |\n| ---: | ---: |")
    costs = []
    for num_gpus in MEASURED_GPUS:
        costs.append(seconds_per_pack(num_gpus, 600))
        print(f"| {num_gpus} | {costs[-1]:.4f} |", flush=True)
    slope, level = np.polyfit(MEASURED_GPUS, costs, 1)
    cost = float(max(level + slope * arguments.gpus, costs[-1]))
    print(f"| {arguments.gpus} (on the line) | {cost:.4f} |\n")
    print(
        f"{len(seconds)} packs took {seconds.min():.0f} to {seconds.max():.0f} s, {seconds.mean():.0f} s on average\n"
    )
    print("| packs' durations | packs per second asked for | GPUs busy until the tail |\n| --- | ---: | ---: |")
    generator = np.random.default_rng(0)
    for faster in (1, 10, 100):
        durations = generator.choice(seconds, arguments.gpus * PACKS_PER_GPU) / faster
        busy = busy_until_tail(durations, arguments.gpus, cost)
        rate = arguments.gpus / durations.mean()
        print(f"| measured / {faster} ({durations.mean():.1f} s) | {rate:.1f} | {100 * busy:.1f} % |")


if __name__ == "__main__":
    main()
