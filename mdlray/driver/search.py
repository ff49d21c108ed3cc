"""A space → trials: Optuna is asked for a batch of trials, and told their results when all of the batch are done.

There are two objectives: a high validation accuracy, and a low log10(compressed bytes). A trial that lacks one of them
is told as FAIL. Each stratum (a data set and a level of randomization) has an Optuna study of its own, because fronts
of different tasks cannot be compared.

**The same seed gives the same trials, for any number of workers and after any interruption.** A batch is asked for when
the batch before it was told. Each trial is asked for with a sampler that is seeded by (seed, stratum, trial number).
Batches do not depend on which workers are idle. So an unfinished batch need not be stored: after an interruption the
same batch is asked for again, and its trials that have a row are not run again.

All studies are in one Optuna journal, which optuna-dashboard opens (`mdlray.driver.journal`). Batches are added to it
whole, when they are told, so no trial is ever left in the state RUNNING.

References: Ozaki et al. 2022 (multi-objective TPE), Deb et al. 2002 (NSGA-II), Ginsbourger et al. 2010 (constant liar).
"""

import functools
import hashlib
import json
import math
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

from mdlray.driver.journal import Journal
from mdlray.planning import Pack, Sweep, missing_packs, plan_packs, space_of
from mdlray.planning.space import Fields
from mdlray.spec import TrialSpec, replace_fields

SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed),
    # With Optuna's default population of 50, NSGA-II is no better than chance within 200 trials.
    "nsga2": lambda seed: NSGAIISampler(seed=seed, population_size=20),
    # The Gaussian process cannot model conditional parameters; Optuna draws them at random, and would warn of each.
    "gp": lambda seed: GPSampler(seed=seed, warn_independent_sampling=False),
    "random": lambda seed: RandomSampler(seed=seed),
}
"""Name of a sampler -> a function from a seed to the sampler; the name `optuna` means the first of them."""

DIRECTIONS = [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]
METRICS = ["validation_accuracy", "log10_bytes"]

PROBES = 200
"""Number of random trials that are asked for to find out which parameters a space has."""

optuna.logging.set_verbosity(optuna.logging.ERROR)


def sampler_name(name: str) -> str:
    """The name in SAMPLERS that the user means by `name`; ValueError lists the names."""
    name = "tpe" if name == "optuna" else name
    if name not in SAMPLERS:
        raise ValueError(f"--search is {name!r}; known are: optuna (= tpe), {', '.join(SAMPLERS)}.")
    return name


def values_of(row: Mapping[str, Any]) -> list[float] | None:
    """The two objectives of a row; None if the trial failed, or if one of them is missing or not finite."""
    accuracy, size = row["validation_accuracy"], row["compressed_bytes"]
    if row["status"] == "failed" or not _finite(accuracy) or not _finite(size) or size <= 0:
        return None
    return [float(accuracy), math.log10(size)]


@dataclass
class Stratum:
    """The Optuna study of one stratum, and the batch whose results are not told yet."""

    fields: Fields
    """The fields that all trials of the stratum have, e.g. `{"data.dataset": "mnist"}`."""
    num_trials: int
    told: optuna.Study
    """The study in the journal; it has whole batches only."""
    request: optuna.Study
    """A copy of that study in memory, which also has the trials of the present batch."""
    num_told: int
    batch: dict[int, TrialSpec] = field(default_factory=dict)
    """Trial number → trial."""

    @property
    def num_left(self) -> int:
        """Number of trials that are not told yet; 0 if an earlier run had a larger budget and told more."""
        return max(0, self.num_trials - self.num_told)


class Search:
    """The search of a sweep: `packs` returns packs that can run now, `add_rows` takes the rows of finished packs."""

    def __init__(
        self,
        sweep: Sweep,
        *,
        sampler: str = "tpe",
        seed: int = 0,
        num_trials: int | None = None,
        changes: Mapping[str, Any] | None = None,
        settle: Callable[[TrialSpec], TrialSpec] = lambda spec: spec,
        networks_per_pack: int,
        rows: Iterable[Mapping[str, Any]] = (),
        journal: bytes | None = None,
        version: str = "",
    ):
        """`changes` are fields that override those of every trial, and `settle` sets its seeds and photographs.

        `rows` are the stored rows. `version` is that of the sweep's file: another version starts a new study, which
        uses the old rows where it asks for the same trials.
        """
        self.sweep, self.space, self.seed = sweep, space_of(sweep), seed
        self.sampler = sampler_name(sampler)
        self.settle = settle
        self.networks_per_pack = networks_per_pack
        self.rows = {row["trial_id"]: row for row in rows}
        self.notes: list[str] = []
        """Notes on the journal for the user."""
        self.journal_damage = ""
        """Why the journal in the results folder is not used; `open_search` sets this."""
        self.journal = Journal(journal or b"")
        merged = [{**fields, **(changes or {})} for fields in self.space.strata]
        strata = list({json.dumps(fields, sort_keys=True): fields for fields in merged}.values())
        self.num_trials = num_trials or self.space.num_trials
        storage = self.journal.as_storage()
        self.strata = [
            self._stratum(fields, _share(self.num_trials, index, len(strata)), version, storage)
            for index, fields in enumerate(strata)
        ]

    def packs(self) -> list[Pack] | None:
        """Packs that can start now and were not returned before; None when every trial has been told."""
        ready = [pack for stratum in self.strata for pack in self._advance(stratum)]
        return ready if ready or any(stratum.batch for stratum in self.strata) else None

    def add_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add the rows of a pack, and tell the batches that are now complete."""
        self.rows |= {row["trial_id"]: row for row in rows}
        for stratum in self.strata:
            self._tell_if_complete(stratum)

    @property
    def num_told(self) -> int:
        """Number of this search's trials in the journal; it grows by whole batches."""
        return sum(stratum.num_told for stratum in self.strata)

    @property
    def num_left(self) -> int:
        """Number of trials that are not told yet; a stratum that told too many does not reduce another one's."""
        return sum(stratum.num_left for stratum in self.strata)

    def samples(self) -> list[TrialSpec]:
        """One trial per stratum, which shows the data of the stratum; these trials are not run."""
        return [self.settle(replace_fields(self.sweep.base, stratum.fields)) for stratum in self.strata]

    def trial_ids(self) -> set[str]:
        """The ids of the trials in the journal."""
        trials = [trial for stratum in self.strata for trial in stratum.told.get_trials(deepcopy=False)]
        return {trial.user_attrs["trial_id"] for trial in trials if "trial_id" in trial.user_attrs}

    def asked_ids(self) -> set[str]:
        """The trials that the studies were told of, and those of the batches that are out."""
        return self.trial_ids() | {spec.trial_id for stratum in self.strata for spec in stratum.batch.values()}

    def journal_bytes(self) -> bytes:
        """The studies as an Optuna journal file."""
        return self.journal.content()

    def _stratum(self, fields: Fields, num_trials: int, version: str, storage: JournalStorage) -> Stratum:
        data = [str(value) for value in fields.values()]
        name = " ".join([self.sweep.name, self.sampler, f"seed={self.seed}", *data, version]).strip()
        told = optuna.create_study(study_name=name, storage=storage, directions=DIRECTIONS, load_if_exists=True)
        trials = told.get_trials(deepcopy=False)
        own_trials = [trial for trial in trials if "trial_id" in trial.user_attrs]
        if len(own_trials) < len(trials):
            self.notes.append(
                f"{len(trials) - len(own_trials)} trials in optuna.journal were put there by another program, e.g. "
                f"enqueued by optuna-dashboard, and are left out: study {name!r}."
            )
        if not trials:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                told.set_metric_names(METRICS)
        request = optuna.create_study(directions=DIRECTIONS)
        request.add_trials(own_trials)
        return Stratum(fields, num_trials, told, request, len(own_trials))

    def _advance(self, stratum: Stratum) -> list[Pack]:
        """Ask for batches until one of them has trials without a row, and return the packs of these trials.

        Empty while a batch is being run, and when all trials of the stratum were told.
        """
        while not stratum.batch and self._ask_batch(stratum):
            batch = list({spec.trial_id: spec for spec in stratum.batch.values()}.values())
            # Optuna is told of failed trials, too, so every row counts as done here.
            status = {spec.trial_id: "ok" for spec in batch if spec.trial_id in self.rows}
            packs = plan_packs(self.sweep.name, batch, self.networks_per_pack)
            if missing := missing_packs(packs, status, retry_failed=False):
                return missing
            self._tell_if_complete(stratum)
        return []

    def _ask_batch(self, stratum: Stratum) -> bool:
        first = stratum.num_told
        last = min(first + self.space.trials_per_batch, stratum.num_trials)
        for number in range(first, last):
            if number < len(self.space.first_points):
                stratum.request.enqueue_trial(dict(self.space.first_points[number]))
            stratum.request.sampler = SAMPLERS[self.sampler](_seed(self.seed, stratum.fields, number))
            trial = stratum.request.ask()
            fields = {**self._suggest(trial), **stratum.fields}
            try:
                spec = self.settle(replace_fields(self.sweep.base, fields))
            except ValueError as error:
                raise ValueError(f"the space of {self.sweep.name} suggests {trial.params}: {error}") from error
            if number < len(self.space.first_points):
                self._check_point(number, trial)
            trial.set_user_attr("trial_id", spec.trial_id)
            stratum.batch[trial.number] = spec
        return first < last

    def _suggest(self, trial: optuna.Trial) -> Fields:
        """The fields that the space sets for a trial; ValueError says where the function of the space fails."""
        try:
            fields = self.space.suggest(trial)
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)[1:2]
            where = "".join(f" ({frame.filename}, line {frame.lineno})" for frame in frames)
            reason = f"{type(error).__name__}: {error}"
            raise ValueError(f"the space of {self.sweep.name}{where} failed after {trial.params}: {reason}") from error
        if not isinstance(fields, Mapping) or not all(isinstance(name, str) for name in fields):
            raise ValueError(
                f"the space of {self.sweep.name} returned {fields!r:.200}; it must return a mapping of fields, e.g. "
                '{"training.learning_rate": trial.suggest_float("rate", 0.01, 0.3)}.'
            )
        return fields

    def _check_point(self, number: int, trial: optuna.Trial) -> None:
        """Raise ValueError if a first point sets a parameter that no trial has, e.g. because its name is misspelled.

        A parameter that this trial lacks may be conditional, and then other trials have it. So random trials are asked
        for, too.
        """
        unused = self.space.first_points[number].keys() - trial.params.keys()
        if unused and (unknown := sorted(unused - self._parameters)):
            raise ValueError(
                f"the space of {self.sweep.name} has {unknown[0]!r} in first_points[{number}] and never suggests it. "
                f"Its parameters are: {', '.join(sorted(self._parameters | trial.params.keys()))}."
            )

    @functools.cached_property
    def _parameters(self) -> set[str]:
        """The names of all parameters that the space suggests in `PROBES` random trials."""
        study = optuna.create_study(directions=DIRECTIONS, sampler=RandomSampler(seed=0))
        trials = [study.ask() for _ in range(PROBES)]
        for trial in trials:
            self._suggest(trial)
        return {name for trial in trials for name in trial.params}

    def _tell_if_complete(self, stratum: Stratum) -> None:
        batch = stratum.batch
        if not batch or any(spec.trial_id not in self.rows for spec in batch.values()):
            return
        for number, spec in batch.items():
            values = values_of(self.rows[spec.trial_id])
            stratum.request.tell(number, values, state=TrialState.COMPLETE if values else TrialState.FAIL)
        # Only now does the journal get the batch: with all of its results, and in the order of the trials.
        for trial in stratum.request.get_trials(deepcopy=False)[min(batch) :]:
            stratum.told.add_trial(trial)
        stratum.num_told += len(batch)
        batch.clear()


def _share(total: int, index: int, count: int) -> int:
    """The number of trials of stratum `index` out of `count`: 10 trials in 3 strata are 4, 3 and 3."""
    return total // count + (index < total % count)


def _seed(seed: int, stratum: Fields, number: int) -> int:
    text = json.dumps([seed, stratum, number], sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
