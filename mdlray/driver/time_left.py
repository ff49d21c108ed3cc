"""How far packs are -> how long the rest takes.

A pack has an effort (epochs x units, `mdlray.planning.training_effort`) and a kind: packs of one kind have networks of
equal shapes, which take equal time per effort. The seconds per effort of a kind are those of its packs so far, running
ones included, so that the first epochs already tell; a kind that has not run yet is taken to be average.

    seconds left = max(longest rest of a running pack, sum of all rests / packs at a time)

Example: 2 packs at a time; one has run for 60 s and is at 25 %, the other for 60 s and is at 50 %, and 3 of the first
kind wait. The rests are 180, 60 and 3 x 240 s: 960 / 2 = 480 s.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SHARE_OF_TRAINING = 0.9
"""Of a pack's time; quantizing, encoding, decoding and scoring take the rest, which nobody reports."""


@dataclass(frozen=True)
class PackTime:
    """A pack that has begun."""

    kind: str | None
    effort: float
    seconds: float
    """Since it was handed to a worker, or until it was done."""
    fraction: float
    """Of its effort that is done: 1 for a pack that is done."""


@dataclass(frozen=True)
class Waiting:
    """Effort that has not begun, of one kind; None where the kind is not known yet, as in a search."""

    kind: str | None
    effort: float


def seconds_left(begun: Sequence[PackTime], waiting: Iterable[Waiting], num_parallel: int) -> float | None:
    """Until everything is done; None before the first epoch of the first pack."""
    rates = _seconds_per_effort(begun)
    if not rates:
        return None
    running = [
        max(pack.effort * rates.get(pack.kind, rates[None]) - pack.seconds, 0.0)
        if pack.fraction == 0
        else pack.seconds * (1 / pack.fraction - 1)
        for pack in begun
        if pack.fraction < 1
    ]
    rest = sum(part.effort * rates.get(part.kind, rates[None]) for part in waiting)
    return max([*running, (sum(running) + rest) / num_parallel])


def _seconds_per_effort(begun: Iterable[PackTime]) -> dict[str | None, float]:
    """By kind, and for None the average over all; empty where nothing is done yet."""
    seconds: dict[str | None, float] = {}
    efforts: dict[str | None, float] = {}
    for pack in begun:
        if pack.fraction > 0:
            for kind in {pack.kind, None}:
                seconds[kind] = seconds.get(kind, 0.0) + pack.seconds
                efforts[kind] = efforts.get(kind, 0.0) + pack.effort * pack.fraction
    return {kind: seconds[kind] / efforts[kind] for kind in seconds}
