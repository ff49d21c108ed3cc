"""Addresses that should answer -> a report of the first one that no longer does, from threads that probe them.

A probe opens a TCP connection and closes it. It succeeds as long as a process listens, even a busy one. An address that
has never answered, e.g. behind a firewall, is not reported. A connection to a process on this machine may also be held
open (`Watched.held`), because the system closes it at the moment when the process ends, for whatever reason.
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
    """The name of what answers at an address, and the seconds for which it need not answer."""

    name: str
    patience_seconds: float
    held: bool = False
    """Whether a connection is held open, so that the end is noticed at once; `patience_seconds` is not used then."""


def connection(address: str) -> socket.socket:
    """A connection to host:port; OSError if nothing answers within ten seconds."""
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_SECONDS)


def probe(address: str) -> None:
    """Open and close a connection to host:port; OSError if nothing answers within ten seconds."""
    connection(address).close()


def watch(addresses: Mapping[str, Watched], lost: Lost, over: threading.Event) -> None:
    """Probe the addresses until `over` is set, which means that they are left on purpose; `lost` gets the report."""
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
    """Return when the other side closes the connection: because it ends, or because nothing was sent to it."""
    held.settimeout(SECONDS_BETWEEN_LOOKS)
    while not over.is_set():
        try:
            if not held.recv(4096):
                return
        except TimeoutError:
            continue
        except OSError:
            return
