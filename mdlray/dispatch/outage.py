"""Addresses that should answer -> word of the first that has stopped to, from a thread that looks every second.

A look is a TCP connection, opened and closed: it succeeds as long as a process listens, however busy it is. An address
that never answered, as behind a firewall, says nothing and is not reported.
"""

import math
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

PROBE_SECONDS = 10.0
SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(frozen=True)
class Watched:
    """Whose address it is, and for how many seconds it may be silent."""

    name: str
    patience_seconds: float


def probe(address: str) -> None:
    """Open and close a connection to host:port; OSError if nothing answers within ten seconds."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_SECONDS).close()


def watch(addresses: Mapping[str, Watched], lost: Callable[[str], None], over: threading.Event) -> None:
    """Look until `over` is set; what goes away after that is meant to. `lost` is called once, with what happened."""
    threading.Thread(target=_look, args=(addresses, lost, over), daemon=True).start()


def _look(addresses: Mapping[str, Watched], lost: Callable[[str], None], over: threading.Event) -> None:
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
