"""What does dispatching cost? Empty trials in packs through Ray Tune into a results folder, then the same again.

    python benchmarks/dispatch.py [--trials 1000 10000 100000] [--pack 64] [--figure benchmarks/figures/dispatch.svg]

Per number of trials, each in a process of its own: seconds to dispatch and to compact (Ray starts before),
milliseconds per trial, the driver's peak memory, and how long a second call needs to find that everything is done.
Trials are empty, rows are real: they are written, fsynced and compacted.
Aims: under 2 ms per trial; 100,000 trials in under 3 minutes with a driver under 1 GB.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mdlray.planning import Pack, Sweep, expand, missing_trials, plan_packs, vary
from mdlray.results import Store
from mdlray.spec import TrialSpec

COLUMNS = {
    "trials": ",.0f",
    "packs": ",.0f",
    "plan (s)": ".2f",
    "dispatch (s)": ".2f",
    "compaction (s)": ".2f",
    "in all (s)": ".2f",
    "per trial (ms)": ".2f",
    "second call (s)": ".2f",
    "driver's peak memory (MB)": ",.0f",
}


def empty_work(pack: Pack, save: object) -> object:
    """Rows as a pack returns them, without training anything."""
    from mdlray.results.pack_result import failed_pack

    return failed_pack(pack, "empty trial of benchmarks/dispatch.py")


def measure(num_trials: int, size: int) -> dict[str, float]:
    """Dispatch, store, compact, ask again."""
    from mdlray import dispatch
    from mdlray.results.pack_result import PackResult

    seeds = vary("seeds.initialization", *range(num_trials))
    sweep = Sweep(name="empty", question="?", base=TrialSpec(), grids=({"seed": seeds},))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "empty")
        dispatch.connect(None)
        connected = time.perf_counter()
        packs = plan_packs("empty", expand(sweep), size)
        num_packs = len(packs)
        planned = time.perf_counter()

        def finished(pack: Pack, result: PackResult) -> None:
            store.write_pack(pack.pack_id, PackResult({"trials": result.rows}))
            result.release()

        batches = iter([packs])
        del packs
        watch = dispatch.DriverCallbacks(lambda pack: {}, lambda pack, state: None, finished, lambda pack, reason: None)
        assert dispatch.run_packs(lambda: next(batches, None), empty_work, dispatch.choose_resources(None), watch)
        dispatched = time.perf_counter()
        store.compact()
        compacted = time.perf_counter()
        dispatch.disconnect()
        again = time.perf_counter()
        assert not missing_trials(expand(sweep), store.status_by_trial(), retry_failed=False)
        found = time.perf_counter()
        assert len(store.status_by_trial()) == num_trials
    in_all = compacted - connected
    return {
        "trials": num_trials,
        "packs": num_packs,
        "plan (s)": planned - connected,
        "dispatch (s)": dispatched - planned,
        "compaction (s)": compacted - dispatched,
        "in all (s)": in_all,
        "per trial (ms)": 1000 * in_all / num_trials,
        "second call (s)": found - again,
        "driver's peak memory (MB)": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def draw(rows: list[dict[str, float]], path: Path) -> None:
    """Seconds and megabytes over trials."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    trials = [row["trials"] for row in rows]
    for column in ("in all (s)", "second call (s)"):
        axes[0].plot(trials, [row[column] for row in rows], "o-", label=column.removesuffix(" (s)"))
    axes[1].plot(trials, [row["driver's peak memory (MB)"] for row in rows], "o-")
    axes[0].set(xscale="log", yscale="log", xlabel="trials", ylabel="seconds")
    axes[1].set(xscale="log", xlabel="trials", ylabel="driver's peak memory (MB)", ylim=(0, None))
    axes[0].legend()
    figure.savefig(path)


def main() -> None:
    """One process per number of trials, one line of the table each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[10_000])
    parser.add_argument("--pack", type=int, default=64)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--json", action="store_true", help="measure here, print the numbers")
    arguments = parser.parse_args()
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    if arguments.json:
        print(json.dumps(measure(arguments.trials[0], arguments.pack)))
        return
    print(f"| {' | '.join(COLUMNS)} |\n|{' ---: |' * len(COLUMNS)}")
    rows = []
    for num_trials in arguments.trials:
        words = [sys.executable, __file__, "--json", "--trials", str(num_trials), "--pack", str(arguments.pack)]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        cells = (format(rows[-1][column], how) for column, how in COLUMNS.items())
        print(f"| {' | '.join(cells)} |", flush=True)
    if arguments.figure:
        draw(rows, arguments.figure)


if __name__ == "__main__":
    main()
