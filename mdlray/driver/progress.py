"""What a person sees while a sweep runs: packs and trials done, running, failed, rate, time left, the front so far.

In a terminal a block that redraws itself, elsewhere a plain line now and then. The remaining time weighs trials by
their effort (`mdlray.planning.training_effort`), because an epoch of 100 units takes longer than one of 30.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from mdlray.planning import Pack, training_effort
from mdlray.results.derived.front import pareto_mask

FIRST_LINE_SECONDS, LAST_LINE_SECONDS = 20.0, 300.0
FRONT_POINTS = 6
SHOWN = ("status", "dataset", "label_randomization_fraction", "validation_accuracy", "compressed_bytes")
"""The columns of a row that the display needs."""


@dataclass
class Progress:
    """Counts of one run of the command; `start` opens the display, `stop` closes it."""

    num_todo: int
    """Trials this run has to do."""
    num_done_before: int
    console: Console
    num_packs_todo: int | None = None
    """None for a search, which packs trials as it goes."""
    work_todo: float | None = None
    """In the unit of `mdlray.planning.training_effort`; None for a search, whose trials then count alike."""
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    """Rows for the front: those that were there before, and those of this run."""
    num_trials: int = 0
    num_failed: int = 0
    num_packs: int = 0
    work_done: float = 0.0
    running: set[str] = field(default_factory=set)
    started: float = 0.0
    live: Live | None = None
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def done_fraction(self) -> float:
        """Of the effort of this run, or of its trials where the effort is not known yet."""
        done, queue = (self.num_trials, self.num_todo) if self.work_todo is None else (self.work_done, self.work_todo)
        return min(done / queue, 1.0) if queue else 1.0

    def start(self) -> None:
        """Begin to count time and, in a terminal, to draw."""
        self.started = time.monotonic()
        if self.console.is_terminal:
            self.live = Live(get_renderable=self._block, console=self.console, refresh_per_second=2, transient=True)
            self.live.start()
        else:
            threading.Thread(target=self._print_lines, daemon=True).start()

    def stop(self) -> None:
        """Leave the terminal as it was, and print no more lines."""
        self.stopped.set()
        if self.live:
            self.live.stop()

    def pack_started(self, pack: Pack) -> None:
        """A pack was handed to a worker."""
        self.running.add(pack.pack_id)

    def pack_finished(self, pack: Pack, rows: Sequence[Mapping[str, Any]]) -> None:
        """A pack's rows are stored."""
        self.running.discard(pack.pack_id)
        self.num_packs += 1
        self.num_trials += len(rows)
        self.num_failed += sum(row["status"] == "failed" for row in rows)
        self.work_done += sum(map(training_effort, pack.members))
        self.rows.extend({column: row[column] for column in SHOWN} for row in rows)

    def counts(self) -> str:
        """One line: trials, packs, failures, rate, remaining time."""
        seconds = self._elapsed()
        remaining = seconds * (1 / self.done_fraction - 1) if self.num_trials else None
        packs = f"{self.num_packs}" if self.num_packs_todo is None else f"{self.num_packs}/{self.num_packs_todo}"
        parts = [
            f"{self.num_trials}/{self.num_todo} trials",
            f"{packs} packs, {len(self.running)} running",
            f"{self.num_failed} failed",
            f"{60 * self.num_trials / seconds:.1f} trials/min" if seconds > 0 else "",
            f"{duration(remaining)} left" if remaining is not None else "time left unknown until a pack ends",
        ]
        before = [f"{self.num_done_before} done before"] if self.num_done_before else []
        return ", ".join([part for part in parts if part] + before)

    def _print_lines(self) -> None:
        # A log of a long run should stay readable: the longer it runs, the rarer the lines.
        while not self.stopped.wait(min(max(FIRST_LINE_SECONDS, self._elapsed() / 10), LAST_LINE_SECONDS)):
            self.console.print(f"{self.counts()}; front: {front_text(self.rows)}", soft_wrap=True, highlight=False)

    def _elapsed(self) -> float:
        return time.monotonic() - self.started

    def _block(self) -> Group:
        bar = ProgressBar(total=1.0, completed=self.done_fraction, width=60)
        return Group(bar, Text(self.counts()), Text(f"front so far: {front_text(self.rows)}"))


def front_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A few points of the front of single trials on true labels: validation accuracy at bytes."""
    ok = [row for row in rows if row["status"] == "ok" and row["label_randomization_fraction"] == 0]
    if not ok:
        return "no trial on true labels yet"
    dataset = ok[-1]["dataset"]
    points = np.unique(
        [(r["validation_accuracy"], r["compressed_bytes"]) for r in ok if r["dataset"] == dataset], axis=0
    )
    best = points[pareto_mask(points[:, 0], points[:, 1])]
    best = best[np.argsort(-best[:, 1])]
    chosen = best[np.unique(np.linspace(0, len(best) - 1, FRONT_POINTS).round().astype(int))]
    return f"{dataset}: " + ", ".join(f"{100 * accuracy:.1f} % at {size:,.0f} B" for accuracy, size in chosen)


def duration(seconds: float) -> str:
    """45 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
