"""The display of a running sweep: packs and trials done, epochs of running packs, time left, the front so far.

In a terminal it is a block that redraws itself; elsewhere it is a line of text every 20 seconds to 5 minutes. Workers
report their progress about once a second (`news`). A thread reads these reports, so that nothing else waits for them.
The time left is that of `mdlray.driver.time_left`, which is known from the first epochs on.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mdlray.driver.time_left import SHARE_OF_TRAINING, PackTime, Waiting, seconds_left
from mdlray.planning import Pack, training_effort
from mdlray.results.derived.front import pareto_mask

FIRST_LINE_SECONDS, LAST_LINE_SECONDS = 20.0, 300.0
SECONDS_BETWEEN_LOOKS = 1.0
BAR_WIDTH = 60
FRONT_POINTS = 6
PACKS_SHOWN = 8
SHOWN = ("status", "dataset", "label_randomization_fraction", "validation_accuracy", "compressed_bytes")
"""The columns of a row that the display needs."""


class News(Protocol):
    """The progress of a pack, as its worker reports it (`mdlray.worker.epochs.EpochsDone`)."""

    @property
    def epoch(self) -> int: ...
    @property
    def num_epochs(self) -> int: ...
    @property
    def num_networks(self) -> int: ...
    @property
    def fraction(self) -> float: ...
    @property
    def device(self) -> str: ...


@dataclass
class Progress:
    """Counts of one run of the command; `start` opens the display, `stop` closes it."""

    num_todo: int
    """Number of trials of this run."""
    num_done_before: int
    console: Console
    packs: Sequence[Pack] | None = None
    """All packs of this run; None for a search, which makes packs as it goes."""
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    """Rows for the front: those that were stored before, and those of this run."""
    num_parallel: int = 1
    """Number of packs that run at a time."""
    read_news: Callable[[Sequence[str]], Mapping[str, News]] = lambda pack_ids: {}
    """Takes ids of running packs, and returns id → its last report."""
    is_stopping: Callable[[], bool] = lambda: False
    """Whether a signal has asked the run to end."""
    num_trials: int = 0
    num_failed: int = 0
    num_packs: int = 0
    running: dict[str, tuple[Pack, Waiting, float]] = field(default_factory=dict)
    """Id of a running pack → the pack, its kind and effort, and the time of its start."""
    news: Mapping[str, News] = field(default_factory=dict)
    waiting: dict[str, Waiting] = field(init=False)
    """Packs that have not started; empty for a search."""
    effort: float = field(init=False)
    """Effort of all packs of this run."""
    done: list[PackTime] = field(default_factory=list)
    started: float = 0.0
    live: Live | None = None
    stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.waiting = {pack.pack_id: Waiting(kind(pack), effort(pack)) for pack in self.packs or ()}
        self.effort = sum(pack.effort for pack in self.waiting.values())

    @property
    def num_packs_todo(self) -> int | None:
        """Number of packs of this run; None for a search."""
        return None if self.packs is None else len(self.packs)

    @property
    def done_fraction(self) -> float:
        """Fraction of this run's effort that is done; for a search, whose effort is not known, of its trials."""
        if self.packs is None:
            begun = [(len(pack.members), self._fraction(name)) for name, (pack, _, _) in self._running()]
            done, todo = self.num_trials + sum(size * share for size, share in begun), float(self.num_todo)
        else:
            done, todo = sum(pack.effort * pack.fraction for pack in self._begun()), self.effort
        return min(done / todo, 1.0) if todo else 1.0

    def start(self) -> None:
        """Begin to count time and, in a terminal, to draw."""
        self.started = time.monotonic()
        if self.console.is_terminal:
            self.live = Live(get_renderable=self.block, console=self.console, refresh_per_second=2, transient=True)
            self.live.start()
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.watcher.start()

    def stop(self) -> None:
        """Leave the terminal as it was, and print no more lines."""
        self.stopped.set()
        self.watcher.join(timeout=10 * SECONDS_BETWEEN_LOOKS)
        if self.live:
            self.live.stop()

    def pack_started(self, pack: Pack) -> None:
        """A pack was handed to a worker, for the first time or again."""
        about = self.waiting.pop(pack.pack_id, None) or Waiting(kind(pack), effort(pack))
        self.running[pack.pack_id] = (pack, about, time.monotonic())

    def pack_finished(self, pack: Pack, rows: Sequence[Mapping[str, Any]]) -> None:
        """A pack's rows are stored."""
        if pack.pack_id not in self.running:
            self.pack_started(pack)
        _, about, since = self.running.pop(pack.pack_id)
        self.done.append(PackTime(about.kind, about.effort, time.monotonic() - since, 1.0))
        self.num_packs += 1
        self.num_trials += len(rows)
        self.num_failed += sum(row["status"] == "failed" for row in rows)
        self.rows.extend({column: row[column] for column in SHOWN} for row in rows)

    def counts(self) -> str:
        """One line: trials, packs, failures, rate, remaining time."""
        seconds, left = self._elapsed(), self._seconds_left()
        packs = f"{self.num_packs}" if self.packs is None else f"{self.num_packs}/{self.num_packs_todo}"
        parts = [
            "stopping ..." if self.is_stopping() else "",
            f"{self.num_trials}/{self.num_todo} trials",
            f"{packs} packs, {len(self.running)} running",
            f"{self.num_failed} failed",
            f"{60 * self.num_trials / seconds:.1f} trials/min" if self.num_trials and seconds > 0 else "",
            f"{duration(left)} left" if left is not None else "time left known after the first epoch",
        ]
        before = [f"{self.num_done_before} done before"] if self.num_done_before else []
        return ", ".join([part for part in parts if part] + before)

    def block(self) -> Table:
        """What a terminal shows: a bar, the counts, a line per running pack, the front."""
        # In a grid, because a bar that is followed by text directly shares its line, and the text is cut off.
        grid = Table.grid()
        grid.add_row(ProgressBar(total=1.0, completed=self.done_fraction, width=min(BAR_WIDTH, self.console.width)))
        grid.add_row(Text(self.counts()))
        running = self._running()
        for name, (pack, _, _) in running[:PACKS_SHOWN]:
            grid.add_row(Text(f"  {pack_text(pack, self.news.get(name))}"))
        if len(running) > PACKS_SHOWN:
            grid.add_row(Text(f"  and {len(running) - PACKS_SHOWN} more packs"))
        grid.add_row(Text(f"front of single trials so far: {front_text(self.rows)}"))
        return grid

    def line(self) -> str:
        """The counts, the epochs of running packs and the front as one line of text."""
        said = [self.news[name] for name, _ in self._running() if name in self.news]
        epochs = ", ".join(f"{news.epoch}/{news.num_epochs}" for news in said[:PACKS_SHOWN])
        more = " ..." if len(said) > PACKS_SHOWN else ""
        parts = [self.counts(), f"epochs {epochs}{more}" if epochs else "", f"front: {front_text(self.rows)}"]
        return "; ".join(part for part in parts if part)

    def _watch(self) -> None:
        """Read the news; print a line now and then where there is no terminal, and at once when the run is to end."""
        printed, said_stopping = time.monotonic(), False
        while not self.stopped.wait(min(SECONDS_BETWEEN_LOOKS, FIRST_LINE_SECONDS)):
            self.news = self.read_news([name for name, _ in self._running()])
            # A log of a long run should stay readable: the longer it runs, the rarer the lines.
            pause = min(max(FIRST_LINE_SECONDS, self._elapsed() / 10), LAST_LINE_SECONDS)
            is_new = self.is_stopping() and not said_stopping
            said_stopping |= is_new
            if not self.live and (is_new or time.monotonic() - printed >= pause):
                printed = time.monotonic()
                self.console.print(self.line(), soft_wrap=True, highlight=False)

    def _elapsed(self) -> float:
        return time.monotonic() - self.started

    def _running(self) -> list[tuple[str, tuple[Pack, Waiting, float]]]:
        return list(self.running.items())

    def _fraction(self, name: str) -> float:
        return SHARE_OF_TRAINING * self.news[name].fraction if name in self.news else 0.0

    def _begun(self) -> list[PackTime]:
        now = time.monotonic()
        running = [
            PackTime(about.kind, about.effort, now - since, self._fraction(name))
            for name, (_, about, since) in self._running()
        ]
        return [*self.done, *running]

    def _seconds_left(self) -> float | None:
        begun = self._begun()
        if self.packs is not None:
            return seconds_left(begun, list(self.waiting.values()), self.num_parallel)
        num_begun = self.num_trials + sum(len(pack.members) for _, (pack, _, _) in self._running())
        each = sum(pack.effort for pack in begun) / num_begun if num_begun else 0.0
        return seconds_left(begun, [Waiting(None, each * max(self.num_todo - num_begun, 0))], self.num_parallel)


def effort(pack: Pack) -> float:
    """The effort of a pack's trials, in the unit of `mdlray.planning.training_effort`."""
    return sum(map(training_effort, pack.members))


def kind(pack: Pack) -> str:
    """Packs of one kind take equal time per effort."""
    return pack.members[0].stack_key


def pack_text(pack: Pack, news: News | None) -> str:
    """One running pack in a few words: `3f2a9c01: 15 networks, epoch 37 of 100, on cpu`."""
    if news is None:
        return f"{pack.pack_id[:8]}: {len(pack.members)} trials, starting"
    return (
        f"{pack.pack_id[:8]}: {news.num_networks} networks, epoch {news.epoch} of {news.num_epochs}, on {news.device}"
    )


def front_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A few points of the front of single trials on true labels: validation accuracy at bytes."""
    ok = [row for row in rows if row["status"] == "ok" and row["label_randomization_fraction"] == 0]
    if not ok:
        return "no trial on true labels yet" if rows else "no trial yet"
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
