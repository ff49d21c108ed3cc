import http.server
import threading
import time

import pytest

from mdlray.data.download import MissingDataError, download, install


def test_gives_up_after_the_given_time_and_leaves_nothing(tmp_path):
    start = time.monotonic()
    with pytest.raises(MissingDataError, match="no answer within 0.01 seconds"):
        download("MNIST", tmp_path / "root", seconds=0.01)
    assert time.monotonic() - start < 10
    assert not (tmp_path / "root").exists()


@pytest.mark.slow
def test_wrong_bytes_from_a_server_are_refused_and_not_kept(tmp_path, monkeypatch):
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"wrong")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        # As a proxy the server gets the requests for the real mirror, so no address has to be replaced.
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.delenv("no_proxy", raising=False)
        with pytest.raises(MissingDataError, match="corrupted"):
            download("KMNIST", tmp_path / "root")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert not (tmp_path / "root").exists()


def test_install_adds_whole_files_and_keeps_those_that_are_there(tmp_path):
    fetched, folder = tmp_path / "fetched", tmp_path / "root" / "MNIST" / "raw"
    fetched.mkdir()
    folder.mkdir(parents=True)
    for name in ("images", "labels"):
        (fetched / name).write_text("new")
    (folder / "labels").write_text("old")
    install(sorted(fetched.iterdir()), folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"images": "new", "labels": "old"}
