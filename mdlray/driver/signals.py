"""SIGINT, SIGTERM and SIGHUP -> an orderly end of the command, whose last line says how to resume.

    first signal while packs run:    `received` is set; the run looks at it, ends its packs and writes the tables
    first signal at other times:     `Interrupted` is raised, so that locks are given back and Ray is left
    second signal, or while Python still imports:   the process ends at once, as by a kill; files are whole or absent

SIGINT is Ctrl-C, SIGTERM is what Slurm and Kubernetes send, SIGHUP comes from a terminal that closes. The exit code is
that of a shell, 128 + the number of the signal: 130, 143, 129. A signal that the command was started to ignore, as
SIGHUP under nohup, stays ignored.

A handler runs between any two instructions of the main thread, which may hold any lock; so it only sets an attribute,
raises, or ends the process.
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
    """The signals of one process, and what the command is doing when they come."""

    command: str
    """To be typed again."""
    received: int | None = None
    """The first signal that came."""
    raises: bool = False
    """Whether somebody catches `Interrupted`."""
    watched: bool = False
    """Whether somebody looks at `received`, so that nothing needs to be raised."""

    @property
    def exit_code(self) -> int:
        """128 + the number of the signal; that of Ctrl-C where nothing came through here."""
        return 128 + (self.received or signal.SIGINT)

    @property
    def advice(self) -> str:
        """How to go on."""
        return f"interrupted; what is stored stays. Resume with: {self.command}"

    def install(self) -> None:
        """Take over from whoever answers these signals now; Ray does so whenever it starts."""
        if threading.current_thread() is threading.main_thread():
            for number in HANDLED:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, self.handle)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Answer a signal as the head of this module says."""
        is_first, self.received = self.received is None, self.received or number
        if is_first and self.watched:
            return
        if is_first and self.raises:
            raise Interrupted
        self.end_now(self.advice)

    def end_now(self, text: str, code: int | None = None) -> None:
        """Print a last line to standard error, past all locks, and end the process without any cleaning up."""
        with contextlib.suppress(OSError):
            os.write(2, f"{SHOW_CURSOR if os.isatty(2) else ''}\n{text}\n".encode(errors="replace"))
        os._exit(self.exit_code if code is None else code)

    @contextlib.contextmanager
    def raising(self) -> Iterator[None]:
        """Within, a first signal raises `Interrupted`."""
        self.raises = True
        try:
            yield
        finally:
            self.raises = False

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Within, a first signal only sets `received`."""
        self.watched = True
        try:
            yield
        finally:
            self.watched = False
