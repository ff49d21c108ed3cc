"""The epochs of a pack, counted as they end -> how much of the pack is done, for the display of progress.

    fraction = (epochs done, summed over networks) / (all epochs of the pack, summed over networks)

Students count as networks. Example: 10 networks have 100 epochs each, and each of them has one student of 50 epochs;
then 500 of 1,500 epochs are done after 50 epochs of the first stage, a fraction of 0.333. The epochs of a network that
was stopped early are counted as if it went on.
"""

import time
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field

from mdlray.planning import Pack
from mdlray.spec import TrialSpec
from mdlray.training import State
from mdlray.training.students import Stage, plan_stages

SECONDS_BETWEEN_REPORTS = 1.0


@dataclass(frozen=True)
class EpochsDone:
    """How much of a pack is done."""

    epoch: int
    """Epochs that the networks in training have done."""
    num_epochs: int
    """Epochs that these networks have in all."""
    num_networks: int
    """Number of networks that are trained as one stack now."""
    fraction: float
    """Fraction of all epochs of the pack that are done."""
    device: str


Report = Callable[[EpochsDone], None]


@dataclass
class EpochCounter:
    """Counts the epochs of a pack and reports them, at most once a second."""

    stages: Sequence[Stage]
    """All stages of the pack."""
    report: Report
    device: str
    done: dict[str, int] = field(default_factory=dict)
    """Training key of a network -> epochs that it has done."""
    reported: float = -SECONDS_BETWEEN_REPORTS
    """Time of the last report, by the monotonic clock."""

    def skip(self, specs: Iterable[TrialSpec]) -> None:
        """Count all epochs of these networks as done, because a checkpoint has their results."""
        self.done |= {spec.training_key: spec.num_epochs for spec in specs}

    def after(self, specs: Sequence[TrialSpec], then: Callable[[State], None] | None) -> Callable[[State], None]:
        """A function to call after each epoch of these networks, which are trained together; its end calls `then`."""

        def after_epoch(state: State) -> None:
            self.done |= {spec.training_key: state.epoch for spec in specs}
            now = time.monotonic()
            if now - self.reported >= SECONDS_BETWEEN_REPORTS:
                self.reported = now
                self.report(
                    EpochsDone(state.epoch, specs[0].num_epochs, len(state.members), self.fraction, self.device)
                )
            if then:
                then(state)

        return after_epoch

    @property
    def fraction(self) -> float:
        """Fraction of all epochs of the pack that are done; an epoch counts once per network."""
        return sum(self.done.values()) / sum(spec.num_epochs for stage in self.stages for spec in stage.specs)


def count_epochs(pack: Pack, finished: Container[str], report: Report, device: str) -> EpochCounter:
    """A counter for a pack that may have been begun before.

    `finished` has the training keys of the networks of round 0 that are done, together with all their students.
    """
    networks = list({spec.lineage_key: spec.ancestor for spec in pack.members}.values())
    counter = EpochCounter(plan_stages(networks, pack.members), report, device)
    finished_lineages = {spec.lineage_key for spec in networks if spec.training_key in finished}
    counter.skip(spec for stage in counter.stages for spec in stage.specs if spec.lineage_key in finished_lineages)
    return counter
