"""The part of a trial that says whose student it is: which round, and how it is fitted to the network before it.

All values are neutral in round 0, a network that is trained on data.
"""

import math
from dataclasses import dataclass, fields

from mdlray.spec.parts import require, settle_types, short


@dataclass(frozen=True, kw_only=True)
class StudentSpec:
    """How a smaller network is fitted to the outputs of a larger one, round after round.

    Round 0 is trained on the data as `TrainingSpec` says; a network of round r is fitted to that of round r - 1. Where
    `round` is 0 the other fields would have no effect and must be left at their defaults.
    """

    round: int = 0
    shrink_factor: float = 0.8
    """Units of a hidden layer per unit of the round before, rounded, at least one."""
    num_epochs: int = 100
    """Of each fit; batch size, optimizer and learning rate are those of `TrainingSpec`, penalties are left out."""
    inputs: str = "noise"
    """`noise`: as many pictures of independent, uniform pixels as the training split has; `true`: its own pictures."""
    noise_seed: int = 0
    """Which noise: one set of pictures for all networks and rounds, so repetitions differ in it only if this does."""
    targets: str = "soft_labels"
    """`soft_labels`: cross-entropy to softmax(logits / temperature); `logits`: squared error of the logits."""
    temperature: float = 1.0
    """Divides both networks' logits where the targets are soft labels (Hinton et al. 2015)."""
    start: str = "random"
    """`random` initial weights, or those of the `largest` units (by the norm of their weights) of the round before."""

    def __post_init__(self) -> None:
        settle_types(self)
        require(0 <= self.round <= 1000, self, "round", "from 0 to 1000")
        require(0 < self.shrink_factor <= 1, self, "shrink_factor", "in (0, 1]")
        require(self.num_epochs > 0, self, "num_epochs", "at least 1")
        require(self.inputs in ("noise", "true"), self, "inputs", "'noise' or 'true'")
        require(0 <= self.noise_seed < 2**31, self, "noise_seed", "from 0 to 2^31 - 1")
        require(self.inputs == "noise" or self.noise_seed == 0, self, "noise_seed", "0 where inputs are 'true'")
        require(self.targets in ("soft_labels", "logits"), self, "targets", "'soft_labels' or 'logits'")
        require(0 < self.temperature < math.inf, self, "temperature", "positive and finite")
        require(
            self.targets == "soft_labels" or self.temperature == 1, self, "temperature", "1 where targets are logits"
        )
        require(self.start in ("random", "largest"), self, "start", "'random' or 'largest'")
        if self.round == 0:
            for f in fields(self):
                require(getattr(self, f.name) == f.default, self, f.name, f"{f.default!r} where student.round is 0")

    @property
    def strategy(self) -> str:
        """All but the round as words, e.g. `noise soft_labels random`; what is unusual follows with its name."""
        words = [self.inputs, self.targets, self.start]
        for name in ("shrink_factor", "num_epochs", "noise_seed", "temperature"):
            if (value := getattr(self, name)) != getattr(StudentSpec, name):
                words.append(f"{name}={short(value)}")
        return " ".join(words)

    def shrunk(self, hidden_units: tuple[int, ...]) -> tuple[int, ...]:
        """What is left of these units after `round` rounds."""
        for _ in range(self.round):
            hidden_units = tuple(max(1, round(self.shrink_factor * units)) for units in hidden_units)
        return hidden_units
