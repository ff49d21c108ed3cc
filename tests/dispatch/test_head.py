"""What answers at an address: real servers that are no head of a Ray cluster, and one that is."""

import http.server
import os
import signal
import socket
import subprocess
import threading
import time
from typing import Any

import pytest

from mdlray.dispatch.head import check_head


def test_a_web_server_is_named_within_seconds() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    begun = time.monotonic()
    with pytest.raises(ValueError, match=r"at 127\.0\.0\.1:\d+ another program answers, with '.*(HTTP|HTML)"):
        check_head(f"127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()
    assert time.monotonic() - begun < 10


def test_who_listens_and_says_nothing_is_told_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mdlray.dispatch.head.HELLO_SECONDS", 0.5)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(ValueError, match="something listens and says nothing"),
    ):
        check_head(f"127.0.0.1:{server.getsockname()[1]}")


def test_nobody_there_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match="127.0.0.1:1: .*refused"):
        check_head("127.0.0.1:1")


@pytest.mark.slow
def test_a_head_is_taken_a_raylet_and_a_head_that_hangs_are_not(
    separate_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mdlray.dispatch.head.HEAD_SECONDS", 15.0)
    cluster = separate_cluster(())
    assert check_head(cluster.address) == cluster.address
    raylet = cluster.state["head"]["raylet"]
    ports = {line.split()[3].rpartition(":")[2] for line in _listening() if f"pid={raylet}," in line}
    for port in ports:
        with pytest.raises(ValueError):
            check_head(f"127.0.0.1:{port}")
    os.kill(cluster.state["head"]["gcs_server"], signal.SIGSTOP)
    monkeypatch.setattr("mdlray.dispatch.head.HELLO_SECONDS", 2.0)
    with pytest.raises(ValueError, match="says nothing"):
        check_head(cluster.address)
    os.kill(cluster.state["head"]["gcs_server"], signal.SIGCONT)


def _listening() -> list[str]:
    return subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout.splitlines()
