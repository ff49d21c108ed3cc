"""A search's journal: bytes of a file <-> what Optuna reads and adds to, and what is damaged in it.

The file is Optuna's own format, one JSON entry per line, so optuna-dashboard opens it. It is kept in memory as a list
of lines, because the store writes every file whole: a bucket cannot append.
"""

import json
from collections.abc import Iterator
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from mdlray.spec import to_python


class DamagedJournalError(ValueError):
    """A line of the journal is none of Optuna's."""

    def __init__(self, line: int, reason: str):
        super().__init__(
            f"optuna.journal is damaged in line {line} ({reason}). A run moves the file into the folder `damaged` and "
            "asks the search anew, which finds the rows there are: nothing is trained twice."
        )


class Journal(BaseJournalBackend):
    """An Optuna journal as a list of lines: the store writes it whole, wherever the results are."""

    def __init__(self, content: bytes = b""):
        self.lines = content.decode(errors="replace").splitlines()
        for number, line in enumerate(self.lines, start=1):
            try:
                json.loads(line)
            except ValueError as error:
                raise DamagedJournalError(number, str(error)) from error

    def as_storage(self) -> JournalStorage:
        """What Optuna reads from these lines; DamagedJournalError names the first line that it cannot read."""
        try:
            return JournalStorage(self)
        except Exception as error:  # Optuna asserts, and takes for granted what entries have
            reason = f"{type(error).__name__}: {error}"
        # One bad line makes every longer beginning unreadable, so the first is found by halving.
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
        """Entries from that number on."""
        return (json.loads(line) for line in self.lines[log_number_from:])

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add entries at the end."""
        self.lines += [json.dumps(log, separators=(",", ":"), default=to_python) for log in logs]

    def content(self) -> bytes:
        """The journal's file."""
        return "".join(f"{line}\n" for line in self.lines).encode()
