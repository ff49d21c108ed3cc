"""What is shown: counts, the front so far, durations."""

import io
import time

import pytest
from rich.console import Console

from mdlray.driver.progress import Progress, duration, front_text
from mdlray.planning import Pack, training_effort
from mdlray.spec import TrialSpec, replace_fields


def row(accuracy: float, size: int, **more: object) -> dict[str, object]:
    known = {"status": "ok", "dataset": "mnist", "label_randomization_fraction": 0.0}
    return known | {"validation_accuracy": accuracy, "compressed_bytes": size} | more


def packs() -> list[Pack]:
    return [
        Pack("toy", tuple(replace_fields(TrialSpec(), {"seeds.initialization": 3 * p + m}) for m in range(3)))
        for p in range(2)
    ]


def progress_of(packs: list[Pack], num_done: int, console: Console) -> Progress:
    trials = [spec for pack in packs for spec in pack.members]
    return Progress(len(trials), num_done, console, len(packs), sum(map(training_effort, trials)))


def test_the_front_leaves_out_what_is_beaten_failed_or_randomized() -> None:
    rows = [
        row(0.9, 100),
        row(0.8, 200),
        row(0.95, 1500),
        row(0.99, 1, label_randomization_fraction=1.0),
        row(0.0, 0) | {"status": "failed"},
    ]
    assert front_text(rows) == "mnist: 95.0 % at 1,500 B, 90.0 % at 100 B"
    assert front_text(rows[4:]) == "no trial on true labels yet"


def test_counts_follow_the_packs() -> None:
    first, second = packs()
    progress = progress_of([first, second], 4, Console(file=io.StringIO()))
    progress.start()
    progress.pack_started(first)
    assert "0/6 trials, 0/2 packs, 1 running, 0 failed" in progress.counts()
    assert "time left unknown until a pack ends" in progress.counts()
    progress.pack_finished(first, [row(0.9, 10), row(0.8, 5), row(0.7, 1) | {"status": "failed"}])
    progress.started -= 60
    text = progress.counts()
    assert "3/6 trials, 1/2 packs, 0 running, 1 failed, 3.0 trials/min, 60 s left, 4 done before" in text
    progress.stop()


def test_without_a_terminal_a_plain_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mdlray.driver.progress.FIRST_LINE_SECONDS", 0.05)
    first, second = packs()
    out = io.StringIO()
    progress = progress_of([first, second], 0, Console(file=out, width=200))
    progress.start()
    progress.pack_finished(first, [row(0.9, 10)] * 3)
    progress.pack_finished(second, [row(0.95, 20)] * 3)
    time.sleep(0.3)
    progress.stop()
    time.sleep(0.1)
    lines = out.getvalue().splitlines()
    assert len(lines) > 1 and "6/6 trials" in lines[-1]
    assert lines[-1].endswith("front: mnist: 95.0 % at 20 B, 90.0 % at 10 B")


def test_in_a_terminal_a_block_that_redraws_itself() -> None:
    out = io.StringIO()
    first, second = packs()
    progress = progress_of([first, second], 0, Console(file=out, force_terminal=True, width=100))
    progress.start()
    progress.pack_finished(first, [row(0.9, 10)] * 3)
    time.sleep(0.7)
    progress.stop()
    assert "3/6 trials" in out.getvalue() and "front so far: mnist: 90.0 % at 10 B" in out.getvalue()


def test_durations_in_words() -> None:
    assert [duration(s) for s in (45, 720, 12_240)] == ["45 s", "12 min", "3.4 h"]
