"""Run by test_killed_writer.py: a writer to be killed with SIGKILL.

python killed_writer.py steps FOLDER     FOLDER/<n> is what a writer leaves that dies before its n-th system call
python killed_writer.py loop FOLDER      writes and compacts until it is killed; prints a pack's number when it is safe
"""

import itertools
import os
import signal
import sys
from pathlib import Path

import pyarrow.parquet as pq

from mdlray.results import parts
from mdlray.results.pack_result import PackResult, model_file
from mdlray.results.schema import CURVES, TRIALS
from mdlray.results.store import Store

OLD_ROW = pq.read_table(Path(__file__).parents[1] / "assets" / "rows_v1.parquet").to_pylist()[0]
TEMPLATE = dict.fromkeys(TRIALS.names) | OLD_ROW
POINT = dict.fromkeys(CURVES.names, 0.5)
LAYER = {"layer": "0.weight", "shape": [2, 3], "num_weights": 6, "num_nonzero": 1}
LAYER |= {"mask_bytes": 1, "values_bytes": 1, "codebook_bytes": 1}
BINS = {"layer": "0.weight", "moment": "trained", "epoch": 2.0, "low": -1.0, "high": 1.0, "counts": [1] * 64}


def write(store: Store, number: int, trials: dict[str, str]) -> None:
    rows = [TEMPLATE | {"trial_id": t, "status": s, "wall_seconds": float(number)} for t, s in trials.items()]
    ok = [trial for trial, status in trials.items() if status == "ok"]
    curves = [POINT | {"trial_id": t, "epoch": e, "train_accuracy": float(number)} for t in ok for e in (1, 2)]
    layers = [LAYER | {"trial_id": trial} for trial in ok]
    weights = [BINS | {"trial_id": trial, "num_zero": number} for trial in ok]
    files = {model_file(trial): f"model of {trial}".encode() * 100 for trial in ok}
    store.write_pack(
        "pack", PackResult({"trials": rows, "curves": curves, "layers": layers, "weights": weights}, files)
    )


def history(store: Store) -> None:
    parts.MOST_PACKS = 2  # so that packs are merged too
    for number, step in enumerate([{"a": "ok", "b": "failed"}, {"b": "ok", "c": "ok"}, None, {"d": "ok"}, None]):
        store.compact() if step is None else write(store, number, step)
        (store.folder / "safe").write_text(str(number))


def die_before(count: int) -> None:
    """Kill this process before its count-th flush, rename or removal of a file."""
    calls = itertools.count(1)

    def deadly(name: str) -> None:
        ordinary = getattr(os, name)

        def call(*arguments, **options):
            if next(calls) == count:
                os.kill(os.getpid(), signal.SIGKILL)
            return ordinary(*arguments, **options)

        setattr(os, name, call)

    for name in ("fsync", "replace", "unlink"):
        deadly(name)


def steps(folder: Path) -> None:
    for count in itertools.count(1):
        (folder / str(count)).mkdir()
        if (child := os.fork()) == 0:
            die_before(count)
            history(Store(folder / str(count)))
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            return


def loop(folder: Path) -> None:
    parts.MOST_PACKS = 2
    store = Store(folder)
    for number in itertools.count(1 + len(store.status_by_trial()) // 3):
        write(store, number, {f"{number}-{member}": "ok" for member in "abc"})
        print(number, flush=True)
        if number % 3 == 0:
            store.compact()


if __name__ == "__main__":
    {"steps": steps, "loop": loop}[sys.argv[1]](Path(sys.argv[2]))
