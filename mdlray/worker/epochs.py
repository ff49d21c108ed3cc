"""Epochs of a pack, as they end -> how far the pack is, for people who watch.

    fraction = sum over networks of epochs done / sum over networks of epochs to do

Students count as networks of their own. Example: of 10 networks with 100 epochs each, and one student of 50 epochs per
network, 0.333 is done after 50 epochs of the first stage. A network that was stopped early counts as if it went on.
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
    """How far a pack is."""

    epoch: int
    """Epochs that the networks in training have behind them."""
    num_epochs: int
    num_networks: int
    """That are trained as one stack now."""
    fraction: float
    """Of all epochs of the pack."""
    device: str


Report = Callable[[EpochsDone], None]


@dataclass
class EpochCounter:
    """Counts the epochs of a pack and reports, at most once a second."""

    stages: Sequence[Stage]
    """Of the whole pack."""
    report: Report
    device: str
    done: dict[str, int] = field(default_factory=dict)
    """Epochs behind each network, by its training key."""
    reported: float = -SECONDS_BETWEEN_REPORTS

    def skip(self, specs: Iterable[TrialSpec]) -> None:
        """These networks were trained before, as a checkpoint says."""
        self.done |= {spec.training_key: spec.num_epochs for spec in specs}

    def after(self, specs: Sequence[TrialSpec], then: Callable[[State], None] | None) -> Callable[[State], None]:
        """What is to be called after each epoch of these networks, which are trained together; it calls `then`."""

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
        """Of all epochs of the pack, each counted once per network."""
        return sum(self.done.values()) / sum(spec.num_epochs for stage in self.stages for spec in stage.specs)


def count_epochs(pack: Pack, finished: Container[str], report: Report, device: str) -> EpochCounter:
    """A counter for a pack of whose networks of round 0 some are finished with all their students, by training key."""
    networks = list({spec.lineage_key: spec.ancestor for spec in pack.members}.values())
    counter = EpochCounter(plan_stages(networks, pack.members), report, device)
    over = {spec.lineage_key for spec in networks if spec.training_key in finished}
    counter.skip(spec for stage in counter.stages for spec in stage.specs if spec.lineage_key in over)
    return counter
