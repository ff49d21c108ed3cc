"""A writer killed with SIGKILL at any moment: readers see whole packs, all that were safe, and nothing else."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mdlray.results.store import Store
from mdlray.storage.local import LEFTOVER

SCRIPT = str(Path(__file__).with_name("killed_writer.py"))

# What is read after each step of the script's history: trial -> (status, number of the pack that counts).
AFTER = [
    {},
    {"a": ("ok", 0), "b": ("failed", 0)},
    {"a": ("ok", 0), "b": ("ok", 1), "c": ("ok", 1)},
    {"a": ("ok", 0), "b": ("ok", 1), "c": ("ok", 1)},
    {"a": ("ok", 0), "b": ("ok", 1), "c": ("ok", 1), "d": ("ok", 3)},
    {"a": ("ok", 0), "b": ("ok", 1), "c": ("ok", 1), "d": ("ok", 3)},
]


def rows_and_everything_they_speak_of(store: Store) -> dict[str, tuple[str, int]]:
    trials, curves, layers = store.read_trials(), store.read("curves"), store.read("layers")
    rows = {t: (s, int(n)) for t, s, n in zip(trials.trial_id, trials.status, trials.wall_seconds, strict=True)}
    assert len(rows) == len(trials)
    ok = {trial: number for trial, (status, number) in rows.items() if status == "ok"}
    points = curves.groupby("trial_id")["train_accuracy"].agg(list).to_dict()
    assert points == {trial: [number] * 2 for trial, number in ok.items()}
    assert sorted(layers["trial_id"]) == sorted(ok)
    weights = store.read("weights")
    assert dict(zip(weights["trial_id"], weights["num_zero"], strict=True)) == ok and len(weights) == len(ok)
    for trial in ok:
        assert store.model_path(trial).read_bytes() == f"model of {trial}".encode() * 100
    assert store.status_by_trial() == {trial: status for trial, (status, _) in rows.items()}
    return rows


def leftovers(folder: Path) -> list[str]:
    return [name for _, _, names in os.walk(folder) for name in names if name.startswith(LEFTOVER)]


def test_a_death_before_any_flush_rename_or_removal(tmp_path):
    subprocess.run([sys.executable, "-W", "ignore", SCRIPT, "steps", str(tmp_path)], check=True, timeout=120)
    folders = sorted(tmp_path.iterdir(), key=lambda folder: int(folder.name))
    assert len(folders) > 40
    assert any(leftovers(folder) for folder in folders)
    for folder in folders:
        store, safe = Store(folder), folder / "safe"
        num_safe = int(safe.read_text()) + 1 if safe.exists() else 0
        seen = rows_and_everything_they_speak_of(store)
        assert seen in AFTER[num_safe : num_safe + 2], folder
        store.compact()
        assert rows_and_everything_they_speak_of(store) == seen
        assert leftovers(folder) == [] and not any(folder.glob("parts/*"))
    assert rows_and_everything_they_speak_of(Store(folders[-1])) == AFTER[-1]


def kill_again_and_again(folder: Path, num_kills: int) -> None:
    store, moments = Store(folder), random.Random(0)
    for _ in range(num_kills):
        writer = subprocess.Popen([sys.executable, SCRIPT, "loop", str(folder)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        said = [writer.stdout.readline()]
        end = time.monotonic() + moments.uniform(0.0, 0.4)
        num_seen = 0
        while time.monotonic() < end:
            # A reader beside a writer that compacts: whole packs, and never fewer than before.
            num_rows = len(store.read_trials())
            assert num_rows % 3 == 0 and num_rows >= num_seen
            num_seen = num_rows
        writer.kill()
        said += writer.communicate()[0].split()
        rows = rows_and_everything_they_speak_of(store)
        numbers = sorted({number for _, number in rows.values()})
        assert len(rows) == 3 * len(numbers)
        assert numbers == list(range(1, len(numbers) + 1))
        assert int(said[-1]) <= numbers[-1] <= int(said[-1]) + 1


def test_deaths_at_random_moments(tmp_path):
    kill_again_and_again(tmp_path, 4)


@pytest.mark.slow
def test_many_deaths_at_random_moments(tmp_path):
    kill_again_and_again(tmp_path, 80)
