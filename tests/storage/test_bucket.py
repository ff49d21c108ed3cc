"""Results in a bucket of a real S3 server that is cut off in the middle of a write, killed, or refuses."""

import contextlib
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pandas as pd
import pyarrow.fs as fs
import pytest

import mdlray
import mdlray.codec
from mdlray.report import write_report
from mdlray.results import Store, load
from mdlray.results.derived.front import front_table
from mdlray.results.pack_result import PackResult, model_file
from mdlray.results.schema import CURVES
from mdlray.storage import retries
from mdlray.storage.storage import open_storage

ADDRESS = "s3://bucket/results/toy"


def write(store: Store, make_row, number: int, *, size: int = 100) -> str:
    row = make_row(seed=number)
    curve = dict.fromkeys(CURVES.names, 0.5) | {"trial_id": row["trial_id"], "epoch": 1}
    store.write_pack(
        f"p{number}",
        PackResult({"trials": [row], "curves": [curve]}, {model_file(row["trial_id"]): bytes([number % 256]) * size}),
    )
    return row["trial_id"]


def objects(prefix: str = "bucket") -> dict[str, int]:
    files, path = fs.FileSystem.from_uri(f"s3://{prefix}")
    found = files.get_file_info(fs.FileSelector(path, recursive=True))
    return {info.path: info.size for info in found if info.type == fs.FileType.File}


class Proxy:
    """Passes bytes on to a server until `limit` bytes have gone up, then drops every connection."""

    def __init__(self, server_port: int):
        self.server_port, self.limit, self.sent = server_port, 10**12, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        # Either side may hang up at any time: that ends the connection, and this thread.
        with contextlib.suppress(OSError):
            self._pass_on(client)

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.server_port)) as server:
            while True:
                ready, _, _ = select.select([client, server], [], [], 30)
                for source in ready:
                    content = source.recv(2**16)
                    if not content:
                        return
                    if source is client:
                        content = content[: max(0, self.limit - self.sent)]
                        self.sent += len(content)
                        if not content:
                            return
                    (server if source is client else client).sendall(content)


@pytest.fixture
def proxy(s3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    proxy = Proxy(s3.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    yield proxy
    proxy.listener.close()


def test_a_store_in_a_bucket_is_one_in_a_folder(s3, tmp_path, make_row):
    here, there = Store(tmp_path / "toy"), Store(ADDRESS)
    with pytest.raises(FileNotFoundError, match="there are no results in s3://bucket/results/toy; .* toy` makes"):
        load(ADDRESS)
    for store in (here, there):
        assert store.status_by_trial() == {} and store.read_manifest() == {} and not store.has_results()
        for number in range(3):
            trial_id = write(store, make_row, number)
        store.compact()
        write(store, make_row, 3)
        store.write_manifest({"runs": []})
        store.write_derived({"front": front_table(store.read_trials())})
    pd.testing.assert_frame_equal(load(ADDRESS), load(tmp_path / "toy"))
    pd.testing.assert_frame_equal(there.read("curves"), here.read("curves"))
    assert there.status_by_trial() == here.status_by_trial() and there.read_manifest() == {"runs": []}
    assert there.storage.read(f"models/{trial_id}.mdl") == here.storage.read(f"models/{trial_id}.mdl")
    names = {str(path.relative_to(tmp_path / "toy")) for path in (tmp_path / "toy").rglob("*") if path.is_file()}
    found = {name.removeprefix("bucket/results/toy/") for name, size in objects("bucket/results").items() if size}
    assert found == names
    assert [str(path) for path in write_report(ADDRESS)][-1] == f"{ADDRESS}/report.html"
    assert b"<title>toy</title>" in there.storage.read("report.html")


def test_options_stay_behind_the_address(s3, make_row, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    store = Store(f"{ADDRESS}?endpoint_override=127.0.0.1:{s3.port}&scheme=http")
    trial_id = write(store, make_row, 0)
    assert str(store.model_path(trial_id)).startswith(f"{ADDRESS}/models/{trial_id}.mdl?endpoint_override=")
    assert store.name == "toy" and len(load(store.folder)) == 1
    with pytest.raises(mdlray.codec.DecodeError):
        mdlray.decode(store.model_path(trial_id))


def test_journal_and_checkpoints(s3, tmp_path):
    for store in (Store(ADDRESS), Store(tmp_path)):
        assert store.read_journal() is None and store.read_checkpoint("p0") is None
        store.delete_checkpoint("p0")
        store.write_journal(b"one\n")
        store.write_checkpoint("p0", b"old")
        store.write_checkpoint("p0", b"x" * 20_000_000)
        assert store.read_journal() == b"one\n" and store.read_checkpoint("p0") == b"x" * 20_000_000
        store.delete_checkpoint("p0")
        assert store.read_checkpoint("p0") is None
        with pytest.raises(ValueError, match="cannot name a file"):
            store.read_checkpoint("../p0")


@pytest.mark.slow
@pytest.mark.parametrize("size", [100_000, 12_000_000])
def test_a_write_that_is_cut_off_leaves_no_object_and_is_repeated(s3, proxy, make_row, monkeypatch, size):
    """One request for the small, many for the large one; cut after every share of the bytes."""
    store = Store(ADDRESS)
    write(store, make_row, 0)
    monkeypatch.setattr(retries, "RETRY_SECONDS", 1.0)
    for share in (0.0, 0.5, 0.99):
        proxy.limit, proxy.sent = int(share * size), 0
        with pytest.raises(OSError, match="Nothing that is stored is lost: when s3://.* the same command resumes"):
            store.storage.write({"models/big.mdl": b"x" * size})
        proxy.limit = 10**12
        assert not any("big" in name for name in objects()), share
    monkeypatch.setattr(retries, "RETRY_SECONDS", 60.0)
    proxy.limit, proxy.sent = size // 2, 0
    threading.Timer(4.0, lambda: setattr(proxy, "limit", 10**12)).start()
    store.storage.write({"models/big.mdl": b"x" * size})
    assert store.storage.read("models/big.mdl") == b"x" * size and len(load(ADDRESS)) == 1


@pytest.mark.slow
def test_an_overwrite_that_is_cut_off_leaves_the_old_object(s3, proxy, monkeypatch):
    storage = open_storage(ADDRESS)
    storage.write({"trials.parquet": b"old" * 4_000_000})
    monkeypatch.setattr(retries, "RETRY_SECONDS", 1.0)
    proxy.limit, proxy.sent = 7_000_000, 0
    with pytest.raises(OSError, match="writing s3://bucket/results/toy/trials.parquet failed"):
        storage.write({"trials.parquet": b"new" * 4_000_000})
    proxy.limit = 10**12
    assert storage.read("trials.parquet") == b"old" * 4_000_000


@pytest.mark.slow
def test_a_server_that_comes_back_is_waited_for(s3, make_row):
    store = Store(ADDRESS)
    s3.stop()

    def come_back() -> None:
        s3.start()
        s3.make_bucket("bucket")

    threading.Timer(3.0, come_back).start()
    begun = time.monotonic()
    while True:
        try:
            trial_id = write(store, make_row, 0)
            break
        except ValueError as error:
            # In the moment between the server's start and that of its bucket.
            assert "no such bucket" in str(error) and time.monotonic() - begun < 60
    assert store.status_by_trial() == {trial_id: "ok"}


def test_refusals_come_at_once_with_what_to_do(s3, make_row):
    begun = time.monotonic()
    with pytest.raises(ValueError, match="there is no such bucket; make it first, or correct --results"):
        write(Store("s3://absent/results"), make_row, 0)
    with pytest.raises(ValueError, match="there is no such bucket"), Store("s3://absent/results").writing():
        pass
    assert time.monotonic() - begun < 15
    for address, message in {
        "s3://key:secret@bucket/x": "put keys into the environment",
        "s3:///x": "names no bucket",
        "nope://bucket/x": "cannot be used for results",
    }.items():
        with pytest.raises(ValueError, match=message) as refused:
            Store(address)
        assert "secret" not in str(refused.value)


def test_keys_that_the_store_does_not_know_are_refused_at_once(s3, make_row):
    s3.stop()
    s3.num_open_actions = 1
    s3.start()
    s3.make_bucket("bucket")
    begun = time.monotonic()
    for look in (lambda: load(ADDRESS), lambda: write(Store(ADDRESS), make_row, 0), Store(ADDRESS).writing().__enter__):
        with pytest.raises(ValueError, match="refuses these credentials; check AWS_ACCESS_KEY_ID"):
            look()
    assert time.monotonic() - begun < 20


@pytest.mark.slow
def test_a_process_may_end_right_after_it_has_read_a_table(s3, make_row):
    """Without care about one such process in three is aborted by threads that Arrow has just started."""
    store = Store(ADDRESS)
    for number in range(8):
        write(store, make_row, number)
    store.compact()
    code = f"from mdlray.results import Store; Store({ADDRESS!r}).status_by_trial()"
    # Four at a time: on an idle machine the threads are ready before the process ends.
    for _ in range(6):
        processes = [
            subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(4)
        ]
        assert [(process.communicate()[1], process.returncode) for process in processes] == [("", 0)] * 4
