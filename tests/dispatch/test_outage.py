"""Real sockets: one that goes on listening, one that is closed, one that never was."""

import queue
import socket
import threading

from mdlray.dispatch.outage import Watched, watch


def listen() -> tuple[socket.socket, str]:
    server = socket.create_server(("127.0.0.1", 0), backlog=100)
    return server, f"127.0.0.1:{server.getsockname()[1]}"


def test_who_stops_answering_is_named_once_and_the_others_are_not() -> None:
    (stays, first), (goes, second), (never, third) = listen(), listen(), listen()
    never.close()
    reports: queue.Queue[str] = queue.Queue()
    over = threading.Event()
    names = {first: "the one that stays", second: "the one that goes", third: "the one that never was"}
    watch({address: Watched(name, 0.5) for address, name in names.items()}, reports.put, over)
    with stays:
        goes.accept()[0].close()  # it has been looked at
        assert reports.empty()
        goes.close()
        assert reports.get(timeout=20).startswith("the one that goes has not answered for")
        over.set()
        assert reports.empty()


def test_what_goes_away_after_the_end_is_not_reported() -> None:
    server, address = listen()
    reports: queue.Queue[str] = queue.Queue()
    over = threading.Event()
    watch({address: Watched("it", 0.0)}, reports.put, over)
    server.accept()[0].close()
    over.set()
    server.close()
    threading.Event().wait(2.5)
    assert reports.empty()
