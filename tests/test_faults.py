"""What happens around a run: the head of the cluster dies, the clock jumps, the terminal closes (real processes)."""

import importlib.util
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mdlray
from mdlray.results import Store

ROOT = Path(__file__).parents[1]
SWEEP = str(Path(__file__).parent / "assets" / "chaos_sweep.py")
RAYS_OWN = ("ResourceWarning", "pytest.PytestUnraisableExceptionWarning")
pytestmark = [pytest.mark.filterwarnings(f"ignore::{warning}") for warning in RAYS_OWN]

USES_OF_THE_CLOCK = {
    "mdlray/driver/run.py": "datetime.now(UTC)",  # in the manifest, for people
    "mdlray/storage/lock_owner.py": "datetime.now(UTC)",  # in the lock, for people
}


def start(words: list[str], folder: Path, **environment: str) -> subprocess.Popen[bytes]:
    """The command with a Ray of its own; what it prints goes to `log`."""
    ours = {"RAY_AUTH_MODE": "disabled", "COLUMNS": "120", "MDLRAY_TEST_MARK": str(folder)}
    command = [sys.executable, "-m", "mdlray.sweep", SWEEP, "--gpus", "0", "--results", str(folder), *words]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=folder, env=os.environ | ours | environment, stdout=log, stderr=subprocess.STDOUT
        )


def num_rows(folder: Path) -> int:
    return len(Store(folder / "chaos_sweep").status_by_trial())


def wait(is_so: Callable[[], object], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 240
    while not is_so():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.05)


def check_all_rows(folder: Path, count: int) -> None:
    rows = mdlray.load(folder / "chaos_sweep")
    assert len(rows) == count and rows["trial_id"].is_unique
    assert (rows["status"] == "ok").all() and rows["decoded_ok"].all()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("killed", "number"),
    [
        (("gcs_server", "raylet"), signal.SIGKILL),
        (("gcs_server",), signal.SIGKILL),
        (("raylet",), signal.SIGKILL),
        (("raylet",), signal.SIGTERM),
        ((), None),
    ],
    ids=["both killed", "head killed", "raylet killed", "raylet told to end", "owner shuts down"],
)
def test_a_head_that_dies_ends_the_command_which_resumes_on_another_cluster(
    killed: tuple[str, ...],
    number: int | None,
    separate_cluster: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log, words = tmp_path / "log", (SWEEP, "--gpus", "1", "--results", str(tmp_path), "--trials", "48")
    first = separate_cluster((1,))
    driver = first.sweep(*words, log=log)
    wait(lambda: num_rows(tmp_path) >= 4, driver, log)
    for kind in killed:
        os.kill(first.state["head"][kind], number)
    if not killed:
        first.process.stdin.close()
    begun = time.monotonic()
    code = driver.wait(120)
    with capsys.disabled():
        print(f"\n{' and '.join(killed) or 'owner'}, {number}: exit code {code} after {time.monotonic() - begun:.0f} s")
    printed = " ".join(log.read_text().split())
    assert code == 3, printed
    head = f"the head of the Ray cluster at {first.address} has not answered for 3"
    assert (head if killed == ("gcs_server",) else "Ray's part on this machine") in printed, printed
    assert "Nothing that is stored is lost." in printed and "resume with: python -m mdlray.sweep" in printed, printed
    stored = num_rows(tmp_path)
    assert 4 <= stored < 48
    if killed:
        first.process.kill()
    first.stop()
    second = separate_cluster((1,))
    assert second.sweep(*words, log=log).wait(240) == 0, log.read_text()
    assert f"{48 - stored} trials in" in log.read_text()
    check_all_rows(tmp_path, 48)
    assert second.stop() == {}


def test_no_clock_decides_anything() -> None:
    """A clock that jumps must not matter: waits are measured with the monotonic one, files are ordered by numbers."""
    pattern = re.compile(r"time\.time(?:_ns)?\(|datetime\.(?:now|today|utcnow)\([^)]*\)|st_[amc]time|getmtime")
    found = {
        (str(path.relative_to(ROOT)), use)
        for path in sorted((ROOT / "mdlray").rglob("*.py"))
        for use in pattern.findall(path.read_text())
    }
    assert found == set(USES_OF_THE_CLOCK.items())


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(importlib.util.find_spec("libfaketime") is None, reason="needs libfaketime (pip)")
def test_a_clock_that_is_set_back_ten_years_and_then_forward_changes_nothing(tmp_path: Path) -> None:
    """The clock of the driver and of its Ray jumps while they run, and between the runs."""
    package = importlib.util.find_spec("libfaketime")
    assert package and package.origin
    library = Path(package.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
    clock = tmp_path / "clock"
    faked = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    show = "import time; print(time.strftime('%Y'))"
    clock.write_text("-10y")
    shown = subprocess.run([sys.executable, "-c", show], env=os.environ | faked, capture_output=True, text=True)
    assert int(shown.stdout) == time.gmtime().tm_year - 10, "the clock is not faked"

    log, finished = tmp_path / "log", 0
    for before, then in (("+0", "-10y"), ("-10y", "+5y")):
        clock.write_text(before)
        driver = start(["--trials", "60"], tmp_path, **faked)
        for year, least in ((before, finished + 6), (then, finished + 12)):
            clock.write_text(year)
            wait(lambda least=least: num_rows(tmp_path) >= least, driver, log)
        driver.kill()
        driver.wait()
        finished = num_rows(tmp_path)
        assert 12 <= finished < 60
    clock.write_text("-20y")
    assert start(["--trials", "60"], tmp_path, **faked).wait(240) == 0, log.read_text()
    assert f"{60 - finished} trials in" in log.read_text()
    check_all_rows(tmp_path, 60)
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    assert start(["--trials", "60"], undisturbed).wait(240) == 0
    tables = [mdlray.load(folder / "chaos_sweep").drop(columns="wall_seconds") for folder in (tmp_path, undisturbed)]
    assert tables[0].equals(tables[1])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_signals_end_the_command_with_its_tables_and_the_command_that_resumes(tmp_path: Path) -> None:
    """SIGTERM while packs run; then Ctrl-C twice; then Ctrl-C while Ray starts; each time it resumes."""
    log, words = tmp_path / "log", ["--trials", "120", "--cpus", "1"]
    process, stored = start(words, tmp_path), 0
    wait(lambda: num_rows(tmp_path) >= 3, process, log)
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 143, log.read_text()
    stored = num_rows(tmp_path)
    assert f"interrupted; {stored} trials are stored. Resume with: python -m mdlray.sweep" in _printed(log)
    assert 3 <= stored < 120 and (tmp_path / "chaos_sweep" / "front.parquet").exists()

    log.unlink()
    process = start(words, tmp_path)
    wait(lambda: num_rows(tmp_path) > stored, process, log)
    process.send_signal(signal.SIGINT)
    wait(lambda: "stopping" in log.read_text(), process, log)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130, log.read_text()
    assert "interrupted; what is stored stays. Resume with: python -m mdlray.sweep" in _printed(log)

    log.unlink()
    process = start(words, tmp_path)
    wait(lambda: any("raylet/raylet" in name for name in _marked(str(tmp_path)).values()), process, log)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130, log.read_text()
    assert "Resume with: python -m mdlray.sweep" in _printed(log) and "Traceback" not in _printed(log)
    # Ray's agent looks for its raylet only once it has started, which on a busy machine takes more than a minute.
    deadline = time.monotonic() + 180
    while left := _marked(str(tmp_path)):
        assert time.monotonic() < deadline, left
        time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_terminal_that_closes_leaves_a_resumable_state_and_no_process(tmp_path: Path) -> None:
    """A real terminal, whose other end goes away: the system sends SIGHUP, and printing is an error from then on."""
    log = tmp_path / "log"
    process, terminal = pty.fork()
    if process == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # Tests started with nohup would hand their ignoring it on.
        ours = {"RAY_AUTH_MODE": "disabled", "MDLRAY_TEST_MARK": str(tmp_path)}
        command = [sys.executable, "-m", "mdlray.sweep", SWEEP, "--gpus", "0", "--trials", "120"]
        os.execve(sys.executable, [*command, "--results", str(tmp_path)], os.environ | ours)
    os.set_blocking(terminal, False)
    deadline, printed = time.monotonic() + 240, b""
    while num_rows(tmp_path) < 6:
        assert time.monotonic() < deadline, printed.decode()
        assert (more := _read(terminal)) is not None, printed.decode()
        printed += more
        time.sleep(0.05)
    os.close(terminal)
    deadline = time.monotonic() + 90
    while (ended := os.waitpid(process, os.WNOHANG))[0] == 0:
        assert time.monotonic() < deadline, "the command hangs"
        time.sleep(0.1)
    assert ended[1] != 0
    stored = num_rows(tmp_path)
    assert 6 <= stored < 120
    while left := _marked(str(tmp_path)):
        assert time.monotonic() < deadline, left
        time.sleep(0.5)
    assert start(["--trials", "120"], tmp_path).wait(240) == 0, log.read_text()
    assert f"{120 - stored} trials in" in log.read_text()
    check_all_rows(tmp_path, 120)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how_often", [1, 1000])
def test_a_ray_whose_helper_starts_late_is_started_again(how_often: int, tmp_path: Path) -> None:
    """As on a machine that is too busy; Ray allows its agent 15 seconds and gives up after 30."""
    late = f"""
import pathlib, sys, time
if any(word.endswith("dashboard/agent.py") for word in sys.orig_argv):
    for number in range({how_often}):
        try:
            pathlib.Path("{tmp_path}", f"late-{{number}}").touch(exist_ok=False)
        except FileExistsError:
            continue
        time.sleep(30)
        break
"""
    (tmp_path / "sitecustomize.py").write_text(late)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    code = start(["--trials", "6"], tmp_path, PYTHONPATH=path).wait(400)
    printed = " ".join((tmp_path / "log").read_text().split())
    assert list(tmp_path.glob("late-*")), printed
    if how_often == 1:
        assert code == 0, printed
        check_all_rows(tmp_path, 6)
    else:
        assert code == 2 and "Traceback" not in printed, printed
        assert "Ray did not start on this machine in 3 attempts, as if it were too busy." in printed
    deadline = time.monotonic() + 60
    while left := _marked(str(tmp_path)):
        assert time.monotonic() < deadline, left
        time.sleep(0.5)


def _printed(log: Path) -> str:
    return " ".join(log.read_text().split())


def _read(terminal: int) -> bytes | None:
    """What has been printed since; None where nobody is left to print."""
    try:
        return os.read(terminal, 100_000)
    except BlockingIOError:
        return b""
    except OSError:
        return None


def _marked(mark: str) -> dict[int, str]:
    """Processes with this mark in their environment."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"MDLRAY_TEST_MARK={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found
