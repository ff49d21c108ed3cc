"""Training of many networks together, as one stacked model.

`fit` is the loop; `OPTIMIZERS`, `REGULARIZERS` and `LEARNING_RATE_SCHEDULES` are the visible dicts of its choices.
"""

from mdlray.training.batches import Examples, epoch_batches, member_generator, num_batches, place_splits
from mdlray.training.evaluation import MemberScore, evaluate
from mdlray.training.loop import Fitted, fit
from mdlray.training.optimizers import OPTIMIZERS
from mdlray.training.regularizers import REGULARIZERS
from mdlray.training.schedules import LEARNING_RATE_SCHEDULES
from mdlray.training.state import Masks, State

__all__ = [
    "LEARNING_RATE_SCHEDULES",
    "OPTIMIZERS",
    "REGULARIZERS",
    "Examples",
    "Fitted",
    "Masks",
    "MemberScore",
    "State",
    "epoch_batches",
    "evaluate",
    "fit",
    "member_generator",
    "num_batches",
    "place_splits",
]
