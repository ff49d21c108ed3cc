"""A host whose link is cut for good in the middle of a sweep: no connection is closed, it only falls silent."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

import mdlray

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SWEEP = ROOT / "tests/assets/chaos_sweep.py"
# What cluster/README.md says: silent for 3 x (1 s + 3 s).
SETTINGS = {
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "3",
}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("settings", [SETTINGS, {}], ids=["noticed soon", "as Ray is"])
def test_a_host_that_falls_silent_is_given_up_and_another_takes_its_packs(
    settings: dict[str, str], on_hosts: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, results, log = tmp_path / "home", tmp_path / "results", tmp_path / "log"
    home.mkdir()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ours = {"HOME": str(home), "PATH": path, "PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "token"} | settings
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | ours
    sweep = [sys.executable, "-m", "mdlray.sweep", SWEEP, "--gpus", "1", "--trials", "48", "--results", results]
    cut = ["bash", HERE / "lost_host.sh", "4", results / "chaos_sweep", log]
    done = on_hosts(3, [*cut, *sweep], environment)
    with capsys.disabled():
        print(*[f"\n{line}" for line in done.stdout.splitlines() if "the cut" in line or "link cut" in line])
    assert done.returncode == 0, done.stdout + log.read_text()
    rows = mdlray.load(results / "chaos_sweep")
    assert len(rows) == 48 and rows["trial_id"].is_unique and (rows["status"] == "ok").all()
