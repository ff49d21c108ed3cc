"""Addresses that should answer -> word of the first that has stopped to, from threads that look all the time.

A look is a TCP connection, opened and closed: it succeeds as long as a process listens, however busy it is. An address
that never answered, as behind a firewall, says nothing and is not reported. A connection to a process on this machine
may also be held open (`Watched.held`): the system closes it in the moment the process ends, however it ends.
"""

import math
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

PROBE_SECONDS = 10.0
SECONDS_BETWEEN_LOOKS = 1.0

Lost = Callable[[str], None]


@dataclass(frozen=True)
class Watched:
    """Whose address it is, and for how many seconds it may be silent."""

    name: str
    patience_seconds: float
    held: bool = False
    """Whether a connection is held open, to know of the end at once; then there is no patience."""


def connection(address: str) -> socket.socket:
    """A connection to host:port; OSError if nothing answers within ten seconds."""
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_SECONDS)


def probe(address: str) -> None:
    """Open and close a connection to host:port; OSError if nothing answers within ten seconds."""
    connection(address).close()


def watch(addresses: Mapping[str, Watched], lost: Lost, over: threading.Event) -> None:
    """Look until `over` is set; what goes away after that is meant to. `lost` is told what happened."""
    polled = {address: watched for address, watched in addresses.items() if not watched.held}
    threading.Thread(target=_look, args=(polled, lost, over), daemon=True).start()
    for address, watched in addresses.items():
        if watched.held:
            threading.Thread(target=_hold, args=(address, watched, lost, over), daemon=True).start()


def _look(addresses: Mapping[str, Watched], lost: Lost, over: threading.Event) -> None:
    answered: dict[str, float] = {}
    while not over.wait(SECONDS_BETWEEN_LOOKS):
        for address, watched in addresses.items():
            try:
                probe(address)
                answered[address] = time.monotonic()
            except OSError as error:
                silent = time.monotonic() - answered.get(address, math.inf)
                if silent > watched.patience_seconds and not over.is_set():
                    lost(f"{watched.name} has not answered for {silent:.0f} s ({error})")
                    return


def _hold(address: str, watched: Watched, lost: Lost, over: threading.Event) -> None:
    has_answered = False
    while not over.is_set():
        try:
            held = connection(address)
        except TimeoutError:
            continue
        except OSError as error:
            if has_answered and not over.is_set():
                lost(f"{watched.name} is gone ({error})")
                return
            over.wait(SECONDS_BETWEEN_LOOKS)
            continue
        has_answered = True
        with held:
            _wait_for_the_end(held, over)


def _wait_for_the_end(held: socket.socket, over: threading.Event) -> None:
    """Until the other side closes the connection: because it ends, or because it tires of a silent visitor."""
    held.settimeout(SECONDS_BETWEEN_LOOKS)
    while not over.is_set():
        try:
            if not held.recv(4096):
                return
        except TimeoutError:
            continue
        except OSError:
            return
