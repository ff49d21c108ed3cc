"""Standard output that goes away while the command runs: real pipes and a full disk."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
from rich.console import Console
from mdlray.driver.output import Output

console = Console(file=Output(), highlight=False, markup=False)
for number in range(1000):
    console.print(f"line {number} {200 * chr(45)}", soft_wrap=True)
raise SystemExit(7)
"""


def test_a_reader_that_leaves_changes_nothing_and_nothing_is_said() -> None:
    command = f"{sys.executable} -c '{PROGRAM}' | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, f"line 0 {'-' * 200}\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_named_once_and_the_command_goes_on() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", PROGRAM], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 7
    assert done.stderr == "note: stdout cannot be written (No space left on device); the command goes on.\n"


@pytest.mark.slow
@pytest.mark.parametrize("words", ["--list", "compare_pruning --plan"])
def test_the_list_and_the_plan_into_a_reader_of_one_line(words: str, tmp_path: Path) -> None:
    command = f"{sys.executable} -m mdlray.sweep {words} --results {tmp_path} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout and not done.stderr, done
