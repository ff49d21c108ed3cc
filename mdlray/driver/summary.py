"""What the command prints before and after a run: the plan with its estimate of time, the fronts, the failures.

The points of a front are means over repetitions (`mdlray.results.derived.front`). The estimate of a plan uses trials
that are already in the folder: their seconds per epoch and hidden unit. Only trials that ran on the same kind of device
count, because seconds of a CPU core say nothing about a GPU.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from mdlray.driver.progress import duration
from mdlray.planning import Pack, training_effort
from mdlray.results.derived.front import groups
from mdlray.spec import TrialSpec, to_dict

if TYPE_CHECKING:
    from mdlray.driver.search import Search

FRONT_SHOWN = 12
FAILURES_SHOWN = 10
FULL_WIDTH, LEAST_WIDTH = 80, 56
"""The width, in characters, from which a front is drawn with lines between its cells, and with all of its columns."""

_SHORT = {"train": "train", "validation": "val."}
VALUES_SHOWN = 16


def front_tables(front: pd.DataFrame, width: int = 80) -> Iterator[Table]:
    """A table for the front of each group, with at most `FRONT_SHOWN` points and the accuracy that ranks them.

    Numbers are never cut off. In a terminal narrower than `FULL_WIDTH` characters, the lines between the cells are left
    out and names are wrapped. If it is narrower than `LEAST_WIDTH`, the columns `pruned %` and `trials` are left out.
    """
    for cells in groups(front[front["on_front"]]):
        points: list[Any] = _thin_out(cells.sort_values("compressed_bytes_mean")).to_dict("records")
        first = points[0]
        about = [f"front on {first['dataset']}"]
        if first["student_round"] > 0:
            about.append("students")
        if first["label_randomization_fraction"]:
            about.append(f"{100 * first['label_randomization_fraction']:.4g} % random labels")
        if first["pixel_randomization"] != "none":
            about.append(f"{first['pixel_randomization']} pixels")
        ranked_by = first["ranked_by"]
        numbers = {
            "bytes": [f"{point['compressed_bytes_mean']:,.0f}" for point in points],
            f"{_SHORT[ranked_by]} %": [f"{100 * point[f'{ranked_by}_accuracy_mean']:.2f}" for point in points],
            "test %": [f"{100 * point['test_accuracy_mean']:.2f}" for point in points],
            "pruned %": [f"{100 * point['pruning_ratio']:.1f}" for point in points],
            "trials": [f"{point['num_trials']}" for point in points],
        }
        penalties = ["" if point["regularizer"] == "none" else f" {point['regularizer']}" for point in points]
        names = {
            "network": [point["architecture"] for point in points],
            "method": [f"{point['method']}{penalty}" for point, penalty in zip(points, penalties, strict=True)],
        }
        yield _narrow_table(numbers, names, ", ".join(about), width)


def _narrow_table(
    numbers: Mapping[str, Sequence[str]], names: Mapping[str, Sequence[str]], title: str, width: int
) -> Table:
    """A table of columns (heading → cells) that fits a terminal of this width as `front_tables` says."""
    if width >= FULL_WIDTH:
        table = Table(title=title, title_justify="left")
    else:
        table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    if width < LEAST_WIDTH:
        numbers = dict(list(numbers.items())[:3])
        # One column of names, with one word per line, is narrower than two columns.
        names = {"network": [" ".join(pair) for pair in zip(*names.values(), strict=True)]}
    for heading, cells in numbers.items():
        # A heading may wrap, a number may not.
        table.add_column(heading, justify="right", min_width=max(map(len, [*cells, *heading.split()])))
    for heading in names:
        table.add_column(heading, overflow="fold", min_width=min(width // 8, 9))
    for cells in zip(*numbers.values(), *names.values(), strict=True):
        table.add_row(*cells)
    return table


def failure_lines(failed: pd.DataFrame) -> Iterator[str]:
    """One line for each of the first `FAILURES_SHOWN` failed trials, and a line that counts the others."""
    for row in failed.head(FAILURES_SHOWN).to_dict("records"):
        reason = str(row["error"]).strip().splitlines()[-1]
        name = " ".join(str(row[key]) for key in ("trial_id", "dataset", "architecture", "method", "pruning_ratio"))
        yield f"  {name}: {reason}"
    if len(failed) > FAILURES_SHOWN:
        yield f"  and {len(failed) - FAILURES_SHOWN} more; the column `error` of trials.parquet has them all"


def print_notes(console: Console, notes: Sequence[str]) -> None:
    """Print each note on a line of its own; the user need not act on notes."""
    for note in notes:
        console.print(f"note: {note}", soft_wrap=True)


def plan_summary(
    folder: Path | str,
    trials: Sequence[TrialSpec],
    packs: Sequence[Pack],
    left: Sequence[Pack],
    status: Mapping[str, str],
    done: pd.DataFrame | None,
    gpus: int | None,
) -> Iterator[Table | str]:
    """The plan of a grid: counts of trials and packs, the axes with their values, and an estimate of the time left.

    `left` are the packs that are still to be run, `status` maps a trial id to the status of its row, `done` has the
    rows of the folder.
    """
    num_left = sum(len(pack.members) for pack in left)
    num_failed = sum(status.get(spec.trial_id) == "failed" for spec in trials)
    # A failed trial that is to be retried is missing, too, so it must not count as done.
    not_done = {spec.trial_id for pack in left for spec in pack.members}
    num_done = sum(spec.trial_id not in not_done and status.get(spec.trial_id) != "failed" for spec in trials)
    table = Table(title=f"plan of {_last_name(folder)}", title_justify="left")
    for heading in ("trials", "done", "failed", "missing", "packs", "missing packs"):
        table.add_column(heading, justify="right")
    counts = (len(trials), num_done, num_failed, num_left, len(packs), len(left))
    table.add_row(*(f"{count:,}" for count in counts))
    yield table
    for axis, values in axis_values(trials).items():
        yield f"  {axis}: {shortened(values)}"
    own_rows = done[done["trial_id"].isin([spec.trial_id for spec in trials])] if done is not None else None
    seconds = estimate_seconds(trials, left, on_device(own_rows, on_gpu=bool(gpus)))
    first_size = len(packs[0].members) if packs else 1
    yield _about_time(seconds, folder, own_rows, gpus, f"; try --trials {first_size}")


def search_summary(
    folder: Path | str, search: "Search", done: pd.DataFrame | None, gpus: int | None
) -> Iterator[Table | str]:
    """The plan of a search: counts of each stratum, and an estimate of the time left.

    A trial is `told` when its result was told to Optuna, and `missing` until then.
    """
    table = Table(title=f"plan of {_last_name(folder)}, seed {search.seed}", title_justify="left")
    for heading in ("stratum", "trials", "told", "missing"):
        table.add_column(heading, justify="left" if heading == "stratum" else "right")
    for stratum in search.strata:
        name = ", ".join(str(value) for value in stratum.fields.values()) or "all"
        counts = (stratum.num_trials, stratum.num_told, stratum.num_left)
        table.add_row(name, *(f"{count:,}" for count in counts))
    yield table
    yield f"asked in batches of {search.space.trials_per_batch} per stratum; a batch is told when all of it is done"
    timed = on_device(done, on_gpu=bool(gpus))
    seconds = None if timed is None else float(timed["wall_seconds"].mean()) * search.num_left
    yield _about_time(seconds, folder, done, gpus)


def _about_time(
    seconds: float | None, folder: Path | str, done: pd.DataFrame | None, gpus: int | None, advice: str = ""
) -> str:
    """The estimate in words, from the seconds that one worker would take; or why there is no estimate."""
    workers, kind = gpus or os.cpu_count() or 1, "GPUs" if gpus else "CPUs"
    if seconds is not None:
        return f"about {duration(seconds / workers)} on {workers} {kind}, going by the finished trials in {folder}"
    other_rows = on_device(done, on_gpu=not gpus)
    if other_rows is None:
        return f"no estimate of the time before some trials are done in {folder}{advice}"
    device = "CPU" if gpus else "GPU"
    return f"no estimate for {kind}: the {len(other_rows):,} finished trials in {folder} ran on a {device}"


def on_device(done: pd.DataFrame | None, *, on_gpu: bool) -> pd.DataFrame | None:
    """The rows with status `ok` that ran on a GPU if `on_gpu`, else on a CPU; None if there are none."""
    if done is None or done.empty:
        return None
    device = done["device"].astype("object").fillna("unknown")
    rows = done[(done["status"] == "ok") & (~device.isin(["cpu", "unknown"]) if on_gpu else device == "cpu")]
    return None if rows.empty else rows


def shortened(values: Sequence[object]) -> str:
    """The values on one line; of more than 16 only the first three and the last: `0, 1, 2, … 399 (400 values)`."""
    if len(values) <= VALUES_SHOWN:
        return ", ".join(map(str, values))
    return f"{', '.join(map(str, values[:3]))}, … {values[-1]} ({len(values):,} values)"


def axis_values(trials: Sequence[TrialSpec]) -> dict[str, list[object]]:
    """The fields in which the trials differ, and their values in order of appearance."""
    values: dict[str, dict[object, None]] = {}
    for spec in trials:
        for part, fields in to_dict(spec).items():
            for name, value in fields.items():
                values.setdefault(f"{part}.{name}", {})[tuple(value) if isinstance(value, list) else value] = None
    return {name: list(distinct) for name, distinct in values.items() if len(distinct) > 1}


def estimate_seconds(trials: Sequence[TrialSpec], left: Sequence[Pack], done: pd.DataFrame | None) -> float | None:
    """Seconds that one worker needs for the packs in `left`, estimated from the rows in `done`; None without rows."""
    if done is None:
        return None
    spec_of = {spec.trial_id: spec for spec in trials}
    timed = done[(done["status"] == "ok") & done["trial_id"].isin(list(spec_of))]
    if timed.empty:
        return None
    specs = timed["trial_id"].map(spec_of)
    times = pd.DataFrame(
        {"kind": specs.map(_kind), "effort": specs.map(training_effort), "seconds": timed["wall_seconds"]}
    )
    sums = times.groupby("kind").sum().astype("float64")
    per_effort = dict(sums["seconds"] / sums["effort"])
    average = float(sums["seconds"].sum() / sums["effort"].sum())
    missing = (spec for pack in left for spec in pack.members)
    return float(sum(training_effort(spec) * per_effort.get(_kind(spec), average) for spec in missing))


def _kind(spec: TrialSpec) -> str:
    """A key of networks whose durations compare; an epoch of a convolution takes 100 times that of a hidden layer."""
    return f"{spec.model.family} {'student' if spec.student.round else ''}"


def _last_name(folder: Path | str) -> str:
    return os.path.basename(str(folder).partition("?")[0])


def _thin_out(cells: pd.DataFrame) -> pd.DataFrame:
    if len(cells) <= FRONT_SHOWN:
        return cells
    return cells.iloc[[round(i * (len(cells) - 1) / (FRONT_SHOWN - 1)) for i in range(FRONT_SHOWN)]]
