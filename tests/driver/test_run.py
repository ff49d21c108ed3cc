"""The driver's part: a long pack goes on after its worker died, a search through the command, early stopping."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import mdlray
from mdlray.planning import Pack, expand
from mdlray.planning.sweep_file import load_sweep
from mdlray.results import Store
from mdlray.results.pack_result import PackResult
from mdlray.spec import DataSpec

ASSETS = Path(__file__).parents[1] / "assets"
TINY = str(ASSETS / "tiny_sweep.py")
RAYS_OWN = ("ResourceWarning", "FutureWarning", "DeprecationWarning", "pytest.PytestUnraisableExceptionWarning")
pytestmark = [pytest.mark.filterwarnings(f"ignore::{warning}") for warning in RAYS_OWN]


def command(*words: str, cwd: Path) -> tuple[int, str]:
    environment = os.environ | {"RAY_AUTH_MODE": "disabled", "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "mdlray.sweep", *words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_a_long_pack_goes_on_where_its_worker_died(tmp_path: Path) -> None:
    """The rows are those of a pack that nothing happened to, and its images are views of the node's shared memory."""
    from mdlray import dispatch
    from mdlray.data import load_images
    from mdlray.worker.run_pack import WorkerConfig, run_pack

    pack = Pack("tiny_sweep", tuple(expand(load_sweep(Path(TINY)))[:4]))
    store, config = Store(tmp_path / "tiny_sweep"), WorkerConfig(checkpoint_seconds=0.0)
    dispatch.connect("local")
    images = dispatch.share(lambda: load_images(DataSpec(dataset="mnist5k"), 0, None))
    begun: list[bytes | None] = []
    results: list[PackResult] = []

    def inputs(pack: Pack) -> dict[str, object]:
        begun.append(store.read_checkpoint(pack.pack_id))
        return {"checkpoint": begun[-1]}

    def work(pack: Pack, save: object, checkpoint: bytes | None) -> PackResult:
        saved = []

        def save_and_die(state: bytes) -> None:
            save(state)
            saved.append(state)
            if checkpoint is None and len(saved) == 2:
                os.kill(os.getpid(), signal.SIGKILL)

        pixels_NP = images().pixels_NP
        assert not pixels_NP.flags.writeable and not pixels_NP.flags.owndata
        return run_pack(pack, config, images=images, checkpoint=checkpoint, save=save_and_die)

    watch = dispatch.DriverCallbacks(
        inputs,
        lambda pack, state: store.write_checkpoint(pack.pack_id, state),
        lambda pack, result: results.append(result),
        lambda pack, reason: pytest.fail(reason),
    )
    batches = iter([[pack]])
    assert dispatch.run_packs(lambda: next(batches, None), work, dispatch.choose_resources(0), watch)
    dispatch.disconnect()
    assert len(begun) == 2 and begun[0] is None and begun[1]
    undisturbed = run_pack(pack, WorkerConfig())
    drop = ["wall_seconds"]
    pd.testing.assert_frame_equal(
        pd.DataFrame(results[0].rows).drop(columns=drop), pd.DataFrame(undisturbed.rows).drop(columns=drop)
    )
    assert results[0].files == undisturbed.files and results[0].tables["curves"] == undisturbed.tables["curves"]


@pytest.mark.slow
def test_a_search_through_the_command(tmp_path: Path) -> None:
    words = (TINY, "--search", "optuna", "--trials", "12", "--gpus", "0")
    code, output = command(*words, cwd=tmp_path)
    folder = tmp_path / "results" / "tiny_sweep-tpe"
    assert code == 0 and "12 trials, " in output and "front on mnist5k" in output, output
    rows = mdlray.load(folder)
    storage = JournalStorage(JournalFileBackend(str(folder / "optuna.journal")))
    (summary,) = optuna.get_all_study_summaries(storage=storage)
    trials = optuna.load_study(study_name=summary.study_name, storage=storage).get_trials()
    by_id = rows.set_index("trial_id")
    assert len(trials) == 12 and {trial.state for trial in trials} == {optuna.trial.TrialState.COMPLETE}
    for trial in trials:
        row = by_id.loc[trial.user_attrs["trial_id"]]
        assert trial.values == [row["validation_accuracy"], np.log10(row["compressed_bytes"])]
    code, output = command(*words, cwd=tmp_path)
    assert code == 0 and "all 12 trials are done" in output
    code, output = command(*words[:3], "--plan", cwd=tmp_path)
    assert code == 0 and "288" in output, "the budget without --trials is 300"


@pytest.mark.slow
def test_stopped_trials_are_done_for_a_sweep_that_stops_and_missing_for_one_that_does_not(tmp_path: Path) -> None:
    text = (ASSETS / "tiny_sweep.py").read_text().replace("networks_per_pack_cpu=2", "networks_per_pack_cpu=12")
    whole, halving = tmp_path / "whole.py", tmp_path / "halving.py"
    whole.write_text(text)
    text = text.replace("import Sweep,", "import Halving, Sweep,")
    halving.write_text(text.replace("networks_per_pack_cpu=12", "networks_per_pack_cpu=12,\n    halving=Halving()"))
    code, output = command(str(halving), "--gpus", "0", cwd=tmp_path)
    assert code == 0 and "early stopping saved" in output, output
    folder = tmp_path / "results" / "tiny_sweep"
    stopped = mdlray.load(folder).set_index("trial_id")
    assert {"ok", "stopped"} == set(stopped["status"]) and stopped["decoded_ok"].all()
    assert list(stopped["trained_epochs"] < stopped["num_epochs"]) == list(stopped["status"] == "stopped")
    code, output = command(str(halving), "--gpus", "0", cwd=tmp_path)
    assert code == 0 and "all 12 trials are done" in output
    code, output = command(str(whole), "--gpus", "0", cwd=tmp_path)
    assert code == 0 and f"{(stopped['status'] == 'stopped').sum()} trials in" in output, output
    ended = mdlray.load(folder).set_index("trial_id")
    assert len(ended) == 12 and set(ended["status"]) == {"ok"}
