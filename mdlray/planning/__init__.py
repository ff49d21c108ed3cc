"""From a question to packs: a sweep's file -> `Sweep` -> `TrialSpec`s -> `Pack`s, without the trials that are done.

A sweep's file imports `Sweep`, `vary`, `cross`, `vary_seeds` and, for a search, `usual_space` from here.
"""

from mdlray.planning.packs import Pack, ceil_div, missing_packs, missing_trials, plan_grid, plan_packs, training_effort
from mdlray.planning.space import LossySpace, Space, usual_space
from mdlray.planning.sweep import (
    Grid,
    Halving,
    Option,
    Sweep,
    cross,
    expand,
    replace_seeds,
    space_of,
    vary,
    vary_seeds,
)

__all__ = [
    "Grid",
    "Halving",
    "LossySpace",
    "Option",
    "Pack",
    "Space",
    "Sweep",
    "ceil_div",
    "cross",
    "expand",
    "missing_packs",
    "missing_trials",
    "plan_grid",
    "plan_packs",
    "replace_seeds",
    "space_of",
    "training_effort",
    "usual_space",
    "vary",
    "vary_seeds",
]
