"""Successive halving within a stack: at each rung, the worse members of every bracket are stopped early.

    at rung r (epochs done = round(r · num_epochs)), for each bracket of size s:
        the ceil(keep · s) members of highest validation accuracy stay, the others are stopped

(Jamieson & Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter optimization"; Li et al. 2018,
"Hyperband".) Members compete only at equal size and on equal labels: a bracket is half an octave of the number of
weights that are kept in the end, floor(2 · log2(kept)), together with the fraction of random labels. So every part of
the Pareto front keeps its candidates, and a small network is never stopped because a large one is better.

Assumptions: a member that is ahead early is ahead in the end, even if members are pruned on different schedules.
Members that differ in their seeds only compete, too, so the mean over the repetitions that survive is too good.
"""

import math
from collections.abc import Hashable, Sequence

from mdlray.planning import Halving
from mdlray.spec import TrialSpec

Bracket = Hashable


def rung_epochs(halving: Halving | None, num_epochs: int) -> set[int]:
    """The epochs after which members are compared; never the last one, because stopping there would save nothing."""
    rungs = {max(1, round(rung * num_epochs)) for rung in halving.rungs} if halving else set()
    return {epoch for epoch in rungs if epoch < num_epochs}


def bracket(spec: TrialSpec, num_weights: int) -> Bracket:
    """What members that compete have in common: their final size within a factor of sqrt(2), and their labels."""
    kept = num_weights - round(spec.compression.pruning_ratio * num_weights)
    half_octave = math.floor(2 * math.log2(kept)) if kept else -1
    return half_octave, spec.data.label_randomization_fraction


def survivors(brackets: Sequence[Bracket], accuracies: Sequence[float], keep: float) -> list[int]:
    """The positions of the members that stay, in order; NaN is the worst accuracy, and among equals the first stay."""
    staying = []
    for competition in dict.fromkeys(brackets):
        places = [place for place, member_bracket in enumerate(brackets) if member_bracket == competition]
        ranked = sorted(places, key=lambda place: math.inf if math.isnan(accuracies[place]) else -accuracies[place])
        # 1e-9 less, so that rounding in keep · len(places) cannot keep one member too many (0.28 · 25 > 7).
        staying += ranked[: max(1, math.ceil(keep * len(places) - 1e-9))]
    return sorted(staying)
