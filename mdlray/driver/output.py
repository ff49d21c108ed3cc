"""Standard output that a run outlives: when nobody can read it any more, the rows still count.

A closed pipe (`| head`) is silent. A full disk behind `> file`, or a terminal that is gone, is said once on standard
error. From then on what is printed goes nowhere, and the command ends with the code that it would have had.
"""

import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO


@dataclass
class Output:
    """A file for `rich.console.Console` in front of `sys.stdout`, whatever that is at the moment."""

    is_lost: bool = False

    @property
    def stream(self) -> TextIO:
        """The present `sys.stdout`, also below the stand-in that rich puts there while it draws."""
        stream: TextIO = getattr(sys.stdout, "rich_proxied_file", sys.stdout)
        return stream

    def write(self, text: str) -> int:
        """Print, unless nobody reads any more."""
        if not self.is_lost:
            self._attempt(lambda: self.stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Print what is still in memory."""
        if not self.is_lost:
            self._attempt(self.stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def _attempt(self, print_: Callable[[], object]) -> None:
        try:
            print_()
        except OSError as error:
            self.is_lost = True
            if not isinstance(error, BrokenPipeError):
                with contextlib.suppress(OSError):
                    os.write(2, f"note: stdout cannot be written ({error.strerror}); the command goes on.\n".encode())
            # Python writes what is left in memory when it ends, and would fail again.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)
