"""The process that holds a lock on results, as another driver is told of it.

Another driver on the same machine can also find out whether that process has surely ended. The time is only shown to
people; nothing is decided by it.
"""

import json
import os
import socket
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True)
class LockOwner:
    """A process that writes results."""

    host: str
    pid: int
    since: str
    """Start of the holder, ISO 8601 in UTC, by its own clock."""
    machine: str
    """Boot and process namespace, within which a process id is unique; empty where they are unknown."""

    @classmethod
    def me(cls) -> "LockOwner":
        """This process, as a holder from now on."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(host=socket.gethostname(), pid=os.getpid(), since=since, machine=_machine())

    @classmethod
    def from_json(cls, text: str | bytes) -> "LockOwner":
        """The holder that `to_json` wrote; an unknown holder for any other text, such as that of a lock being taken."""
        unknown = cls(host="", pid=0, since="", machine="")
        try:
            read = json.loads(text)
            holder = cls(**{field.name: field.type(read[field.name]) for field in fields(cls)})  # type: ignore[operator]
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return unknown
        # Zero and negative numbers would name groups of processes.
        return holder if 0 < holder.pid < 2**31 else unknown

    def to_json(self) -> str:
        """The holder as one line of JSON."""
        return json.dumps(asdict(self)) + "\n"

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}" if self.pid else "its holder is not known"

    def surely_dead(self) -> bool:
        """Whether the process has ended for sure; False if it runs on another machine, where nobody can tell."""
        if not self.machine or self.machine != _machine():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""
