"""Learning rates over a run: `LEARNING_RATE_SCHEDULES` maps a name to a function from progress in [0, 1) to a factor.

`constant` is always 1. `cosine` is that of Loshchilov and Hutter (2017, eq. 5) without restarts; it falls from 1 to
1/100 and not to 0, so that training can still repair late pruning steps. `step` divides the rate by ten after one half
and after three quarters of the run.
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
