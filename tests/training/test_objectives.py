"""What is minimized and what curves show, against torch's own losses and definitions."""

import pytest
import torch
from torch.nn import functional

from mdlray.spec import StudentSpec
from mdlray.training.objectives import label_objective, student_objective

LOGITS_MBC = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TEACHER_MBC = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def divergence(wanted: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    kinds = functional.kl_div(
        torch.log_softmax(given, -1), torch.log_softmax(wanted, -1), reduction="none", log_target=True
    )
    return kinds.sum(-1)


def test_labels_cost_their_codelength() -> None:
    labels_MB = torch.arange(15).view(3, 5) % 4
    seen = label_objective(LOGITS_MBC, labels_MB)
    wanted = -torch.softmax(LOGITS_MBC, -1).gather(-1, labels_MB[..., None])[..., 0].log()
    torch.testing.assert_close(seen.loss_MB, wanted)
    assert torch.equal(seen.loss_MB, seen.nats_MB) and torch.equal(seen.right_MB, LOGITS_MBC.argmax(-1) == labels_MB)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_soft_labels_cost_the_divergence_and_what_the_teacher_leaves_open(temperature: float) -> None:
    logits = LOGITS_MBC.clone().requires_grad_()
    seen = student_objective(StudentSpec(round=1, temperature=temperature))(logits, TEACHER_MBC)
    at_teacher = student_objective(StudentSpec(round=1, temperature=temperature))(TEACHER_MBC, TEACHER_MBC)
    at_temperature = divergence(TEACHER_MBC / temperature, LOGITS_MBC / temperature)
    torch.testing.assert_close((seen.loss_MB - at_teacher.loss_MB).detach(), temperature**2 * at_temperature)
    (gradient,) = torch.autograd.grad(seen.loss_MB.sum(), logits)
    slope = torch.softmax(LOGITS_MBC / temperature, -1) - torch.softmax(TEACHER_MBC / temperature, -1)
    torch.testing.assert_close(gradient, temperature * slope)


@pytest.mark.parametrize("targets", ["soft_labels", "logits"])
def test_curves_show_divergence_and_agreement_whatever_is_minimized(targets: str) -> None:
    seen = student_objective(StudentSpec(round=1, targets=targets))(LOGITS_MBC, TEACHER_MBC)
    torch.testing.assert_close(seen.nats_MB, divergence(TEACHER_MBC, LOGITS_MBC))
    assert torch.equal(seen.right_MB, LOGITS_MBC.argmax(-1) == TEACHER_MBC.argmax(-1))
    if targets == "logits":
        torch.testing.assert_close(2 * seen.loss_MB, (LOGITS_MBC - TEACHER_MBC).square().sum(-1))
