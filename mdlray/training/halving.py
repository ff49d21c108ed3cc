"""Successive halving inside a pack: at each rung the worse members of every bracket leave the stack.

    at rung r (epochs done = round(r · num_epochs)), for each bracket of size s:
        the ceil(keep · s) members of highest validation accuracy stay, the others stop

(Jamieson & Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter optimization"; Li et al. 2018,
"Hyperband".) Members compete only at equal size and on equal labels: a bracket is half an octave of the number of
weights that are kept in the end, floor(2 · log2(kept)), together with the fraction of random labels. So every part of
the Pareto front keeps its candidates, and a small network is never stopped for being worse than a large one.

Assumptions: who is ahead early is ahead in the end, though members may be pruned along different schedules. Members of
a bracket that differ in their seed only compete as well: the mean over the repetitions that survive flatters.
"""

import math
from collections.abc import Hashable, Sequence

from mdlray.planning import Halving
from mdlray.spec import TrialSpec

Bracket = Hashable


def rung_epochs(halving: Halving | None, num_epochs: int) -> set[int]:
    """After which epochs members are compared; the last epoch is none, for nothing could be saved there."""
    rungs = {max(1, round(rung * num_epochs)) for rung in halving.rungs} if halving else set()
    return {epoch for epoch in rungs if epoch < num_epochs}


def bracket(spec: TrialSpec, num_weights: int) -> Bracket:
    """What members that may be compared have in common: final size within a factor of sqrt(2), and their labels."""
    kept = num_weights - round(spec.compression.pruning_ratio * num_weights)
    half_octave = math.floor(2 * math.log2(kept)) if kept else -1
    return half_octave, spec.data.label_randomization_fraction


def survivors(brackets: Sequence[Bracket], accuracies: Sequence[float], keep: float) -> list[int]:
    """Positions of those that stay, in order; NaN is worse than any accuracy, of equals the first stay."""
    staying = []
    for one in dict.fromkeys(brackets):
        places = [place for place, other in enumerate(brackets) if other == one]
        ranked = sorted(places, key=lambda at: math.inf if math.isnan(accuracies[at]) else -accuracies[at])
        # A hair less, so that 0.3 of 10 are 3 and not 4 for what 0.3 · 10 is in floating point.
        staying += ranked[: max(1, math.ceil(keep * len(places) - 1e-9))]
    return sorted(staying)
