"""Ray clusters of several nodes and an S3 server on this machine; no deadlines, machines are shared."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import settings

from mdlray.results.conversion import to_frame, to_table
from mdlray.results.schema import TRIALS, failed_row
from mdlray.spec import TrialSpec, replace_fields

settings.register_profile("mdlray", deadline=None)
settings.load_profile("mdlray")

# Threads of one step wait for each other in a loop: beside other work on the same cores a test of seconds took minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that runs tests in the background, or under nohup, lets them ignore these signals, and they would hand that on
# to the commands that they start and interrupt.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, usual)

Row = dict[str, Any]


@pytest.fixture
def make_row() -> Callable[..., Row]:
    """A complete row of a network pruned by magnitude with L2; `fields` change the trial, keywords change columns."""

    def make(
        fields: dict[str, Any] | None = None, status: str = "ok", *, seed: int = 0, ratio: float = 0.9, **changes: Any
    ) -> Row:
        usual = {"compression.method": "magnitude", "compression.pruning_ratio": ratio, "training.regularizer": "l2"}
        usual |= {"training.regularizer_strength": 1e-4, "seeds.initialization": seed}
        row = failed_row(replace_fields(TrialSpec(), usual | (fields or {})), "made to fail")
        row |= {"sweep": "made", "pack_id": "p0", "num_members_in_pack": 3, "device": "unknown", "wall_seconds": 0.0}
        measured = {"validation_accuracy": 0.9, "test_accuracy": 0.89, "train_accuracy": 0.95, "train_nats": 12.5}
        measured |= {"trained_test_accuracy": 0.9}
        counted = {"compressed_bytes": 1000, "num_weights": 79510, "num_nonzero": 7951, "decoded_ok": True}
        ok = {"status": "ok", "error": None} | measured | counted
        return row | (ok if status == "ok" else {}) | changes

    return make


@pytest.fixture
def as_trials() -> Callable[[list[Row]], pd.DataFrame]:
    """Rows as `load` would give them."""
    return lambda rows: to_frame(to_table(rows, TRIALS))


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """A head without GPUs and two nodes with four logical ones each."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 2, "num_gpus": 0, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.nodes_with_gpus = [cluster.add_node(num_cpus=4, num_gpus=4) for _ in range(2)]
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@dataclass
class S3Server:
    """A real S3 server as a process; what it stores is gone when it ends."""

    port: int
    process: subprocess.Popen[bytes] | None = None
    num_open_actions: int = 10**9
    """Requests that are answered before keys are looked at."""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        words = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        environment = os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": str(self.num_open_actions)}
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(words, env=environment, **silent)  # type: ignore[call-overload]
        deadline = time.monotonic() + 60
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def make_bucket(self, name: str) -> None:
        with urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/{name}", method="PUT")):
            pass


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """An S3 server with the bucket `bucket`, found through the usual environment variables."""
    server = S3Server(free_port())
    values = {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "DEFAULT_REGION": "us-east-1"}
    for name, value in (values | {"ENDPOINT_URL": server.endpoint, "EC2_METADATA_DISABLED": "true"}).items():
        monkeypatch.setenv(f"AWS_{name}", value)
    server.start()
    try:
        server.make_bucket("bucket")
        yield server
    finally:
        server.stop()


@dataclass
class SeparateCluster:
    """A Ray cluster in a process of its own, and the command that joins it; all its processes carry a mark."""

    folder: Path
    """Short: the paths of sockets may have 107 letters."""
    gpus: tuple[int, ...]
    environment: dict[str, str]
    process: subprocess.Popen[str]
    state: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def start(cls, gpus: tuple[int, ...], **settings: str) -> "SeparateCluster":
        folder = Path(tempfile.mkdtemp(prefix="mdl", dir="/tmp"))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        ours = {"RAY_AUTH_MODE": "disabled", "RAY_TMPDIR": str(folder), "TMPDIR": str(folder), "COLUMNS": "120"}
        environment = kept | ours | {"MDLRAY_TEST_MARK": folder.name}
        words = [sys.executable, str(Path(__file__).parent / "ray_cluster.py"), *map(str, gpus)]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(words, env=environment | settings, text=True, **pipes)
        cluster = cls(folder, gpus, environment, process)
        cluster._read()
        return cluster

    @property
    def address(self) -> str:
        return str(self.state["address"])

    def replace_node(self, number: int) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"replace {number}\n")
        self.process.stdin.flush()
        self._read()

    def sweep(self, *words: str, log: Path, **environment: str) -> subprocess.Popen[bytes]:
        """The command in this cluster; what it prints is added to `log`."""
        command = [sys.executable, "-m", "mdlray.sweep", *words, "--address", self.address]
        with log.open("ab") as file:
            return subprocess.Popen(
                command, cwd=self.folder, env=self.environment | environment, stdout=file, stderr=subprocess.STDOUT
            )

    def processes(self) -> dict[int, str]:
        """What runs with the mark of this cluster: process -> what it calls itself."""
        mark, found = f"MDLRAY_TEST_MARK={self.folder.name}".encode(), {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            except OSError:
                continue
        return {pid: name for pid, name in found.items() if name}

    def workers(self) -> list[int]:
        """The processes that run packs."""
        return sorted(pid for pid, name in self.processes().items() if name.startswith("ray::ImplicitFunc"))

    def stop(self) -> dict[int, str]:
        """End it as its owner would; returns what is left half a minute later, and ends that."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        deadline = time.monotonic() + 30
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.2)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)
        return left

    def _read(self) -> None:
        assert self.process.stdout
        self.state = json.loads(self.process.stdout.readline())


@pytest.fixture
def separate_cluster() -> Iterator[Callable[..., SeparateCluster]]:
    """Starts Ray clusters in processes of their own: one node per number of GPUs, settings of Ray by name."""
    clusters: list[SeparateCluster] = []

    def start(gpus: tuple[int, ...], **settings: str) -> SeparateCluster:
        clusters.append(SeparateCluster.start(gpus, **settings))
        return clusters[-1]

    yield start
    for cluster in clusters:
        if cluster.process.returncode is None:
            cluster.stop()
