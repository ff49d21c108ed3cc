"""Real processes that are sent real signals, in each of the moments that the module tells apart."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import signal, sys, time
from mdlray.driver.signals import Interrupted, Signals

signals = Signals(command="python -m mdlray.sweep mine")
signals.install()
moment = sys.argv[1]
if moment == "imports":
    print("ready", flush=True)
    time.sleep(60)
elif moment == "elsewhere":
    try:
        with signals.raising():
            print("ready", flush=True)
            time.sleep(60)
    except Interrupted:
        print("left in good order", flush=True)
        raise SystemExit(signals.exit_code)
elif moment == "packs":
    with signals.raising(), signals.watching():
        print("ready", flush=True)
        while signals.received is None:
            time.sleep(0.01)
    print("left in good order", flush=True)
    time.sleep(float(sys.argv[2]))
    raise SystemExit(signals.exit_code)
"""
RESUME = "Resume with: python -m mdlray.sweep mine"


def start(*words: str) -> subprocess.Popen[str]:
    """The program, once it waits for a signal."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process: subprocess.Popen[str] = subprocess.Popen([sys.executable, "-c", PROGRAM, *words], text=True, **pipes)
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_ends_in_good_order_with_the_code_of_a_shell(number: int) -> None:
    for words in (("elsewhere",), ("packs", "0")):
        process = start(*words)
        process.send_signal(number)
        printed, _ = process.communicate(timeout=60)
        assert process.returncode == 128 + number and printed == "left in good order\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_python_imports_is_answered_with_the_command_and_no_traceback(number: int) -> None:
    process = start("imports")
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number and RESUME in errors and "Traceback" not in errors


def test_the_second_signal_ends_at_once_and_says_how_to_resume() -> None:
    process = start("packs", "60")
    process.send_signal(signal.SIGINT)
    assert process.stdout and process.stdout.readline() == "left in good order\n"
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and RESUME in errors and "Traceback" not in errors
    assert time.monotonic() - begun < 30


def test_what_the_command_was_started_to_ignore_stays_ignored() -> None:
    ignoring = ["nohup", sys.executable, "-c", PROGRAM, "packs", "0"]
    process = subprocess.Popen(ignoring, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143


def test_ctrl_c_while_the_command_imports(tmp_path: Path) -> None:
    """The command itself, interrupted as soon as its handlers are there."""
    command = [sys.executable, "-m", "mdlray.sweep", "compare_pruning", "--plan", "--results", str(tmp_path)]
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not catches(process.pid, signal.SIGTERM):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in errors
    assert "Resume with: python -m mdlray.sweep compare_pruning --plan" in errors


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler of its own for a signal."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    caught = int(next(line.split()[1] for line in lines if line.startswith("SigCgt")), 16)
    return bool(caught >> (number - 1) & 1)
