"""What the command says about plans, fronts and failures."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from mdlray.driver.summary import axis_values, estimate_seconds, failure_lines, front_tables, plan_summary, shortened
from mdlray.planning import Pack, plan_packs
from mdlray.results import load
from mdlray.results.derived.front import front_table
from mdlray.spec import TrialSpec, replace_fields

ASSETS = Path(__file__).parents[1] / "assets"


def text(renderable: object) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def trials(count: int) -> list[TrialSpec]:
    return [
        replace_fields(TrialSpec(), {"seeds.initialization": i, "training.num_epochs": 90 + i}) for i in range(count)
    ]


def rows(specs: list[TrialSpec], device: str = "cpu") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "trial_id": [s.trial_id for s in specs],
            "status": "ok",
            "wall_seconds": [s.training.num_epochs / 10 for s in specs],
            "device": device,
        }
    )


def test_axes_are_the_fields_that_differ() -> None:
    assert axis_values(trials(2)) == {"training.num_epochs": [90, 91], "seeds.initialization": [0, 1]}
    assert axis_values(trials(1)) == {}


def test_the_estimate_goes_by_effort() -> None:
    specs = trials(6)
    left = [Pack("toy", tuple(specs[4:]))]
    assert estimate_seconds(specs, left, rows(specs[:4])) == pytest.approx((94 + 95) / 10)
    assert estimate_seconds(specs, left, None) is None and estimate_seconds(specs, left, rows([])) is None


def test_the_plan_counts_done_failed_and_missing() -> None:
    specs = trials(4)
    status = {specs[0].trial_id: "ok", specs[1].trial_id: "failed"}
    packs = plan_packs("toy", specs, 2)
    for left, counts in ((packs[2:], [4, 1, 1, 2, 4, 2]), (packs[1:], [4, 1, 1, 3, 4, 3])):
        lines = list(plan_summary(Path("results/toy"), specs, packs, left, status, rows(specs[:1], "NVIDIA H100"), 8))
        assert [int(word) for word in text(lines[0]).split() if word.isdigit()] == counts
    assert "on 8 GPUs, going by the finished trials in results/toy" in lines[-1]


@pytest.mark.parametrize(
    ("devices", "gpus", "words"),
    [
        (("cpu", "cpu"), 8, "no estimate for GPUs: the 2 finished trials in results/toy ran on a CPU"),
        (
            ("NVIDIA H100", "NVIDIA H100"),
            None,
            "no estimate for CPUs: the 2 finished trials in results/toy ran on a GPU",
        ),
        (("cpu", "NVIDIA H100"), 8, "about 46 s on 8 GPUs, going by"),
        (("unknown", "unknown"), 8, "no estimate of the time before some trials are done"),
    ],
)
def test_seconds_of_a_cpu_are_not_sold_as_those_of_a_gpu(
    devices: tuple[str, str], gpus: int | None, words: str
) -> None:
    """The second row took 4 seconds for each of its 91 epochs: the missing trial of 92 takes 368 on one device."""
    specs = trials(3)
    done = rows(specs[:2]).assign(device=list(devices), wall_seconds=[1.0, 4.0 * 91])
    left = plan_packs("toy", specs[2:], 1)
    (*_, about) = plan_summary(Path("results/toy"), specs, left, left, {}, done, gpus)
    assert words in str(about)


def test_long_axes_are_shortened() -> None:
    assert shortened(list(range(400))) == "0, 1, 2, … 399 (400 values)"
    assert shortened(["magnitude", "obd"]) == "magnitude, obd"


def test_students_have_a_front_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "trials.parquet").write_bytes((ASSETS / "rows_v1.parquet").read_bytes())
    frame = load(tmp_path)
    student = frame[frame["status"] == "ok"].head(1).assign(student_round=3, cell_id="a student's")
    network, students = front_tables(front_table(pd.concat([frame.head(1), student])))
    assert "students" in text(students) and "students" not in text(network)


def test_the_front_of_random_labels_shows_the_training_accuracy_that_ranks_it(tmp_path: Path) -> None:
    (tmp_path / "trials.parquet").write_bytes((ASSETS / "rows_v1.parquet").read_bytes())
    frame = load(tmp_path)
    row = frame[frame["status"] == "ok"].head(1).assign(train_accuracy=0.3125, validation_accuracy=0.0975)
    (true,) = front_tables(front_table(row.assign(label_randomization_fraction=0.0)))
    (random,) = front_tables(front_table(row.assign(label_randomization_fraction=1.0)))
    assert "val. %" in text(true) and "9.75" in text(true)
    assert "train %" in text(random) and "31.25" in text(random) and "val. %" not in text(random)


def test_fronts_and_failures_of_archived_rows(tmp_path: Path) -> None:
    folder = tmp_path / "archived"
    folder.mkdir()
    (folder / "trials.parquet").write_bytes((ASSETS / "rows_v1.parquet").read_bytes())
    frame = load(folder)
    tables = list(front_tables(front_table(frame)))
    assert tables and "front on" in text(tables[0]) and "dense-" in text(tables[0])
    failed = frame[frame["status"] == "failed"]
    (line,) = failure_lines(failed)
    assert failed["trial_id"].iloc[0] in line
    assert "and 5 more" in list(failure_lines(pd.concat([failed] * 15)))[-1]


@pytest.mark.parametrize("width", [20, 30, 40, 56, 60, 79, 80, 120])
def test_a_narrow_terminal_cuts_no_number_off(width: int, make_row: Any, as_trials: Any) -> None:
    sizes = {"a": 418, "b": 12_345, "c": 234_567}
    rows = [
        make_row(
            cell_id=cell, compressed_bytes=size, validation_accuracy=0.9 + size / 1e7, architecture=f"dense-{size}-10"
        )
        for cell, size in sizes.items()
    ]
    (table,) = front_tables(front_table(as_trials(rows)), width)
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table)
    lines = capture.get().splitlines()
    words = {word for line in lines for word in line.split()}
    assert all(len(line) <= width for line in lines) and "…" not in capture.get()
    assert words >= {"418", "12,345", "234,567", "90.00", "90.12", "92.35", "89.00"}
    letters = "".join("".join(line.split()) for line in lines)
    if width >= 56:
        assert words >= {"90.0", "1"} and {"magnitude", "l2"} <= words
    if width >= 80 or 40 <= width < 56:
        assert {"dense-418-10", "magnitude", "l2"} <= words
    if width >= 30:
        assert letters.count("dense-") == letters.count("l2") == 3
