"""Epochs of real packs: with students, stopped early, and gone on with from a checkpoint."""

from pathlib import Path

import pytest

from mdlray.planning import Pack, expand
from mdlray.planning.sweep_file import load_sweep
from mdlray.spec import TrialSpec, replace_fields
from mdlray.worker import epochs
from mdlray.worker.epochs import EpochsDone
from mdlray.worker.run_pack import WorkerConfig, run_pack

TINY = Path(__file__).parents[1] / "assets" / "tiny_sweep.py"


@pytest.fixture(autouse=True)
def _every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "SECONDS_BETWEEN_REPORTS", 0.0)


def unpruned(count: int) -> list[TrialSpec]:
    """Networks that may have students: these are smaller, not pruned."""
    base = expand(load_sweep(TINY))[0]
    nothing = {"compression.method": "none", "compression.pruning_ratio": 0.0}
    return [replace_fields(base, nothing | {"seeds.initialization": seed}) for seed in range(count)]


def test_every_epoch_of_a_pack_and_of_its_students_is_reported() -> None:
    first, second = unpruned(2)
    students = [replace_fields(first, {"student.round": number, "student.num_epochs": 2}) for number in (1, 2)]
    said: list[EpochsDone] = []
    result = run_pack(Pack("tiny", (first, second, *students)), WorkerConfig(), report=said.append)
    assert {row["status"] for row in result.rows} == {"ok"}
    count = first.num_epochs
    assert [(news.epoch, news.num_epochs, news.num_networks) for news in said] == [
        *((epoch + 1, count, 2) for epoch in range(count)),
        *((epoch + 1, 2, 1) for _ in range(2) for epoch in range(2)),
    ]
    total = 2 * count + 4
    assert [news.fraction for news in said] == pytest.approx(
        [2 * (epoch + 1) / total for epoch in range(count)] + [(2 * count + done) / total for done in range(1, 5)]
    )
    assert {news.device for news in said} == {"cpu"}


def test_a_pack_that_goes_on_counts_what_was_done_before() -> None:
    (spec,) = unpruned(1)
    student = replace_fields(spec, {"student.round": 1, "student.num_epochs": 3})
    pack, saved = Pack("tiny", (spec, student)), []
    run_pack(pack, WorkerConfig(checkpoint_seconds=0.0), save=saved.append)
    said: list[EpochsDone] = []
    run_pack(pack, WorkerConfig(), checkpoint=saved[-2], report=said.append)
    assert said and said[-1].fraction == 1.0
    assert said[0].fraction >= (spec.num_epochs + 1) / (spec.num_epochs + 3)


def test_reports_are_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "SECONDS_BETWEEN_REPORTS", 1000.0)
    said: list[EpochsDone] = []
    pack = Pack("tiny", tuple(expand(load_sweep(TINY))[:1]))
    run_pack(pack, WorkerConfig(), report=said.append)
    assert len(said) == 1 and said[0].epoch == 1
