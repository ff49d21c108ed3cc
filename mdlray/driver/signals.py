"""SIGINT, SIGTERM and SIGHUP -> an orderly end of the command, whose last line says how to resume.

    first signal while packs run      `received` is set; the run looks at it, ends its packs and writes the tables
    first signal at other times       `Interrupted` is raised, so that locks are released and Ray is left
    second signal, and any signal     the process ends at once, as if it was killed; files are whole or absent
    while Python still imports

Ctrl-C sends SIGINT, Slurm and Kubernetes send SIGTERM, and a terminal that closes sends SIGHUP. The exit code is 128 +
the number of the signal, as in a shell: 130, 143 or 129. If the command was started with a signal ignored, as nohup
does with SIGHUP, the signal stays ignored.

Python may call a handler between any two instructions of the main thread, which may hold a lock. So the handler only
sets an attribute, raises an error, or ends the process.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SHOW_CURSOR = "\x1b[?25h"


class Interrupted(KeyboardInterrupt):
    """A signal asked the command to end."""


@dataclass
class Signals:
    """The signals of one process, and how the next one is answered."""

    command: str
    """The command as the user would type it again."""
    received: int | None = None
    """The number of the first signal that came; None if none came."""
    raises: bool = False
    """Whether the command catches `Interrupted` now."""
    watched: bool = False
    """Whether the command looks at `received` now, so that nothing needs to be raised."""

    @property
    def exit_code(self) -> int:
        """128 + the number of the first signal; 130, the code of Ctrl-C, if no signal came to `handle`."""
        return 128 + (self.received or signal.SIGINT)

    @property
    def advice(self) -> str:
        """What the command prints last: how to resume."""
        return f"interrupted; what is stored stays. Resume with: {self.command}"

    def install(self) -> None:
        """Make `handle` the handler of these signals; to be called again after Ray has started, which sets its own."""
        if threading.current_thread() is threading.main_thread():
            for number in HANDLED:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, self.handle)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Answer a signal as the table in this module's docstring says."""
        is_first, self.received = self.received is None, self.received or number
        if is_first and self.watched:
            return
        if is_first and self.raises:
            raise Interrupted
        self.end_now(self.advice)

    def end_now(self, text: str, code: int | None = None) -> None:
        """Print a last line to standard error without taking a lock, and end the process without any cleanup."""
        with contextlib.suppress(OSError):
            os.write(2, f"{SHOW_CURSOR if os.isatty(2) else ''}\n{text}\n".encode(errors="replace"))
        os._exit(self.exit_code if code is None else code)

    @contextlib.contextmanager
    def raising(self) -> Iterator[None]:
        """Inside of the `with` block, a first signal raises `Interrupted`."""
        self.raises = True
        try:
            yield
        finally:
            self.raises = False

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Inside of the `with` block, a first signal only sets `received`."""
        self.watched = True
        try:
            yield
        finally:
            self.watched = False
