"""A space → trials, by Optuna: asked in batches, handed out as packs, told in the order of the trials.

Two objectives: validation accuracy up, log10(compressed bytes) down; a trial without both is told as FAIL. Each stratum
(data set and level of randomization) is a study of its own, because fronts of different tasks cannot be compared.

**The same seed gives the same trials, for any number of workers and through any interruption**: a batch is asked when
the one before is told, every trial is asked with a sampler seeded by (seed, stratum, trial number), and batches do not
depend on who is idle. So an unfinished batch needs no memory: it is asked again, and what has a row is not run again.

The studies lie in one Optuna journal, which optuna-dashboard opens. Only told trials are in it, a whole batch at once:
none is ever left RUNNING. It is a list of lines in memory (`journal_bytes`), and the store keeps it like every file.

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
    # The population of 50 that Optuna starts with is no better than chance within 200 trials.
    "nsga2": lambda seed: NSGAIISampler(seed=seed, population_size=20),
    # Conditional parameters are outside its model: it draws them at random.
    "gp": lambda seed: GPSampler(seed=seed, warn_independent_sampling=False),
    "random": lambda seed: RandomSampler(seed=seed),
}
"""A name to a sampler with that seed; `optuna` means the first."""

DIRECTIONS = [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]
METRICS = ["validation_accuracy", "log10_bytes"]

PROBES = 200
"""Random trials that show which parameters a space has."""

optuna.logging.set_verbosity(optuna.logging.ERROR)


def sampler_name(name: str) -> str:
    """The name in SAMPLERS that the user means; ValueError lists them."""
    name = "tpe" if name == "optuna" else name
    if name not in SAMPLERS:
        raise ValueError(f"--search is {name!r}; known are: optuna (= tpe), {', '.join(SAMPLERS)}.")
    return name


def values_of(row: Mapping[str, Any]) -> list[float] | None:
    """The two objectives of a row, or None where one is missing or not finite."""
    accuracy, size = row["validation_accuracy"], row["compressed_bytes"]
    if row["status"] == "failed" or not _finite(accuracy) or not _finite(size) or size <= 0:
        return None
    return [float(accuracy), math.log10(size)]


@dataclass
class Stratum:
    """One study: what it was told, and the batch it waits for."""

    fields: Fields
    num_trials: int
    told: optuna.Study
    """In the journal; whole batches only."""
    request: optuna.Study
    """The same in memory, and the batch that is not told yet."""
    num_told: int
    batch: dict[int, TrialSpec] = field(default_factory=dict)
    """Trial number → trial."""

    @property
    def num_left(self) -> int:
        """Trials that are not told yet; none where a larger budget of before has told more than this one asks for."""
        return max(0, self.num_trials - self.num_told)


class Search:
    """The search of a sweep: `packs` says what can run now, `add_rows` takes what came out."""

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
        """`changes` hold for every trial, `settle` gives it its seeds and photographs; `rows` are those there are.

        `version` stands for the sweep's definition: another one starts a new study, which finds the old rows.
        """
        self.sweep, self.space, self.seed = sweep, space_of(sweep), seed
        self.sampler = sampler_name(sampler)
        self.settle = settle
        self.networks_per_pack = networks_per_pack
        self.rows = {row["trial_id"]: row for row in rows}
        self.notes: list[str] = []
        """What a user should know about the journal."""
        self.journal_damage = ""
        """Why the journal that the results folder has is not used; whoever opens the search says so here."""
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
        """Packs that can start and have not been given out before; None when every trial has been told."""
        ready = [pack for stratum in self.strata for pack in self._advance(stratum)]
        return ready if ready or any(stratum.batch for stratum in self.strata) else None

    def add_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take the rows of a pack, and tell the batches that are now complete."""
        self.rows |= {row["trial_id"]: row for row in rows}
        for stratum in self.strata:
            self._tell_if_complete(stratum)

    @property
    def num_told(self) -> int:
        """Trials that the journal holds of this search; it grows by whole batches."""
        return sum(stratum.num_told for stratum in self.strata)

    @property
    def num_left(self) -> int:
        """Trials that are not told yet; one stratum's surplus is not the other's."""
        return sum(stratum.num_left for stratum in self.strata)

    def samples(self) -> list[TrialSpec]:
        """One trial per stratum, none of them a proposal: what the data will be."""
        return [self.settle(replace_fields(self.sweep.base, stratum.fields)) for stratum in self.strata]

    def trial_ids(self) -> set[str]:
        """The trials of the journal."""
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
        ours = [trial for trial in trials if "trial_id" in trial.user_attrs]
        if len(ours) < len(trials):
            self.notes.append(
                f"{len(trials) - len(ours)} trials in optuna.journal were put there by another program, e.g. enqueued "
                f"by optuna-dashboard, and are left out: study {name!r}."
            )
        if not trials:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                told.set_metric_names(METRICS)
        request = optuna.create_study(directions=DIRECTIONS)
        request.add_trials(ours)
        return Stratum(fields, num_trials, told, request, len(ours))

    def _advance(self, stratum: Stratum) -> list[Pack]:
        """Ask batches until one has something to run; nothing while one is out or when the budget is spent."""
        while not stratum.batch and self._ask_batch(stratum):
            batch = list({spec.trial_id: spec for spec in stratum.batch.values()}.values())
            known = {spec.trial_id: "ok" for spec in batch if spec.trial_id in self.rows}
            packs = plan_packs(self.sweep.name, batch, self.networks_per_pack)
            if left := missing_packs(packs, known, retry_failed=False):
                return left
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
        """The fields that the space gives a trial; ValueError says where a space of somebody's own fails."""
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
        """ValueError where a first point sets a parameter that no trial has, e.g. because its name is misspelled.

        A parameter may be conditional: then other trials have it. So the space is asked at random as well.
        """
        unused = self.space.first_points[number].keys() - trial.params.keys()
        if unused and (unknown := sorted(unused - self._parameters)):
            raise ValueError(
                f"the space of {self.sweep.name} has {unknown[0]!r} in first_points[{number}] and never suggests it. "
                f"Its parameters are: {', '.join(sorted(self._parameters | trial.params.keys()))}."
            )

    @functools.cached_property
    def _parameters(self) -> set[str]:
        """Names that the space suggests to `PROBES` random trials."""
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
        for trial in stratum.request.get_trials(deepcopy=False)[min(batch) :]:
            stratum.told.add_trial(trial)
        stratum.num_told += len(batch)
        batch.clear()


def _share(total: int, index: int, count: int) -> int:
    """The first strata get what does not divide evenly."""
    return total // count + (index < total % count)


def _seed(seed: int, stratum: Fields, number: int) -> int:
    text = json.dumps([seed, stratum, number], sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
