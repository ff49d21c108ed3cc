"""What does dispatching cost? Empty trials in packs through Ray Tune into a results folder, then the same again.

    python benchmarks/dispatch.py [--trials 10000] [--pack 64]

Reported: seconds in the dispatcher per trial (Ray's start apart), the driver's memory, and how long a second call needs
to find that everything is done. Trials are empty, rows are real: they are written, fsynced and compacted.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

from mdlray.plan import Pack, Sweep, expand, missing_trials, plan_packs, vary
from mdlray.spec import TrialSpec
from mdlray.tables import Store


def empty_work(pack: Pack, save: object) -> object:
    """Rows as a pack returns them, without training anything."""
    from mdlray.tables.pack import failed_pack

    return failed_pack(pack, "empty trial of benchmarks/dispatch.py")


def main() -> None:
    """Dispatch, store, compact, ask again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--pack", type=int, default=64)
    arguments = parser.parse_args()
    seeds = vary("seeds.initialization", *range(arguments.trials))
    sweep = Sweep(name="empty", question="?", base=TrialSpec(), grids=({"seed": seeds},))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "empty")
        from mdlray import dispatch
        from mdlray.tables.pack import PackResult

        started = time.perf_counter()
        dispatch.connect(None)
        connected = time.perf_counter()
        packs = plan_packs("empty", expand(sweep), arguments.pack)
        planned = time.perf_counter()

        def finished(pack: Pack, result: PackResult) -> None:
            store.write_pack(pack.pack_id, result.rows, [], [], {})
            result.release()

        batches = iter([packs])
        watch = dispatch.Watch(lambda pack: {}, lambda pack, state: None, finished, lambda pack, reason: None)
        assert dispatch.run_packs(lambda: next(batches, None), empty_work, dispatch.choose_resources(None), watch)
        dispatched = time.perf_counter()
        store.compact()
        compacted = time.perf_counter()
        dispatch.disconnect()
        again = time.perf_counter()
        left = missing_trials(expand(sweep), store.status_by_trial(), retry_failed=False)
        found = time.perf_counter()
        assert not left and len(store.read_trials()) == arguments.trials
    per_trial = 1000 * (dispatched - planned + compacted - dispatched) / arguments.trials
    print(f"{arguments.trials} empty trials in {len(packs)} packs of {arguments.pack}")
    print(f"start of Ray                     {connected - started:8.2f} s")
    print(f"plan                             {planned - connected:8.2f} s")
    print(f"dispatch, rows written           {dispatched - planned:8.2f} s")
    print(f"compaction                       {compacted - dispatched:8.2f} s")
    print(f"per trial                        {per_trial:8.2f} ms")
    print(f"driver's peak memory             {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MB")
    print(f"second call finds all done in    {found - again:8.2f} s")


if __name__ == "__main__":
    main()
