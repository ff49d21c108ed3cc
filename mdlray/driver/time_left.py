"""The progress of packs -> an estimate of the time that is left.

A pack has an effort (epochs x units, `mdlray.planning.training_effort`) and a kind. Packs of one kind have networks of
equal shapes, so that they take equal time per effort. The seconds per effort of a kind are measured on its packs so
far. Running packs count, too, so there is an estimate from the first epochs on. A kind that has not run yet is assumed
to take the average time per effort.

    seconds left = max(longest remaining time of a running pack, sum of all remaining times / packs at a time)

Example: 2 packs run at a time. The first has run for 60 s and is at 25 %, so 180 s remain; the second, of another kind,
has run for 60 s and is at 50 %, so 60 s remain. 3 packs of the first kind wait, with 240 s each. The estimate is
(180 + 60 + 3 x 240) / 2 = 480 s.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SHARE_OF_TRAINING = 0.9
"""Share of a pack's time that training takes; quantizing, encoding, decoding and scoring report no progress."""


@dataclass(frozen=True)
class PackTime:
    """A pack that has begun."""

    kind: str | None
    effort: float
    seconds: float
    """Seconds from the start of the pack until now, or until it was done."""
    fraction: float
    """Fraction of its effort that is done; 1 if the pack is done."""


@dataclass(frozen=True)
class Waiting:
    """The effort of a pack, or of several, that no worker has begun; in a search, the kind is not known (None)."""

    kind: str | None
    effort: float


def seconds_left(begun: Sequence[PackTime], waiting: Iterable[Waiting], num_parallel: int) -> float | None:
    """Estimated seconds until all packs are done; None before the first epoch of the first pack."""
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
    waiting_seconds = sum(pack.effort * rates.get(pack.kind, rates[None]) for pack in waiting)
    return max([*running, (sum(running) + waiting_seconds) / num_parallel])


def _seconds_per_effort(begun: Iterable[PackTime]) -> dict[str | None, float]:
    """Kind -> seconds per effort; the key None has the average over all packs. Empty before the first epoch."""
    seconds: dict[str | None, float] = {}
    efforts: dict[str | None, float] = {}
    for pack in begun:
        if pack.fraction > 0:
            for kind in {pack.kind, None}:
                seconds[kind] = seconds.get(kind, 0.0) + pack.seconds
                efforts[kind] = efforts.get(kind, 0.0) + pack.effort * pack.fraction
    return {kind: seconds[kind] / efforts[kind] for kind in seconds}
