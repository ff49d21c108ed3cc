"""The part of a trial that describes a student: its round, and how it is fitted to the network of the round before.

In round 0 (a network that is trained on data) all fields have their neutral values.
"""

import math
from dataclasses import dataclass, fields

from mdlray.spec.parts import require, settle_types, short


@dataclass(frozen=True, kw_only=True)
class StudentSpec:
    """How a smaller network is fitted to the outputs of a larger one, round after round.

    The network of round 0 is trained on the data as `TrainingSpec` says; the network of round r is fitted to that of
    round r - 1. If `round` is 0, the other fields have no effect and must be left at their defaults.
    """

    round: int = 0
    shrink_factor: float = 0.8
    """Width of a hidden layer relative to the round before, rounded, at least one unit: 100, 80, 64 units for 0.8."""
    num_epochs: int = 100
    """Epochs of each fit. Batch size, optimizer and learning rate are those of `TrainingSpec`; there is no penalty."""
    inputs: str = "noise"
    """`noise`: as many images of independent, uniform pixels as the training split has; `true`: training images."""
    noise_seed: int = 0
    """Seed of the noise images. All networks and rounds with one seed see one set of images, and so do repetitions."""
    targets: str = "soft_labels"
    """`soft_labels`: cross-entropy to softmax(logits / temperature); `logits`: squared error of the logits."""
    temperature: float = 1.0
    """It divides the logits of student and teacher if the targets are soft labels (Hinton et al. 2015)."""
    start: str = "random"
    """Initial weights: `random`, or those of the teacher's `largest` units (by the norm of their weights)."""

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
        """All fields but the round as words: `noise soft_labels random`, then other fields that are not defaults."""
        words = [self.inputs, self.targets, self.start]
        for name in ("shrink_factor", "num_epochs", "noise_seed", "temperature"):
            if (value := getattr(self, name)) != getattr(StudentSpec, name):
                words.append(f"{name}={short(value)}")
        return " ".join(words)

    def shrunk(self, hidden_units: tuple[int, ...]) -> tuple[int, ...]:
        """These numbers of units after `round` rounds of shrinking."""
        for _ in range(self.round):
            hidden_units = tuple(max(1, round(self.shrink_factor * units)) for units in hidden_units)
        return hidden_units
