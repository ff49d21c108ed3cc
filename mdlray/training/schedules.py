"""Learning rates over a training run: `LEARNING_RATE_SCHEDULES` maps a name to progress in [0, 1) -> factor in (0, 1].

`cosine` is Loshchilov and Hutter (2017, eq. 5) without restarts, falling to 1/100 so that late pruning steps can still
be repaired; `step` divides by ten after half and after three quarters of the run.
"""

import math
from collections.abc import Callable

COSINE_FLOOR = 0.01


def constant(progress: float) -> float:
    """The same rate throughout."""
    return 1.0


def cosine(progress: float) -> float:
    """Half a cosine from 1 to `COSINE_FLOOR`."""
    return COSINE_FLOOR + (1 - COSINE_FLOOR) * 0.5 * (1 + math.cos(math.pi * progress))


def step(progress: float) -> float:
    """1, then 1/10 from one half on, then 1/100 from three quarters on."""
    return 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01


LEARNING_RATE_SCHEDULES: dict[str, Callable[[float], float]] = {"constant": constant, "cosine": cosine, "step": step}
