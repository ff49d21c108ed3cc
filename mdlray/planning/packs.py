"""Trials -> packs, minus what is done.

Packs are cut from the whole sweep, never from what happens to be missing, and a pack's rows are stored at once; so a
resumed sweep trains the same packs as an undisturbed one. Within a pack members share shapes and steps (`stack_key`),
and where possible the data order, which makes the first layer one product for all of them.
"""

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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


def plan_packs(sweep: str, trials: Iterable[TrialSpec], networks_per_pack: int) -> list[Pack]:
    """Packs in which at most `networks_per_pack` networks are trained, as even as possible.

    Trials that share a training stay together, and so do students of one network. A pack has one data order where
    enough trials share it; smaller groups of one stack are put together.
    """
    stacks: dict[str, dict[int, dict[str, list[TrialSpec]]]] = {}
    for spec in trials:
        orders = stacks.setdefault(spec.stack_key, {})
        orders.setdefault(spec.seeds.data_order, {}).setdefault(spec.lineage_key, []).append(spec)
    packs = []
    for orders in stacks.values():
        groups: list[list[list[TrialSpec]]] = []
        for learners in orders.values():
            if groups and len(groups[-1]) + len(learners) <= networks_per_pack:
                groups[-1] += learners.values()
            else:
                groups.append(list(learners.values()))
        for group in groups:
            num_packs = -(-len(group) // networks_per_pack)
            cuts = [len(group) * cut // num_packs for cut in range(num_packs + 1)]
            for start, stop in itertools.pairwise(cuts):
                packs.append(Pack(sweep, tuple(itertools.chain.from_iterable(group[start:stop]))))
    return packs


def plan_grid(sweep: Sweep, trials: Sequence[TrialSpec], *, on_gpu: bool, num_parallel: int) -> list[Pack]:
    """Packs no larger than the sweep wants on this kind of device, nor than a device's share of all learners."""
    num_learners = len({spec.lineage_key for spec in trials})
    most = sweep.networks_per_pack if on_gpu else sweep.networks_per_pack_cpu
    return plan_packs(sweep.name, trials, min(most, -(-num_learners // num_parallel)))


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
        Pack(p.sweep, missing_trials(p.members, status_by_trial, retry_failed=retry_failed, halving=halving))
        for p in packs
    ]
    return [pack for pack in left if pack.members]


def work(spec: TrialSpec) -> float:
    """A trial's training effort: epochs times hidden units, the unit in which durations are compared."""
    return spec.num_epochs * float(sum(spec.network.hidden_units) or 1)
