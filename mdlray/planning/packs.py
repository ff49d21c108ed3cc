"""Trials -> packs, minus what is done.

Packs are cut from the whole sweep, never from what happens to be missing, and a pack's rows are stored at once; so a
resumed sweep trains the same packs as an undisturbed one. Within a pack members share shapes and steps (`stack_key`),
and where possible the data order, which makes the first layer one product for all of them.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mdlray.planning.sweep import Halving, Sweep
from mdlray.spec import TrialSpec


@dataclass(frozen=True)
class Pack:
    """Trials that are trained together; `sweep` goes into their rows."""

    sweep: str
    members: tuple[TrialSpec, ...]

    def __repr__(self) -> str:
        return f"Pack({self.sweep}, {self.pack_id}, {len(self.members)} members)"

    @property
    def pack_id(self) -> str:
        """Derived from the members, in order."""
        return hashlib.sha256(":".join(spec.trial_id for spec in self.members).encode()).hexdigest()[:16]


@dataclass
class _DataOrder:
    """Trials of one stack whose networks see the training examples in one order."""

    lineages: dict[str, list[TrialSpec]] = field(default_factory=dict)
    """`lineage_key` -> the trials that share a training, and the students of its network."""


@dataclass
class _Stack:
    """Trials that may be trained as one stacked model."""

    data_orders: dict[int, _DataOrder] = field(default_factory=dict)
    """`seeds.data_order` -> its trials."""


def plan_packs(sweep: str, trials: Iterable[TrialSpec], networks_per_pack: int) -> list[Pack]:
    """Packs in which at most `networks_per_pack` networks are trained, as even as possible.

    Trials that share a training stay together, and so do students of one network. A pack has one data order where
    enough trials share it; smaller groups of one stack are put together. For example, 30 repetitions with 30 data
    orders and at most 8 networks per pack make packs of 8, 8, 8 and 6 trials.
    """
    packs = []
    for stack in _stacks(trials):
        for lineages in _grouped_by_data_order(stack, networks_per_pack):
            for members in _cut_evenly(lineages, networks_per_pack):
                packs.append(Pack(sweep, tuple(itertools.chain.from_iterable(members))))
    return packs


def plan_grid(sweep: Sweep, trials: Sequence[TrialSpec], *, on_gpu: bool, num_parallel: int) -> list[Pack]:
    """Packs no larger than the sweep wants on this kind of device, nor than a device's share of all networks."""
    num_networks = len({spec.lineage_key for spec in trials})
    most = sweep.networks_per_pack if on_gpu else sweep.networks_per_pack_cpu
    return plan_packs(sweep.name, trials, min(most, ceil_div(num_networks, num_parallel)))


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
    """Groups of lineages: those of one data order, or of several where they fit into one pack together."""
    groups: list[list[list[TrialSpec]]] = []
    for data_order in stack.data_orders.values():
        lineages = list(data_order.lineages.values())
        if groups and len(groups[-1]) + len(lineages) <= networks_per_pack:
            groups[-1] += lineages
        else:
            groups.append(lineages)
    return groups


def _cut_evenly(lineages: Sequence[list[TrialSpec]], most: int) -> Iterator[Sequence[list[TrialSpec]]]:
    """As few parts of at most `most` lineages as it takes, whose sizes differ by at most one."""
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
    """Trials without a row that answers for them.

    A failed row does unless it is retried; a stopped one does where the sweep stops members itself (`halving`),
    otherwise the trial is trained to its end.
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
    """What is left to do: packs without the members that have a row which answers for them."""
    left = [
        Pack(pack.sweep, missing_trials(pack.members, status_by_trial, retry_failed=retry_failed, halving=halving))
        for pack in packs
    ]
    return [pack for pack in left if pack.members]


def training_effort(spec: TrialSpec) -> float:
    """A trial's training effort: epochs times hidden units, the unit in which durations are compared."""
    return spec.num_epochs * float(sum(spec.network.hidden_units) or 1)
