"""What is shown: counts, epochs of running packs, the front so far, durations; at every width of a terminal."""

import io
import re
import time
from types import SimpleNamespace

import pytest
from rich.console import Console

from mdlray.driver.progress import Progress, duration, front_text
from mdlray.planning import Pack
from mdlray.spec import TrialSpec, replace_fields


def row(accuracy: float, size: int, **more: object) -> dict[str, object]:
    known = {"status": "ok", "dataset": "mnist", "label_randomization_fraction": 0.0}
    return known | {"validation_accuracy": accuracy, "compressed_bytes": size} | more


def packs(count: int = 2) -> list[Pack]:
    return [
        Pack("toy", tuple(replace_fields(TrialSpec(), {"seeds.initialization": 3 * p + m}) for m in range(3)))
        for p in range(count)
    ]


def progress_of(packs: list[Pack], num_done: int, console: Console, **more: object) -> Progress:
    trials = [spec for pack in packs for spec in pack.members]
    return Progress(len(trials), num_done, console, packs, **more)


def news(epoch: int, num_epochs: int = 100) -> SimpleNamespace:
    return SimpleNamespace(
        epoch=epoch, num_epochs=num_epochs, num_networks=3, fraction=epoch / num_epochs, device="cpu"
    )


def wait_for(text: str, out: io.StringIO) -> None:
    deadline = time.monotonic() + 30
    while text not in out.getvalue():
        assert time.monotonic() < deadline, out.getvalue()
        time.sleep(0.02)


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
    assert front_text([]) == "no trial yet"


def test_counts_follow_the_packs_and_their_epochs() -> None:
    first, second = packs()
    progress = progress_of([first, second], 4, Console(file=io.StringIO()))
    progress.started = time.monotonic()
    progress.pack_started(first)
    assert "0/6 trials, 0/2 packs, 1 running, 0 failed" in progress.counts()
    assert "time left known after the first epoch" in progress.counts()
    pack, about, since = progress.running[first.pack_id]
    progress.running[first.pack_id] = (pack, about, since - 90)
    progress.news = {first.pack_id: news(50)}
    # 90 s for half the epochs, which are 90 % of a pack: 200 s each, and 2 packs, one at a time.
    assert "0/6 trials" in progress.counts() and "5 min left" in progress.counts()
    assert progress.done_fraction == pytest.approx(0.9 * 0.5 / 2)
    progress.pack_finished(first, [row(0.9, 10), row(0.8, 5), row(0.7, 1) | {"status": "failed"}])
    progress.started -= 60
    text = progress.counts()
    assert "3/6 trials, 1/2 packs, 0 running, 1 failed, 3.0 trials/min, 90 s left, 4 done before" in text or (
        "2 min left" in text
    )
    assert progress.done_fraction == pytest.approx(0.5)


def test_a_search_counts_trials_and_knows_the_time_left_all_the_same() -> None:
    (pack,) = packs(1)
    progress = Progress(9, 0, Console(file=io.StringIO()), None)
    progress.started = time.monotonic()
    progress.pack_started(pack)
    same, about, since = progress.running[pack.pack_id]
    progress.running[pack.pack_id] = (same, about, since - 90)
    progress.news = {pack.pack_id: news(100)}
    assert progress.done_fraction == pytest.approx(0.9 * 3 / 9)
    assert "0/9 trials, 0 packs, 1 running" in progress.counts() and "4 min left" in progress.counts()


def test_without_a_terminal_a_plain_line_now_and_then_with_the_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mdlray.driver.progress.FIRST_LINE_SECONDS", 0.05)
    first, second = packs()
    out = io.StringIO()
    said = {first.pack_id: news(37), second.pack_id: news(12)}
    progress = progress_of([first, second], 0, Console(file=out, width=200), read_news=lambda ids: said)
    progress.start()
    progress.pack_started(first)
    progress.pack_started(second)
    wait_for("2 running, 0 failed", out)
    wait_for("; epochs 37/100, 12/100; front: no trial yet", out)
    progress.pack_finished(first, [row(0.9, 10)] * 3)
    progress.pack_finished(second, [row(0.95, 20)] * 3)
    wait_for("6/6 trials", out)
    progress.stop()
    assert out.getvalue().splitlines()[-1].endswith("front: mnist: 95.0 % at 20 B, 90.0 % at 10 B")


def test_that_the_run_is_stopping_is_said_at_once() -> None:
    """The next line would come after twenty seconds."""
    out, stopping = io.StringIO(), []
    progress = progress_of(packs(), 0, Console(file=out, width=200), is_stopping=lambda: bool(stopping))
    progress.start()
    stopping.append(True)
    begun = time.monotonic()
    wait_for("stopping ..., 0/6 trials", out)
    progress.stop()
    assert time.monotonic() - begun < 10
    assert out.getvalue().count("stopping") == 1


@pytest.mark.parametrize("width", [60, 80, 100])
def test_in_a_terminal_everything_is_seen_at_every_width(width: int) -> None:
    out = io.StringIO()
    several = packs(11)
    said = {pack.pack_id: news(37) for pack in several[1:]}
    progress = progress_of(several, 5, Console(file=out, width=width, height=40), read_news=lambda ids: said)
    progress.started = time.monotonic() - 60
    progress.pack_finished(several[0], [row(0.9, 10)] * 3)
    for pack in several[1:]:
        progress.pack_started(pack)
    progress.news = {pack.pack_id: news(37) for pack in several[2:]}
    progress.console.print(progress.block())
    lines = out.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    assert re.fullmatch("[━╸╺ ]+", lines[0]), "the bar has a line of its own"
    text = " ".join(" ".join(lines[1:]).split())
    assert "3/33 trials, 1/11 packs, 10 running, 0 failed, 3.0 trials/min, " in text
    assert " left, 5 done before" in text
    assert f"{several[1].pack_id[:8]}: 3 trials, starting" in text
    assert f"{several[2].pack_id[:8]}: 3 networks, epoch 37 of 100, on cpu" in text and "and 2 more packs" in text
    assert text.endswith("front of single trials so far: mnist: 90.0 % at 10 B")


def test_a_terminal_is_redrawn() -> None:
    out = io.StringIO()
    first, second = packs()
    progress = progress_of([first, second], 0, Console(file=out, force_terminal=True, width=80))
    progress.start()
    progress.pack_finished(first, [row(0.9, 10)] * 3)
    wait_for("3/6 trials", out)
    progress.stop()


def test_durations_in_words() -> None:
    assert [duration(s) for s in (45, 720, 12_240)] == ["45 s", "12 min", "3.4 h"]
