"""Who holds a lock on results: what the other driver is told, and what tells that a holder is surely dead.

The time is shown to people and decides nothing.
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
    """ISO 8601 in UTC, by the holder's own clock."""
    machine: str
    """Boot and process namespace: within one, a process id means the same to everybody. Empty where unknown."""

    @classmethod
    def me(cls) -> "LockOwner":
        """This process, from now on."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(host=socket.gethostname(), pid=os.getpid(), since=since, machine=_machine())

    @classmethod
    def from_json(cls, text: str | bytes) -> "LockOwner":
        """What `to_json` wrote; an unknown holder for anything else, such as a lock that is just being taken."""
        unknown = cls(host="", pid=0, since="", machine="")
        try:
            read = json.loads(text)
            holder = cls(**{field.name: field.type(read[field.name]) for field in fields(cls)})  # type: ignore[operator]
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return unknown
        # Other numbers name no process, or a whole group of them.
        return holder if 0 < holder.pid < 2**31 else unknown

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self)) + "\n"

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}" if self.pid else "its holder is not known"

    def surely_dead(self) -> bool:
        """Whether this machine knows that the process is gone; False where it cannot know."""
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
