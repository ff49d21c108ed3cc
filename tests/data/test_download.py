"""Each server here is a real one on this machine; it answers as mirrors, proxies and hotel networks do."""

import gzip
import hashlib
import http.server
import os
import random
import socket
import threading
import time

import pytest

from mdlray.data import download as download_module
from mdlray.data.download import MissingDataError, download, install

CONTENT = gzip.compress(random.Random(0).randbytes(50_000), mtime=0)
SUMS = {"a.gz": hashlib.md5(CONTENT).hexdigest()}


class Answer(http.server.BaseHTTPRequestHandler):
    """The first part of the path says how to answer."""

    def do_GET(self):
        kind = self.path.split("/")[1]
        self.server.asked.append(kind)
        content, status, headers = CONTENT, 200, {}
        if kind == "html":
            content = b"<html><body>Please log in to the network.</body></html>"
        elif kind == "gone":
            status = 404
        elif kind == "busy_once" and self.server.asked.count(kind) == 1:
            status = 503
        elif kind == "encoded":
            headers["Content-Encoding"] = "x-gzip"
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if kind == "half":
            content = content[: len(content) // 2]
        if kind == "slow":
            for start in range(0, len(content), 1000):
                if self.server.stopped.wait(0.02):
                    return
                self.wfile.write(content[start : start + 1000])
        else:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download_module, "RETRIES", 0)
    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # a client that gives up breaks the connection
    server.asked, server.stopped = [], threading.Event()
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.stopped.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_arrives_byte_for_byte_and_may_be_read_by_others(server, tmp_path):
    folder = tmp_path / "Toy" / "raw"
    download(SUMS, [f"{server.address}/good/"], folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a.gz": CONTENT}
    (tmp_path / "ordinary").touch()
    assert (folder / "a.gz").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_compression_that_the_server_calls_an_encoding_is_kept(server, tmp_path):
    download(SUMS, [f"{server.address}/encoded/"], tmp_path)
    assert (tmp_path / "a.gz").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("html", "not the file .*md5"),
        ("half", "/half/a.gz: .*IncompleteRead"),
        ("gone", "/gone/a.gz: 404 Client Error"),
    ],
)
def test_a_bad_answer_is_told_and_nothing_is_kept(server, tmp_path, kind, said):
    with pytest.raises(MissingDataError, match=said):
        download(SUMS, [f"{server.address}/{kind}/"], tmp_path / "root")
    assert not (tmp_path / "root").exists()


def test_the_next_mirror_is_asked(server, tmp_path):
    download(SUMS, [f"{server.address}/{kind}/" for kind in ("gone", "html", "good")], tmp_path)
    assert server.asked == ["gone", "html", "good"]
    assert (tmp_path / "a.gz").read_bytes() == CONTENT


def test_a_server_that_is_busy_is_asked_again(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download_module, "RETRIES", 1)
    download(SUMS, [f"{server.address}/busy_once/"], tmp_path)
    assert server.asked == ["busy_once", "busy_once"]


def test_all_files_arrive_or_none(server, tmp_path):
    sums = SUMS | {"b.gz": "0" * 32}
    with pytest.raises(MissingDataError, match=r"/good/b\.gz"):
        download(sums, [f"{server.address}/good/"], tmp_path / "root")
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("kind", ["slow", "silent"])
def test_gives_up_after_the_given_time_and_leaves_nothing(server, tmp_path, kind):
    # A socket that listens and never accepts: the connection stands, and no answer comes.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = server.address if kind == "slow" else f"http://127.0.0.1:{silent.getsockname()[1]}"
        start = time.monotonic()
        with pytest.raises(MissingDataError, match="within 0.3 seconds|timed out"):
            download(SUMS, [f"{address}/{kind}/"], tmp_path / "root", seconds=0.3)
    assert time.monotonic() - start < 5
    assert not (tmp_path / "root").exists()


def test_a_folder_that_cannot_be_written_is_told(server, tmp_path):
    (tmp_path / "MNIST").write_text("a file where the folder should be")
    with pytest.raises(MissingDataError, match=r"arrived but could not be written.*MNIST"):
        download(SUMS, [f"{server.address}/good/"], tmp_path / "MNIST" / "raw")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_to_write_is_told(server, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(MissingDataError, match="arrived but could not be written.*Permission denied"):
        download(SUMS, [f"{server.address}/good/"], tmp_path / "raw")


def test_install_adds_whole_files_and_keeps_those_that_are_there(tmp_path):
    fetched, folder = tmp_path / "fetched", tmp_path / "root" / "MNIST" / "raw"
    fetched.mkdir()
    folder.mkdir(parents=True)
    for name in ("images", "labels"):
        (fetched / name).write_text("new")
    (folder / "labels").write_text("old")
    install(sorted(fetched.iterdir()), folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"images": "new", "labels": "old"}
