"""Learning rates against PyTorch's schedulers of the same shape."""

import pytest
import torch
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, MultiStepLR

from mdlray.training import LEARNING_RATE_SCHEDULES

NUM_STEPS = 1000


def scheduler(name: str, optimizer: torch.optim.Optimizer) -> LRScheduler:
    if name == "cosine":
        return CosineAnnealingLR(optimizer, T_max=NUM_STEPS, eta_min=0.01)
    if name == "step":
        return MultiStepLR(optimizer, milestones=[NUM_STEPS // 2, 3 * NUM_STEPS // 4], gamma=0.1)
    return ConstantLR(optimizer, factor=1.0)


@pytest.mark.parametrize("name", sorted(LEARNING_RATE_SCHEDULES))
def test_the_factor_is_that_of_pytorch(name: str) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = scheduler(name, optimizer)
    for step in range(NUM_STEPS):
        assert LEARNING_RATE_SCHEDULES[name](step / NUM_STEPS) == pytest.approx(theirs.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        theirs.step()
