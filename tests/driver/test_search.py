"""The search: the same seed gives the same trials, whoever works and whatever is interrupted; Optuna's journal."""

import json
import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from mdlray.driver.journal import DamagedJournalError
from mdlray.driver.search import SAMPLERS, Search, sampler_name, values_of
from mdlray.planning import Sweep, usual_space, vary
from mdlray.spec import TrialSpec

SWEEP = Sweep(
    name="toy",
    question="?",
    base=TrialSpec(),
    space=usual_space(
        methods=("none", "magnitude"),
        regularizers=("none", "l2"),
        strata=vary("data.dataset", "mnist", "kmnist"),
        num_trials=50,
        trials_per_batch=8,
    ),
)
Row = Mapping[str, Any]


def row_of(spec: TrialSpec) -> Row:
    """A made-up outcome that depends on the trial alone; some trials fail."""
    kept = 1 - spec.compression.pruning_ratio
    units = spec.model.hidden_units[0]
    accuracy = 1 - 0.5 / (1 + 100 * kept) - 1 / units - abs(math.log(spec.training.learning_rate / 0.1)) / 50
    size = 100 + int(kept * units * 784 * math.log2(spec.compression.quantization_levels) / 8)
    if spec.training.learning_rate > 0.35:
        return {"trial_id": spec.trial_id, "status": "failed", "validation_accuracy": None, "compressed_bytes": None}
    return {"trial_id": spec.trial_id, "status": "ok", "validation_accuracy": accuracy, "compressed_bytes": size}


def search_for(sampler: str = "tpe", sweep: Sweep = SWEEP, **more: Any) -> Search:
    return Search(sweep, **({"sampler": sampler, "networks_per_pack": 5} | more))


def run(search: Search, order: int = 0, stop_after: int | None = None) -> list[str]:
    """Work on packs in a random order, as many workers would; returns the trials that were run."""
    generator, waiting, done = random.Random(order), [], []
    while (packs := search.packs()) is not None:
        waiting += packs
        pack = waiting.pop(generator.randrange(len(waiting)))
        search.add_rows([row_of(spec) for spec in pack.members])
        done += [spec.trial_id for spec in pack.members]
        if stop_after and len(done) >= stop_after:
            break
    return done


def told(search: Search) -> list[list[tuple[Any, ...]]]:
    return [[(t.params, t.values, t.state) for t in stratum.told.get_trials()] for stratum in search.strata]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random", pytest.param("gp", marks=pytest.mark.slow)])
def test_the_same_trials_in_any_order_of_work_and_through_any_interruption(sampler: str) -> None:
    first, second = search_for(sampler), search_for(sampler)
    run(first)
    run(second, order=1)
    assert [len(trials) for trials in told(first)] == [25, 25]
    assert told(first) == told(second)
    rows: Iterable[Row] = []
    journal, repeated = None, []
    for kill in (7, 9, None):
        resumed = search_for(sampler, rows=rows, journal=journal)
        repeated += run(resumed, order=2, stop_after=kill)
        rows, journal = list(resumed.rows.values()), resumed.journal_bytes()
    assert told(resumed) == told(first)
    assert len(repeated) == len(set(repeated))


def test_a_lost_journal_is_asked_anew_and_nothing_is_run_twice() -> None:
    first = search_for()
    run(first)
    again = search_for(rows=first.rows.values())
    assert run(again) == [] and told(again) == told(first)


def test_seeds_and_samplers_differ() -> None:
    searches = [search_for(), search_for(seed=1), search_for("random")]
    for search in searches:
        run(search)
    trials = [str(told(search)) for search in searches]
    assert len(set(trials)) == 3


def test_optuna_opens_the_journal_and_finds_nothing_running(tmp_path: Path) -> None:
    search = search_for()
    run(search, stop_after=30)
    path = tmp_path / "optuna.journal"
    path.write_bytes(search.journal_bytes())
    storage = JournalStorage(JournalFileBackend(str(path)))
    studies = optuna.get_all_study_summaries(storage=storage)
    assert len(studies) == 2 and all("toy tpe seed=0" in study.study_name for study in studies)
    study = optuna.load_study(study_name=studies[0].study_name, storage=storage)
    states = {trial.state for trial in study.trials}
    assert len(study.trials) % 8 == 0 and states <= {optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL}
    assert optuna.trial.TrialState.COMPLETE in states and study.best_trials
    assert study.metric_names == ["validation_accuracy", "log10_bytes"]
    assert all(trial.user_attrs["trial_id"] in search.rows for trial in study.trials)


def test_corners_come_first_and_the_budget_is_shared() -> None:
    search = search_for(num_trials=51)
    run(search)
    assert [len(trials) for trials in told(search)] == [26, 25]
    for trials in told(search):
        for corner, (params, _, _) in zip(SWEEP.space.first_points, trials, strict=False):
            assert {name: value for name, value in corner.items() if name in params}.items() <= params.items()


def test_more_trials_go_on_from_the_same_study() -> None:
    search = search_for(num_trials=32)
    run(search)
    longer = search_for(num_trials=50, rows=search.rows.values(), journal=search.journal_bytes())
    assert longer.num_told == 32
    run(longer)
    whole = search_for(num_trials=50)
    run(whole)
    assert told(longer) == told(whole)


def test_what_one_stratum_was_told_beyond_its_share_is_not_taken_from_the_other() -> None:
    """Sixteen of the first and none of the second under the old budget: ten of each are asked for now."""
    search = search_for(num_trials=50)
    packs = search.packs()
    while search.strata[0].num_told < 16:
        first = search.sweep.space.strata[0]["data.dataset"]
        mine = [spec for pack in packs for spec in pack.members if spec.data.dataset == first]
        search.add_rows(map(row_of, mine))
        packs = search.packs()
    assert [stratum.num_told for stratum in search.strata] == [16, 0] and search.num_left == 50 - 16
    less = search_for(num_trials=20, journal=search.journal_bytes(), rows=search.rows.values())
    assert [stratum.num_left for stratum in less.strata] == [0, 10] and less.num_left == 10
    assert len(run(less)) == 10 and less.num_left == 0 and less.num_told == 26


def test_failed_trials_are_told_as_failed() -> None:
    assert values_of({"status": "failed", "validation_accuracy": 0.9, "compressed_bytes": 10}) is None
    assert values_of({"status": "ok", "validation_accuracy": float("nan"), "compressed_bytes": 10}) is None
    assert values_of({"status": "ok", "validation_accuracy": 0.9, "compressed_bytes": 100}) == [0.9, 2.0]
    sweep = replace(SWEEP, space=replace(SWEEP.space, first_points=({"learning_rate": 0.39},)))
    search = search_for(sweep=sweep)
    run(search)
    assert told(search)[0][0][2] == optuna.trial.TrialState.FAIL


def damaged(lines: list[bytes], kind: str) -> tuple[bytes, int]:
    """A journal that somebody has damaged, and the line it is damaged in."""
    number = len(lines) // 2
    line = {
        "cut": lines[number][:20],
        "conflict": b"<<<<<<< HEAD",
        "binary": b"\xff\xfe\x00",
        "list": b"[1, 2, 3]",
        "number": b"3",
        "unknown": b'{"op_code": 99, "worker_id": "x"}',
        "bare": b'{"op_code": 4, "worker_id": "x"}',
    }[kind]
    return b"\n".join([*lines[:number], line, *lines[number + 1 :]]) + b"\n", number + 1


@pytest.mark.parametrize("kind", ["cut", "conflict", "binary", "list", "number", "unknown", "bare"])
def test_a_damaged_journal_is_named_with_its_line(kind: str) -> None:
    """Also where the line is JSON and only Optuna cannot read it."""
    search = search_for()
    run(search, stop_after=30)
    journal, line = damaged(search.journal_bytes().splitlines(), kind)
    with pytest.raises(
        DamagedJournalError, match=rf"optuna.journal is damaged in line {line} \(.*nothing is trained twice"
    ):
        search_for(journal=journal)


def test_an_unknown_sampler_says_what_there_is() -> None:
    with pytest.raises(ValueError, match="--search is 'magic'; known are: optuna .= tpe., tpe, nsga2, gp, random"):
        sampler_name("magic")
    assert sampler_name("optuna") == "tpe" and set(SAMPLERS) == {"tpe", "nsga2", "gp", "random"}


def test_trials_that_others_enqueued_are_left_out_with_a_note(tmp_path: Path) -> None:
    """As optuna-dashboard does; the search goes on as if they were not there, whenever they came."""
    whole = search_for()
    run(whole)
    search = search_for()
    run(search, stop_after=20)
    path = tmp_path / "optuna.journal"
    path.write_bytes(search.journal_bytes())
    storage = JournalStorage(JournalFileBackend(str(path)))
    for summary in optuna.get_all_study_summaries(storage=storage):
        study = optuna.load_study(study_name=summary.study_name, storage=storage)
        study.enqueue_trial({"learning_rate": 0.1})
        study.ask()
    resumed = search_for(rows=search.rows.values(), journal=path.read_bytes())
    assert resumed.num_told == search.num_told and len(resumed.notes) == 2
    assert "1 trials in optuna.journal were put there by another program" in resumed.notes[0]
    run(resumed)
    ours = [[one for one in trials if one[1] or one[2].is_finished()] for trials in told(resumed)]
    assert ours == told(whole) and resumed.trial_ids() == whole.trial_ids()


def broken_space(**changes: Any) -> Sweep:
    return replace(SWEEP, space=replace(SWEEP.space, **changes))


def of_no_use(trial: Any) -> Any:
    trial.suggest_float("rate", 0.1, 0.2)
    return {}["missing"]


@pytest.mark.parametrize(
    ("suggest", "words"),
    [
        (of_no_use, r"test_search.py, line \d+\) failed after {'rate': 0.1.*KeyError: 'missing'"),
        (lambda: {}, "the space of toy failed after {}: TypeError: .*takes 0 positional arguments"),
        (lambda trial: None, "the space of toy returned None; it must return a mapping of fields, e.g."),
        (lambda trial: {3: 4}, r"the space of toy returned {3: 4}; it must"),
        (lambda trial: {"training.rate": 0.1}, "the space of toy suggests {}: a trial has no field 'training.rate'"),
    ],
)
def test_a_space_that_fails_is_named_with_its_line(suggest: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        search_for(sweep=broken_space(suggest=suggest, first_points=())).packs()


def test_a_misspelled_first_point_is_refused_and_a_conditional_one_is_not() -> None:
    """`kept_fraction` has no effect beside the method `none`, which is no slip: other trials have it."""
    conditional = broken_space(first_points=({"method": "none", "kept_fraction": 0.1},))
    assert search_for(sweep=conditional).packs()
    with pytest.raises(
        ValueError, match=r"'log2_unit' in first_points\[1\] and never suggests.*kept_fraction, .*log2_units"
    ):
        search_for(sweep=broken_space(first_points=({"log2_units": 4}, {"log2_unit": 4}))).packs()


def test_numpy_numbers_in_a_space_reach_the_journal_as_pythons() -> None:
    def suggest(trial: Any) -> dict[str, Any]:
        ratio = np.float64(trial.suggest_categorical("ratio", [np.float64(0.5), np.float64(0.9)]))
        units = np.int64(trial.suggest_int("units", np.int64(4), np.int64(9)))
        return {"compression.method": "magnitude", "compression.pruning_ratio": ratio, "model.hidden_units": (units,)}

    search = search_for(sweep=broken_space(suggest=suggest, first_points=({"units": np.int64(5)},), num_trials=16))
    run(search)
    assert search_for(sweep=search.sweep, journal=search.journal_bytes()).num_told == 16


def test_a_space_that_suggests_what_is_no_trial_names_it() -> None:
    space = replace(SWEEP.space, suggest=lambda trial: {"training.learning_rate": trial.suggest_float("rate", -2, -1)})
    with pytest.raises(ValueError, match=r"the space of toy suggests \{'rate': -.*learning_rate is"):
        search_for(sweep=replace(SWEEP, space=space)).packs()


def test_the_journal_holds_plain_json_lines() -> None:
    search = search_for()
    run(search)
    assert all(isinstance(json.loads(line), dict) for line in search.journal_bytes().splitlines())
