"""The journal of a search: bytes of a file <-> an Optuna storage; and the first damaged line, if there is one.

The file has Optuna's own format, one JSON entry per line, so optuna-dashboard opens it. The journal is kept in memory
as a list of lines, and the store writes it whole, because a bucket cannot append to a file.
"""

import json
from collections.abc import Iterator
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from mdlray.spec import to_python


class DamagedJournalError(ValueError):
    """Optuna cannot read a line of the journal."""

    def __init__(self, line: int, reason: str):
        super().__init__(
            f"optuna.journal is damaged in line {line} ({reason}). A run moves the file into the folder `damaged` and "
            "asks the search anew, which finds the rows there are: nothing is trained twice."
        )


class Journal(BaseJournalBackend):
    """An Optuna journal as a list of lines in memory."""

    def __init__(self, content: bytes = b""):
        self.lines = content.decode(errors="replace").splitlines()
        for number, line in enumerate(self.lines, start=1):
            try:
                json.loads(line)
            except ValueError as error:
                raise DamagedJournalError(number, str(error)) from error

    def as_storage(self) -> JournalStorage:
        """These lines as an Optuna storage; DamagedJournalError names the first line that Optuna cannot read."""
        try:
            return JournalStorage(self)
        except Exception as error:  # for a damaged entry, Optuna raises AssertionError, KeyError or other errors
            reason = f"{type(error).__name__}: {error}"
        # If the first n lines cannot be read, neither can more lines than these. So bisection finds the first bad line.
        readable, unreadable = 0, len(self.lines)
        while unreadable - readable > 1:
            middle = (readable + unreadable) // 2
            beginning = Journal()
            beginning.lines = self.lines[:middle]
            try:
                JournalStorage(beginning)
                readable = middle
            except Exception:
                unreadable = middle
        raise DamagedJournalError(unreadable, reason)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """The entries from this number on."""
        return (json.loads(line) for line in self.lines[log_number_from:])

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add entries at the end."""
        self.lines += [json.dumps(log, separators=(",", ":"), default=to_python) for log in logs]

    def content(self) -> bytes:
        """The bytes of the journal's file."""
        return "".join(f"{line}\n" for line in self.lines).encode()
