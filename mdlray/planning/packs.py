"""Trials -> packs, and which of them are still to be run.

Packs are cut from the whole sweep, and not from the trials that happen to be missing. All rows of a pack are stored at
once. So a sweep that was interrupted and resumed trains the same packs as one that was not. The networks of a pack
have equal shapes and equal numbers of steps (`stack_key`). Where possible they also see the examples in the same order
(the same data order), because the first layer is then one product for all of them.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mdlray.planning.sweep import Halving, Sweep
from mdlray.spec import TrialSpec


@dataclass(frozen=True)
class Pack:
    """Trials that are trained together; `sweep` is the name of the sweep, which their rows carry."""

    sweep: str
    members: tuple[TrialSpec, ...]

    def __repr__(self) -> str:
        return f"Pack({self.sweep}, {self.pack_id}, {len(self.members)} members)"

    @property
    def pack_id(self) -> str:
        """16 hex digits, a hash of the trial ids in their order."""
        return hashlib.sha256(":".join(spec.trial_id for spec in self.members).encode()).hexdigest()[:16]


@dataclass
class _DataOrder:
    """Trials of one stack whose networks see the training examples in the same order."""

    lineages: dict[str, list[TrialSpec]] = field(default_factory=dict)
    """`lineage_key` -> the trials of one trained network, and of its students."""


@dataclass
class _Stack:
    """Trials that may be trained as one stacked model."""

    data_orders: dict[int, _DataOrder] = field(default_factory=dict)
    """`seeds.data_order` -> the trials with that data order."""


def plan_packs(sweep: str, trials: Iterable[TrialSpec], networks_per_pack: int) -> list[Pack]:
    """Packs of at most `networks_per_pack` networks, of sizes as even as possible.

    Trials of one trained network stay together, and so do the students of one network. If enough trials of a stack
    share a data order, they get packs of their own. Otherwise, trials with several data orders are put into one pack.
    For example, 30 repetitions with 30 data orders and at most 8 networks per pack make packs of 8, 8, 8 and 6 trials.
    """
    packs = []
    for stack in _stacks(trials):
        for lineages in _grouped_by_data_order(stack, networks_per_pack):
            for members in _cut_evenly(lineages, networks_per_pack):
                packs.append(Pack(sweep, tuple(itertools.chain.from_iterable(members))))
    return packs


def plan_grid(sweep: Sweep, trials: Sequence[TrialSpec], *, on_gpu: bool, num_parallel: int) -> list[Pack]:
    """Packs for `num_parallel` workers, each no larger than the sweep allows and than a worker's share.

    The sweep allows `networks_per_pack` networks on a GPU and `networks_per_pack_cpu` on a CPU. A worker's share is the
    number of networks divided by `num_parallel`, rounded up: 20 networks on 4 CPUs make packs of 5, and no CPU idles.
    """
    num_networks = len({spec.lineage_key for spec in trials})
    limit = sweep.networks_per_pack if on_gpu else sweep.networks_per_pack_cpu
    return plan_packs(sweep.name, trials, min(limit, ceil_div(num_networks, num_parallel)))


def ceil_div(number: int, divisor: int) -> int:
    """The quotient of two whole numbers, rounded up: 7 networks in packs of 3 make 3 packs."""
    return -(-number // divisor)


def _stacks(trials: Iterable[TrialSpec]) -> Iterable[_Stack]:
    stacks: dict[str, _Stack] = {}
    for spec in trials:
        data_orders = stacks.setdefault(spec.stack_key, _Stack()).data_orders
        lineages = data_orders.setdefault(spec.seeds.data_order, _DataOrder()).lineages
        lineages.setdefault(spec.lineage_key, []).append(spec)
    return stacks.values()


def _grouped_by_data_order(stack: _Stack, networks_per_pack: int) -> list[list[list[TrialSpec]]]:
    """Groups of lineages: those of one data order, or of several data orders that fit into one pack together."""
    groups: list[list[list[TrialSpec]]] = []
    for data_order in stack.data_orders.values():
        lineages = list(data_order.lineages.values())
        if groups and len(groups[-1]) + len(lineages) <= networks_per_pack:
            groups[-1] += lineages
        else:
            groups.append(lineages)
    return groups


def _cut_evenly(lineages: Sequence[list[TrialSpec]], most: int) -> Iterator[Sequence[list[TrialSpec]]]:
    """The smallest number of parts with at most `most` lineages each; their sizes differ by at most one."""
    num_parts = ceil_div(len(lineages), most)
    cuts = [len(lineages) * cut // num_parts for cut in range(num_parts + 1)]
    for start, stop in itertools.pairwise(cuts):
        yield lineages[start:stop]


def missing_trials(
    trials: Iterable[TrialSpec],
    status_by_trial: Mapping[str, str],
    *,
    retry_failed: bool,
    halving: Halving | None = None,
) -> tuple[TrialSpec, ...]:
    """The trials that are still to be run; `status_by_trial` gives the status of each trial that has a row.

    A trial with status `ok` is done. A failed trial is done unless `retry_failed` is set. A trial that was stopped
    early is done if the sweep stops trials early itself (`halving`); otherwise it is trained again, to its end.
    """
    finished = {"ok"} | (set() if retry_failed else {"failed"}) | ({"stopped"} if halving else set())
    return tuple(spec for spec in trials if status_by_trial.get(spec.trial_id) not in finished)


def missing_packs(
    packs: Iterable[Pack],
    status_by_trial: Mapping[str, str],
    *,
    retry_failed: bool,
    halving: Halving | None = None,
) -> list[Pack]:
    """The packs with only those trials that are still to be run (`missing_trials`); empty packs are left out."""
    reduced_packs = [
        Pack(pack.sweep, missing_trials(pack.members, status_by_trial, retry_failed=retry_failed, halving=halving))
        for pack in packs
    ]
    return [pack for pack in reduced_packs if pack.members]


def training_effort(spec: TrialSpec) -> float:
    """Epochs times hidden units of a trial, e.g. 100 epochs of 512-512 units: 102,400. Durations are compared by it."""
    return spec.num_epochs * float(sum(spec.network.hidden_units) or 1)
