"""Random kills of everything that takes part in a sweep; at the end the results are those of an undisturbed run.

Real processes: a Ray cluster of three nodes, the command as a user types it. Killed are workers, nodes, and the driver,
that also in the middle of a write. Set MDLRAY_CHAOS_SEED to repeat a schedule (its moments depend on the machine), and
MDLRAY_CHAOS_ROUNDS for a longer search, killed 15 times per round.
"""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

import mdlray
from mdlray.results import Store

SWEEP = str(Path(__file__).parent / "assets" / "chaos_sweep.py")
ROUNDS = int(os.environ.get("MDLRAY_CHAOS_ROUNDS") or 1)

# A node that is killed is known to be dead after three of these; Ray's default is three seconds, five times.
SETTINGS = {"RAY_health_check_period_ms": "500", "RAY_health_check_failure_threshold": "3"}

# A pack whose worker is lost four times in the life of one driver becomes failed rows: that is meant, and would end
# the equality that is tested. So no driver lives to see more losses than three, whichever pack they hit: three workers,
# or one node, whose packs may first be sent back to it until it is known to be dead.
LIVES: Mapping[str, list[tuple[str, ...]]] = {
    "search": ROUNDS
    * [
        ("worker", "worker", "worker", "driver in a write"),
        ("node", "driver"),
        ("worker", "worker", "worker", "driver"),
        ("node", "driver in a write"),
        ("worker", "worker", "driver"),
    ],
    "grid": [
        ("worker", "worker", "worker", "driver in a write"),
        ("node", "driver"),
        ("worker", "worker", "worker", "driver in a write"),
    ],
}
NUM_TRIALS = {"search": 152 * ROUNDS, "grid": 120}
WORDS = {"search": ("--search", "optuna", "--trials", str(NUM_TRIALS["search"])), "grid": ()}
FOLDERS = {"search": "chaos_sweep-tpe", "grid": "chaos_sweep"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    *(
        pytest.mark.filterwarnings(f"ignore::{name}")
        for name in ("ResourceWarning", "pytest.PytestUnraisableExceptionWarning")
    ),
]


@dataclass
class Chaos:
    """One sweep, and whoever disturbs it."""

    cluster: Any
    folder: Path
    words: tuple[str, ...]
    log: Path
    draw: random.Random
    num_trials: int
    kills: Counter[str] = field(default_factory=Counter)
    driver: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.driver = self.cluster.sweep(SWEEP, "--gpus", "2", *self.words, log=self.log)

    def end(self) -> None:
        """Wait for the sweep to end by itself."""
        assert self.driver and self.driver.wait(600) == 0, self.printed()

    def printed(self) -> str:
        return self.log.read_text()[-5000:]

    def rows(self) -> int:
        return len(Store(self.folder).status_by_trial())

    def wait(self, is_so: Callable[[], object]) -> None:
        """Until it is so; the driver must live, and go on."""
        assert self.driver
        deadline = time.monotonic() + 240
        while not is_so():
            assert self.driver.poll() is None, f"the driver ended with {self.driver.returncode}: {self.printed()}"
            assert time.monotonic() < deadline, self.printed()
            time.sleep(0.02)

    def kill(self, kind: str) -> None:
        """Once the sweep has got a few rows further, or is about to end."""
        rows = self.rows() + self.draw.randint(1, 4)
        self.wait(lambda: self.rows() >= rows)
        {
            "worker": self.kill_worker,
            "node": self.kill_node,
            "driver": self.kill_driver,
            "driver in a write": self.kill_driver_in_a_write,
        }[kind]()
        self.kills[kind] += 1
        assert self.rows() < self.num_trials, "the sweep was done before all kills; give it more trials"

    def kill_worker(self) -> None:
        self.wait(self.cluster.workers)
        time.sleep(self.draw.uniform(0, 0.5))
        self.wait(self.cluster.workers)
        os.kill(self.draw.choice(self.cluster.workers()), signal.SIGKILL)

    def kill_node(self) -> None:
        number = self.draw.randrange(len(self.cluster.state["raylets"]))
        os.kill(self.cluster.state["raylets"][number], signal.SIGKILL)
        time.sleep(self.draw.uniform(0, 2))
        self.cluster.replace_node(number)

    def kill_driver(self) -> None:
        assert self.driver
        time.sleep(self.draw.uniform(0, 0.5))
        self.driver.kill()
        self.driver.wait()

    def kill_driver_in_a_write(self) -> None:
        """Kill when an unfinished file appears, and again if the kill came late; the proof is what is left."""
        assert self.driver
        while True:
            self.wait_for_an_unfinished_file()
            self.driver.kill()
            self.driver.wait()
            if self.unfinished() or self.models_without_rows():
                return
            self.kills["driver, just after a write"] += 1
            self.start()

    def wait_for_an_unfinished_file(self) -> None:
        assert self.driver
        deadline = time.monotonic() + 240
        while not self.unfinished():
            if self.driver.poll() is not None or time.monotonic() > deadline:
                pytest.fail(self.printed())

    def unfinished(self) -> list[str]:
        """Files that are not finished; fast, since the moment passes."""
        names = []
        for folder in ("parts", "models", ""):
            try:
                names += [name for name in os.listdir(self.folder / folder) if name.startswith(".tmp-")]
            except FileNotFoundError:
                continue
        return names

    def models_without_rows(self) -> set[str]:
        models = self.folder / "models"
        named = {path.stem for path in models.glob("*.mdl")} if models.is_dir() else set()
        return named - set(Store(self.folder).status_by_trial())


@pytest.mark.parametrize("kind", ["search", "grid"])
def test_any_kills_leave_what_an_undisturbed_run_leaves(
    kind: str, separate_cluster: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("MDLRAY_CHAOS_SEED") or random.SystemRandom().randrange(10**6))
    begun = time.monotonic()
    cluster = separate_cluster((1, 1), **SETTINGS)
    results = {name: tmp_path / name for name in ("undisturbed", "disturbed")}
    chaos = {
        name: Chaos(
            cluster,
            path / FOLDERS[kind],
            ("--results", str(path), *WORDS[kind]),
            tmp_path / f"{name}.log",
            random.Random(seed),
            NUM_TRIALS[kind],
        )
        for name, path in results.items()
    }
    quiet, wild = chaos["undisturbed"], chaos["disturbed"]
    quiet.start()
    quiet.end()
    undisturbed_seconds = time.monotonic() - begun
    for life in LIVES[kind]:
        wild.start()
        for victim in life:
            wild.kill(victim)
    wild.start()
    wild.end()
    seconds = time.monotonic() - begun - undisturbed_seconds
    with capsys.disabled():
        counts = ", ".join(f"{count} x {name}" for name, count in wild.kills.items())
        print(f"\n{kind}, seed {seed}: {wild.kills.total()} kills ({counts}) in {seconds:.0f} s; ", end="")
        print(f"undisturbed {undisturbed_seconds:.0f} s")
    assert wild.kills.total() >= {"search": 15 * ROUNDS, "grid": 10}[kind] and wild.kills["driver in a write"] >= 2
    same_results(quiet.folder, wild.folder, NUM_TRIALS[kind])
    if kind == "search":
        same_journals(quiet.folder / "optuna.journal", wild.folder / "optuna.journal", NUM_TRIALS[kind])
    assert cluster.stop() == {}, "processes that outlive the cluster"


def measured(folder: Path) -> pd.DataFrame:
    """The columns that must not depend on what happened on the way."""
    rows = mdlray.load(folder)
    return rows.drop(columns=["wall_seconds"]).sort_values("trial_id", ignore_index=True)


def same_results(undisturbed: Path, disturbed: Path, num_trials: int) -> None:
    raw = pd.read_parquet(disturbed / "trials.parquet")
    assert len(raw) == num_trials and raw["trial_id"].is_unique and (raw["status"] == "ok").all()
    pd.testing.assert_frame_equal(measured(disturbed), measured(undisturbed))
    for name in ("curves", "layers", "weights"):
        pd.testing.assert_frame_equal(Store(disturbed).read(name), Store(undisturbed).read(name))
    models = [
        {path.name: path.read_bytes() for path in (folder / "models").iterdir()} for folder in (undisturbed, disturbed)
    ]
    assert len(models[0]) == num_trials and models[0] == models[1]
    assert (disturbed / "front.parquet").read_bytes() == (undisturbed / "front.parquet").read_bytes()
    names = [{path.relative_to(folder) for path in folder.rglob("*")} for folder in (undisturbed, disturbed)]
    assert names[0] == names[1], names[0] ^ names[1]
    for leftover in (".tmp-*", "parts/*", "checkpoints/*"):
        assert not list(disturbed.rglob(leftover)), leftover


def same_journals(undisturbed: Path, disturbed: Path, num_trials: int) -> None:
    """Both as Optuna's own backend reads them."""
    told = []
    for path in (undisturbed, disturbed):
        storage = JournalStorage(JournalFileBackend(str(path)))
        (name,) = optuna.get_all_study_names(storage)
        trials = optuna.load_study(study_name=name, storage=storage).get_trials()
        assert [trial.number for trial in trials] == list(range(num_trials))
        assert {trial.state for trial in trials} == {TrialState.COMPLETE}
        told.append([(trial.params, trial.values, trial.state, trial.user_attrs) for trial in trials])
    assert told[0] == told[1]
