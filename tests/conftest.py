"""A Ray cluster of several nodes and an S3 server on this machine; no deadlines, machines are shared."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import settings

settings.register_profile("mdlray", deadline=None)
settings.load_profile("mdlray")


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
