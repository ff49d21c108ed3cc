"""An address that was given -> the address of a Ray head that answers there, or an error in seconds.

Ray itself tries a wrong address for minutes and says only that it failed. So the address is asked three questions, each
with a time limit: does anything listen, does it speak HTTP/2 (as gRPC does), and does it let us in as the head of a Ray
cluster? The last is asked by a process of its own, because Ray's client cannot be given a time limit.
"""

import os
import subprocess
import sys

from mdlray.dispatch import outage

HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
"""How every HTTP/2 client begins: the preface and an empty frame of settings (RFC 9113, section 3.4)."""
SETTINGS_FRAME = 4
HELLO_SECONDS = 5.0
HEAD_SECONDS = 30.0

FIND = """
from ray._private.services import canonicalize_bootstrap_address_or_die as find
print(find("auto"))
"""
ASK = """
import sys
from ray._raylet import GcsClient
GcsClient(address=sys.argv[1])
"""


class TokenRefusedError(ValueError):
    """The cluster asks for a token, and ours is missing or another one."""


def check_head(address: str) -> str:
    """The address of the Ray head at host:port or `auto`; ValueError or OSError says what answers instead.

    An address of another form is returned as it is, for Ray to refuse it, which it does at once.
    """
    if address == "auto":
        done = _ask(FIND)
        if done.returncode:
            raise ValueError(_last_line(done.stderr))
        address = done.stdout.strip()
    _, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        return address
    try:
        answer = _first_answer(address)
    except OSError as error:
        raise type(error)(f"{address}: {error}") from error
    if len(answer) < 4 or answer[3] != SETTINGS_FRAME:
        said = answer.decode(errors="replace").strip().splitlines()
        raise ValueError(
            f"at {address} another program answers, with {said[0][:60]!r}"
            if said
            else f"at {address} something listens and says nothing"
        )
    try:
        done = _ask(ASK, address)
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"what listens at {address} is no head of a Ray cluster, or one that hangs") from error
    if done.returncode and "InvalidAuthToken" in done.stderr:
        raise TokenRefusedError(address)
    if done.returncode:
        raise ValueError(_last_line(done.stderr))
    return address


def _first_answer(address: str) -> bytes:
    with outage.connection(address) as server:
        server.settimeout(HELLO_SECONDS)
        server.sendall(HELLO)
        try:
            return server.recv(1000)
        except (TimeoutError, ConnectionResetError):
            return b""


def _ask(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        env=os.environ | {"RAY_ADDRESS": ""},
        capture_output=True,
        text=True,
        timeout=HEAD_SECONDS,
        check=False,
    )


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else "no reason given"
