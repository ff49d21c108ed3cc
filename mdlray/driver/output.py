"""Standard output whose loss does not end a run: the rows are stored even if nothing can be printed any more.

If a pipe was closed (`| head`), nothing is said. If the disk behind `> file` is full, or the terminal is gone, a note
on standard error says so once. After that, whatever is printed is discarded, and the exit code stays the same.
"""

import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO


@dataclass
class Output:
    """A file for `rich.console.Console` that writes to the present `sys.stdout`."""

    is_lost: bool = False
    """Whether a write has failed."""

    @property
    def stream(self) -> TextIO:
        """The present `sys.stdout`; while rich draws, the file behind the stand-in that rich puts there."""
        stream: TextIO = getattr(sys.stdout, "rich_proxied_file", sys.stdout)
        return stream

    def write(self, text: str) -> int:
        """Print the text, unless the output is lost."""
        if not self.is_lost:
            self._attempt(lambda: self.stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Print what is still in memory, unless the output is lost."""
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
            # At its end, Python writes what is left in memory; to /dev/null this cannot fail again.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)
