"""The search: the same seed gives the same trials, whoever works and whatever is interrupted; Optuna's journal."""

import json
import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

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


def test_a_damaged_journal_and_an_unknown_sampler_say_what_to_do() -> None:
    search = search_for()
    run(search, stop_after=30)
    with pytest.raises(ValueError, match="damaged in line 2; delete the file and run the same command again"):
        first, _, *others = search.journal_bytes().splitlines(keepends=True)
        search_for(journal=b"".join([first, b'{"op_code": 4, "study', *others]))
    with pytest.raises(ValueError, match="--search is 'magic'; known are: optuna .= tpe., tpe, nsga2, gp, random"):
        sampler_name("magic")
    assert sampler_name("optuna") == "tpe" and set(SAMPLERS) == {"tpe", "nsga2", "gp", "random"}


def test_a_space_that_suggests_what_is_no_trial_names_it() -> None:
    space = replace(SWEEP.space, suggest=lambda trial: {"training.learning_rate": trial.suggest_float("rate", -2, -1)})
    with pytest.raises(ValueError, match=r"the space of toy suggests \{'rate': -.*learning_rate is"):
        search_for(sweep=replace(SWEEP, space=space)).packs()


def test_the_journal_holds_plain_json_lines() -> None:
    search = search_for()
    run(search)
    assert all(isinstance(json.loads(line), dict) for line in search.journal_bytes().splitlines())
