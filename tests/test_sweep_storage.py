"""The command where results lie: in buckets, on full disks, in folders that only read, beside a second driver."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import mdlray
from mdlray.results import Store
from mdlray.results.parquet import parquet_bytes

TINY = str(Path(__file__).parent / "assets" / "tiny_sweep.py")
HOLD = (
    "import sys, time; from mdlray.results import Store\n"
    "with Store({!r}).writing(): print('x', flush=True); sys.stdin.read()"
)


def run(*words: str, cwd: Path) -> tuple[int, str]:
    """The command as a user starts it; its exit code and output on one line."""
    environment = os.environ | {"COLUMNS": "120", "MDLRAY_DATA": str(cwd), "RAY_AUTH_MODE": "disabled"}
    command = [sys.executable, "-m", "mdlray.sweep", TINY, "--gpus", "0", *words]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=280)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def report(address: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "mdlray.report", address], capture_output=True, text=True)


def measured(folder: str | Path) -> pd.DataFrame:
    return mdlray.load(folder).drop(columns=["wall_seconds"]).sort_values("trial_id", ignore_index=True)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few kilobytes; needs the right to mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_the_whole_command_in_a_bucket(s3, tmp_path: Path) -> None:
    address = "s3://bucket/results/tiny_sweep"
    code, output = run("--results", "s3://bucket/results", "--trials", "4", cwd=tmp_path)
    assert code == 0 and f"picture: {address}/report.html" in output, output
    store = Store(address)
    assert not list(tmp_path.rglob("*.parquet")) and not [n for n in store.storage.names() if n.startswith(".lock")]
    assert {"trials.parquet", "front.parquet", "manifest.json", "report.html"} <= store.storage.names()
    first = set(store.status_by_trial())
    code, output = run("--results", "s3://bucket/results", cwd=tmp_path)
    assert code == 0 and "8 trials in" in output and len(store.read_manifest()["runs"]) == 2, output
    assert first < set(store.status_by_trial())
    code, output = run("--results", str(tmp_path / "here"), cwd=tmp_path)
    assert code == 0, output
    kept = ["trial_id", "status", "compressed_bytes", "decoded_ok", "dataset", "pruning_ratio", "seed"]
    there, here = measured(address), measured(tmp_path / "here" / "tiny_sweep")
    pd.testing.assert_frame_equal(there[kept], here[kept])
    network = mdlray.decode(store.model_path(there["trial_id"][0]))
    assert network.sizes == (784, 6, 10)
    drawn = report(address)
    assert drawn.returncode == 0 and f"{address}/report.html" in drawn.stdout.split()
    code, output = run("--results", "s3://bucket/results", "--plan", cwd=tmp_path)
    assert code == 0 and "plan of tiny_sweep" in output and "going by the finished trials" in output, output


@pytest.mark.slow
def test_a_bucket_that_refuses_or_is_away_is_exit_code_2_with_what_to_do(s3, tmp_path: Path) -> None:
    code, output = run("--results", "s3://absent/results", cwd=tmp_path)
    assert code == 2 and "there is no such bucket; make it first, or correct --results" in output, output
    s3.stop()
    code, output = run("--results", "s3://bucket/results", cwd=tmp_path)
    assert code == 2 and "Nothing that is stored is lost" in output and "the same command resumes" in output, output


@pytest.mark.slow
def test_a_server_that_is_away_in_the_middle_of_a_sweep_is_waited_for(s3, tmp_path: Path) -> None:
    """Killed and started again empty, in the middle: what is stored later is whole, and the same command completes."""
    store, over = Store("s3://bucket/results/tiny_sweep"), threading.Event()

    def restart_when_rows_are_there() -> None:
        while not over.wait(0.1):
            if len(store.status_by_trial()) >= 2:
                s3.stop()
                over.wait(4.0)
                s3.start()
                s3.make_bucket("bucket")
                return

    thread = threading.Thread(target=restart_when_rows_are_there)
    thread.start()
    code, output = run("--results", "s3://bucket/results", cwd=tmp_path)
    over.set()
    thread.join()
    assert code in (0, 2), output
    code, output = run("--results", "s3://bucket/results", cwd=tmp_path)
    assert code == 0, output
    rows = mdlray.load(store.folder)
    assert len(rows) == 12 and (rows["status"] == "ok").all() and rows["decoded_ok"].all()


@pytest.mark.slow
def test_a_full_disk_ends_the_command_and_the_same_command_resumes(mounted: Path, tmp_path: Path) -> None:
    code, output = run("--results", str(mounted), cwd=tmp_path)
    assert code == 2 and "(No space left on device); make room there. Nothing that is stored is lost" in output, output
    stored = Store(mounted / "tiny_sweep").status_by_trial()
    subprocess.run(["mount", "-o", "remount,size=32m", str(mounted)], check=True)
    code, output = run("--results", str(mounted), cwd=tmp_path)
    assert code == 0 and (f"{12 - len(stored)} trials in" in output or not 12 - len(stored)), output
    assert (mdlray.load(mounted / "tiny_sweep")["status"] == "ok").sum() == 12


@pytest.mark.slow
def test_a_folder_that_only_reads_is_found_before_anything_runs(mounted: Path, tmp_path: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
    code, output = run("--results", str(mounted), cwd=tmp_path)
    assert code == 2 and "(Read-only file system); make it writable, or give another folder with --results" in output
    assert "trials in" not in output and report(str(mounted / "tiny_sweep")).returncode == 2


def test_rows_of_a_newer_version_are_refused_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "tiny_sweep"
    folder.mkdir()
    newer = pq.read_table(Path(__file__).parent / "assets" / "rows_v1.parquet")
    newer = newer.replace_schema_metadata({"mdlray_row_version": "99"})
    content = parquet_bytes(newer)
    (folder / "trials.parquet").write_bytes(content)
    code, output = run("--results", str(tmp_path), cwd=tmp_path)
    assert code == 2 and "has rows of version 99" in output and "update mdlray" in output, output
    assert (folder / "trials.parquet").read_bytes() == content
    assert "version 99" in report(str(folder)).stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_a_second_driver_is_exit_code_2_and_says_who_has_it(kind: str, s3, tmp_path: Path) -> None:
    results = "s3://bucket/results" if kind == "bucket" else str(tmp_path / "results")
    code = HOLD.format(f"{results}/tiny_sweep")
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as first:
        assert first.stdout is not None and first.stdin is not None and first.stdout.readline() == "x\n"
        exit_code, output = run("--results", results, cwd=tmp_path)
        assert exit_code == 2 and f"another run is writing to {results}/tiny_sweep: process {first.pid} on" in output
        assert "since 20" in output and "give this one another --results" in output and "trials in" not in output
        first.stdin.close()
    exit_code, output = run("--results", results, "--trials", "2", cwd=tmp_path)
    assert exit_code == 0, output


@pytest.mark.slow
@pytest.mark.parametrize("year", [1990, 2040])
def test_files_from_another_time_resume_like_any_other(tmp_path: Path, year: int) -> None:
    code, output = run("--results", str(tmp_path), "--trials", "4", cwd=tmp_path)
    assert code == 0, output
    before = measured(tmp_path / "tiny_sweep")
    for path in [tmp_path, *tmp_path.rglob("*")]:
        os.utime(path, ((year - 1970) * 31_556_952,) * 2)
    code, output = run("--results", str(tmp_path), cwd=tmp_path)
    assert code == 0 and "8 trials in" in output, output
    after = measured(tmp_path / "tiny_sweep")
    both = after[after["trial_id"].isin(before["trial_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(both, before)
