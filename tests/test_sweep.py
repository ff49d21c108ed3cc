"""The command: what it refuses, what it leaves, and that it can be killed at any moment (real Ray, real kills)."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import mdlray
from mdlray.data import load_images
from mdlray.driver.work_queue import digest_of, settle
from mdlray.results import Store
from mdlray.spec import TrialSpec, replace_fields
from mdlray.sweep import app

ASSETS = Path(__file__).parent / "assets"
TINY = str(ASSETS / "tiny_sweep.py")


def call(*words: str) -> tuple[int, str]:
    """The command in this process; nothing that starts Ray."""
    result = CliRunner().invoke(app, list(words))
    return result.exit_code, " ".join(result.output.split())


def start(*words: str, cwd: Path) -> subprocess.Popen[str]:
    """The command as a user starts it."""
    environment = os.environ | {"COLUMNS": "120", "MDLRAY_DATA": str(cwd)}
    return subprocess.Popen(
        [sys.executable, "-m", "mdlray.sweep", *words],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=180)
    return output


def wait_for_rows(folder: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while len(Store(folder).status_by_trial()) < count:
        assert process.poll() is None, end(process)
        assert time.monotonic() < deadline
        time.sleep(0.02)


def measured(folder: Path) -> pd.DataFrame:
    """The columns that must not depend on what happened on the way."""
    rows = mdlray.load(folder)
    return rows.drop(columns=["wall_seconds"]).sort_values("trial_id", ignore_index=True)


def test_lists_the_sweeps() -> None:
    code, output = call("--list")
    assert code == 0 and re.search(r"compare_pruning [\d,]+ trials Which compression is best", output)


def test_what_is_no_sweep_is_listed_with_its_error_and_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "broken.py").write_text("SWEEP = 3\n")
    (tmp_path / "sweeps" / "agent.py").write_text("import wandb\n")
    (tmp_path / "sweeps" / "tiny_sweep.py").write_text((ASSETS / "tiny_sweep.py").read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mdlray.planning.sweep_file.OWN_SWEEPS", tmp_path / "none")
    code, output = call("--list")
    assert code == 0 and "broken is no sweep: sweeps/broken.py must define SWEEP" in output
    assert "agent is no sweep: sweeps/agent.py does not define SWEEP" in output and "tiny_sweep 12 trials" in output
    (tmp_path / "sweeps" / "tiny_sweep.py").unlink()
    assert call("--list")[0] == 2, "nothing could be listed"


def test_the_list_is_whole_where_only_ascii_can_be_printed(tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    text = (ASSETS / "tiny_sweep.py").read_text().replace("Does the command work?", "§ 3: größer?")
    (tmp_path / "sweeps" / "tiny_sweep.py").write_text(text, encoding="utf-8")
    program = "import mdlray.planning.sweep_file as f; f.OWN_SWEEPS = f.Path('none'); import mdlray.sweep as s; s.app()"
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-c", program, "--list"],
        cwd=tmp_path,
        env=os.environ | plain,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0 and b"12 trials  ? 3: gr" in done.stdout, done


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ([], "name a sweep, e.g. `python -m mdlray.sweep compare_pruning`"),
        (["nope"], "there is no sweep 'nope'; known are: compare_pruning"),
        ([TINY, "--quick"], "has no quick variant"),
        ([TINY, "--search", "magic"], "--search is 'magic'; known are: optuna (= tpe), tpe, nsga2, gp, random"),
        ([TINY, "--search", "tpe", "--retry-failed"], "--retry-failed does not go with a search"),
        ([TINY, "--results", "s3://key:secret@bucket/x"], "put keys into the environment"),
        ([TINY, "--results", "nope://bucket/x"], "cannot be used for results"),
        ([TINY, "--dataset", "imagenet"], "mnist5k"),
        ([TINY, "--dataset", "imagenet", "--plan"], "there is no data set 'imagenet'; the known ones are: mnist,"),
        (["shrink_students", "--search", "tpe", "--plan"], "has students in its grids"),
        ([TINY, "--trials", "0"], "greater than or equal to 1"),
        ([TINY, "--speed", "9"], "No such option"),
        (["own:import sys; sys.exit('say which data')"], "own.py, line 1: SystemExit: say which data"),
        (["own:import my_axes"], "own.py, line 1: ModuleNotFoundError: No module named 'my_axes'"),
        ([TINY, "--cpus", "0"], "greater than or equal to 1"),
        ([TINY, "--background-images", "/tmp"], "has no effect: no trial has a data set that ends in"),
        ([TINY, "--address", "ray://127.0.0.1:10001"], "give host:port without ray://"),
    ],
)
def test_bad_input_is_exit_code_2_and_says_what_to_do(words: list[str], answer: str, tmp_path: Path) -> None:
    results = [] if "--results" in words else ["--results", str(tmp_path)]
    (tmp_path / "own.py").write_text(words[0].removeprefix("own:") if words else "")
    words = [str(tmp_path / "own.py") if word.startswith("own:") else word for word in words]
    code, output = call(*words, *results)
    assert code == 2 and answer in output, output


def test_results_that_cannot_be_written_are_found_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, output = call(TINY, "--results", str(tmp_path / "file"))
    assert code == 2 and "error:" in output and "file" in output


def test_plan_shows_what_would_run_and_touches_nothing(tmp_path: Path) -> None:
    code, output = call(TINY, "--plan", "--results", str(tmp_path))
    assert code == 0 and "compression.pruning_ratio: 0.5, 0.9" in output and "no estimate" in output, output
    assert list(tmp_path.iterdir()) == []


def test_plan_of_a_search_shows_its_strata(tmp_path: Path) -> None:
    code, output = call(TINY, "--plan", "--search", "random", "--trials", "7", "--results", str(tmp_path))
    assert code == 0 and "tiny_sweep-random, seed 0" in output and "no estimate" in output, output
    assert list(tmp_path.iterdir()) == []


def test_the_options_are_these() -> None:
    """A new knob is a field of the spec or the sweep, not an option."""
    _, output = call("--help")
    options = set(re.findall(r"--[a-z-]+", output)) - {"--help"}
    assert options == set(
        "--gpus --cpus --address --data --dataset --background-images --results --trials --seed --quick --plan "
        "--retry-failed --list --search".split()
    )


def test_photographs_of_ones_own_become_part_of_the_ids(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)).save(tmp_path / "noise.png")
    specs = [
        replace_fields(TrialSpec(), {"data.dataset": f"mnist5k{variant}"}) for variant in ("", "_background_images")
    ]
    digest = digest_of(tmp_path, [spec.data.dataset for spec in specs])
    plain, with_pictures = (settle(spec, 0, digest) for spec in specs)
    assert plain == specs[0]
    assert with_pictures.trial_id != specs[1].trial_id and with_pictures.data.backgrounds.startswith("sha256:")
    images = load_images(with_pictures.data, 0, None, tmp_path)
    assert images.checksum != load_images(specs[1].data, 0, None).checksum


@pytest.mark.slow
def test_runs_reports_and_finds_everything_done(tmp_path: Path) -> None:
    output = end(process := start(TINY, "--gpus", "0", cwd=tmp_path))
    assert process.returncode == 0, output
    folder = tmp_path / "results" / "tiny_sweep"
    assert "front on mnist5k" in output and "12 trials in 6 packs" in output
    rows, front = pd.read_parquet(folder / "trials.parquet"), pd.read_parquet(folder / "front.parquet")
    assert len(rows) == 12 and (rows["status"] == "ok").all() and rows["decoded_ok"].all()
    assert len(front) == 2 and front["num_trials"].eq(6).all()
    assert {path.name for path in folder.iterdir()} >= {"report.html", "figures", "manifest.json", "models"}
    network = mdlray.decode(folder / "models" / f"{rows['trial_id'][0]}.mdl")
    assert network.sizes == (784, 6, 10)
    before = measured(folder)
    again = end(process := start(TINY, cwd=tmp_path))
    assert process.returncode == 0 and "all 12 trials are done" in again
    pd.testing.assert_frame_equal(measured(folder), before)
    code, plan = call(TINY, "--plan", "--results", str(tmp_path / "results"))
    assert code == 0 and "going by the finished trials" in plan


@pytest.mark.slow
def test_two_files_of_one_name_in_one_folder_are_noted(tmp_path: Path) -> None:
    text = Path(TINY).read_text().replace("vary_seeds(6)", "vary_seeds(1)")
    (tmp_path / "first.py").write_text(text)
    (tmp_path / "second.py").write_text(text.replace("Does the command work?", "Another question?"))
    outputs = [
        end(start(name, *more, cwd=tmp_path))
        for name, more in (("first.py", ["--trials", "1"]), ("second.py", ["--plan"]), ("first.py", ["--plan"]))
    ]
    note = "note: the last run in this folder was of first.py with the question 'Does the command work?'; rows of"
    assert [note in " ".join(output.split()) for output in outputs] == [False, True, False], outputs
    (last,) = Store(tmp_path / "results" / "tiny_sweep").read_manifest()["runs"]
    assert (last["file"], len(last["sweep_version"])) == ("first.py", 16)
    second = " ".join(end(start("second.py", "--trials", "1", cwd=tmp_path)).split())
    assert note in second and second.index(note) < second.index("all 1 trials are done"), second


@pytest.mark.slow
def test_a_killed_driver_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    """kill -9 of the driver, twice; the resumed table equals the undisturbed one bit for bit."""
    undisturbed, disturbed = tmp_path / "a", tmp_path / "b"
    for folder in (undisturbed, disturbed):
        folder.mkdir()
    assert end(process := start(TINY, "--gpus", "0", cwd=undisturbed)) and process.returncode == 0
    folder = disturbed / "results" / "tiny_sweep"
    finished: set[str] = set()
    for rows in (2, 6):
        process = start(TINY, "--gpus", "0", cwd=disturbed)
        wait_for_rows(folder, rows, process)
        process.kill()
        end(process)
        status = Store(folder).status_by_trial()
        assert finished <= set(status)
        finished = set(status)
    done = {path.name: path.stat().st_mtime_ns for path in (folder / "models").iterdir() if path.stem in finished}
    output = end(process := start(TINY, "--gpus", "0", cwd=disturbed))
    assert process.returncode == 0 and f"{12 - len(finished)} trials in" in output, output
    for name, time_ns in done.items():
        assert (folder / "models" / name).stat().st_mtime_ns == time_ns, "a finished trial was run again"
    pd.testing.assert_frame_equal(measured(folder), measured(undisturbed / "results" / "tiny_sweep"))
    assert not list(folder.rglob(".tmp-*")) and not list((folder / "parts").glob("*.parquet"))


@pytest.mark.slow
def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    process = start(TINY, "--gpus", "0", cwd=tmp_path)
    folder = tmp_path / "results" / "tiny_sweep"
    wait_for_rows(folder, 2, process)
    children = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    workers = [int(line.split()[0]) for line in children.splitlines() if "ray::ImplicitFunc" in line]
    mine = [pid for pid in workers if _descends(pid, process.pid)]
    assert mine, children
    os.kill(mine[0], signal.SIGKILL)
    output = end(process)
    assert process.returncode == 0, output
    assert (mdlray.load(folder)["status"] == "ok").sum() == 12


@pytest.mark.slow
def test_an_interrupt_leaves_a_resumable_state(tmp_path: Path) -> None:
    process = start(TINY, "--gpus", "0", cwd=tmp_path)
    folder = tmp_path / "results" / "tiny_sweep"
    wait_for_rows(folder, 2, process)
    process.send_signal(signal.SIGINT)
    output = end(process)
    assert process.returncode == 130 and "Resume with: python -m mdlray.sweep" in output, output
    stored = len(mdlray.load(folder))
    assert 2 <= stored < 12
    output = end(process := start(TINY, "--gpus", "0", cwd=tmp_path))
    assert process.returncode == 0 and f"{12 - stored} trials in" in output, output


@pytest.mark.slow
def test_failed_rows_are_listed_and_retried_on_request(tmp_path: Path) -> None:
    sweep = tmp_path / "wild.py"
    text = (ASSETS / "tiny_sweep.py").read_text().replace('name="tiny_sweep"', 'name="wild"')
    sweep.write_text(text.replace("vary_seeds(6)", 'vary("training.learning_rate", 1e30, 0.1)'))
    output = end(process := start(str(sweep), "--gpus", "0", cwd=tmp_path))
    assert process.returncode == 1 and "2 of 4 trials failed" in output and "try a lower learning_rate" in output
    again = end(process := start(str(sweep), "--gpus", "0", cwd=tmp_path))
    assert process.returncode == 1 and "all 4 trials have a row, and 2 of them failed" in again
    retried = end(process := start(str(sweep), "--gpus", "0", "--retry-failed", cwd=tmp_path))
    assert process.returncode == 1 and "2 trials in" in retried
    assert len(mdlray.load(tmp_path / "results" / "wild")) == 4


@pytest.mark.slow
def test_a_method_that_was_mended_runs_again_without_being_asked(tmp_path: Path) -> None:
    """Beside it, magnitude is not harmed by the failure, and not run again."""
    text = (ASSETS / "tiny_sweep.py").read_text().replace('name="tiny_sweep"', 'name="own"')
    text = text.replace("vary_seeds(6)", 'vary("compression.method", "magnitude", "own")')
    broken = "from mdlray.compression.saliency import SALIENCIES, magnitude\n\n\ndef own(*arguments):\n"
    sweep = tmp_path / "own.py"
    sweep.write_text(f'{text}\n{broken}    raise KeyError("oops")\n\n\nSALIENCIES["own"] = own\n')
    output = end(process := start("own.py", "--gpus", "0", cwd=tmp_path))
    assert process.returncode == 1 and "2 of 4 trials failed" in output and "KeyError: 'oops'" in output, output
    again = end(process := start("own.py", "--gpus", "0", cwd=tmp_path))
    assert process.returncode == 1 and "all 4 trials have a row, and 2 of them failed" in again, again
    sweep.write_text(f'{text}\n{broken}    return magnitude(*arguments)\n\n\nSALIENCIES["own"] = own\n')
    mended = end(process := start("own.py", "--gpus", "0", cwd=tmp_path))
    assert process.returncode == 0 and "2 trials in" in mended, mended
    rows = mdlray.load(tmp_path / "results" / "own")
    assert (rows["status"] == "ok").all() and rows.groupby("method")["sweep_version"].nunique().eq(1).all()
    assert rows["sweep_version"].nunique() == 2


@pytest.mark.slow
def test_a_sweep_in_which_nothing_works_ends_after_three_packs_and_says_the_error_once(tmp_path: Path) -> None:
    sweep = tmp_path / "broken.py"
    text = (ASSETS / "tiny_sweep.py").read_text().replace('name="tiny_sweep"', 'name="broken"')
    text = text.replace('method="magnitude"', 'method="broken"').replace("vary_seeds(6)", "vary_seeds(20)")
    method = "def broken(*arguments):\n    raise RuntimeError('it never works')\n\nSALIENCIES['broken'] = broken\n"
    sweep.write_text(f"from mdlray.compression import SALIENCIES\n{text}\n{method}")
    output = end(process := start(str(sweep), "--gpus", "0", "--cpus", "1", cwd=tmp_path))
    assert process.returncode == 1 and output.count("it never works") == 1, output
    assert "the first 3 packs failed, each of their 6 trials with one error" in output
    assert "--gpus 0 --cpus 1 --retry-failed" in output
    assert list(mdlray.load(tmp_path / "results" / "broken")["status"]) == ["failed"] * 6
    output = end(process := start(str(sweep), "--gpus", "0", "--trials", "6", cwd=tmp_path))
    assert process.returncode == 1 and "nothing to run: all 6 trials have a row, and 6 of them failed" in output


@pytest.mark.slow
def test_a_method_in_the_sweeps_own_file_runs_in_the_workers(tmp_path: Path) -> None:
    """The README's recipe, word for word, in a sweep of a user's own."""
    recipe = (ASSETS.parent.parent / "README.md").read_text().split("**pruning method**")[1].split("```")[1]
    text = (ASSETS / "tiny_sweep.py").read_text().replace('name="tiny_sweep"', 'name="own"')
    text = text.replace('method="magnitude"', 'method="relative_magnitude"').replace("vary_seeds(6)", "vary_seeds(1)")
    imports = "from mdlray.compression import SALIENCIES\nfrom mdlray.models import prunable\n"
    (tmp_path / "own.py").write_text(text + imports + recipe.removeprefix("python"))
    output = end(process := start("own.py", "--gpus", "0", cwd=tmp_path))
    assert process.returncode == 0, output
    assert set(mdlray.load(tmp_path / "results" / "own")["method"]) == {"relative_magnitude"}


@pytest.mark.slow
def test_photographs_reach_the_workers_by_a_relative_path(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)).save(pictures / "noise.png")
    words = ("--dataset", "mnist5k_background_images", "--background-images", "pictures", "--trials", "2")
    output = end(process := start(TINY, "--gpus", "0", *words, cwd=tmp_path))
    assert process.returncode == 0 and (mdlray.load(tmp_path / "results" / "tiny_sweep")["status"] == "ok").all(), (
        output
    )


@pytest.mark.slow
def test_gpus_that_are_not_there_are_an_error_within_seconds(tmp_path: Path) -> None:
    begun = time.monotonic()
    output = end(process := start(TINY, "--gpus", "8000", cwd=tmp_path))
    assert process.returncode == 2 and "--gpus 0 for the CPU" in " ".join(output.split())
    assert time.monotonic() - begun < 60


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_eight_logical_gpus_of_a_cluster(cluster: object, tmp_path: Path) -> None:
    """`--gpus 8 --address`: one pack per logical GPU, on a machine that has none."""
    output = end(process := start(TINY, "--gpus", "8", "--address", cluster.address, cwd=tmp_path))
    assert process.returncode == 0 and "8 at a time" in output, output
    assert torch.cuda.is_available() or "torch sees none there" in output
    rows = mdlray.load(tmp_path / "results" / "tiny_sweep")
    assert (rows["status"] == "ok").sum() == 12 and rows["decoded_ok"].all()


def _descends(pid: int, ancestor: int) -> bool:
    """Whether a process belongs to the Ray session that `ancestor` started (raylets have the driver as forebear)."""
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except FileNotFoundError:
            return False
    return False
