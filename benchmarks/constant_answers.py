"""A student's logits beside its teacher's, and beside the best answers that do not look at the picture.

    agreement above constant = (a - c) / (1 - c)   a: how often student and teacher choose the same class
                                                   c: the same for the best constant answer, which is the largest
                                                      share of one class among the teacher's answers
    nats ratio               = n / m               n: mean KL(teacher || student), temperature 1
                                                   m: mean KL(teacher || the teacher's mean softmax)

For example, a = 0.96 and c = 0.92 give 0.5: half of what a constant answer misses. A teacher that gives the same answer
everywhere leaves both undefined (NaN).

Axes: N pictures, C classes.
"""

import numpy as np
import torch
from torch import Tensor

ALMOST_NOTHING = 1e-9
"""Nats per picture below which a teacher's answers are one and the same answer but for rounding."""


def compare(teacher_NC: Tensor, student_NC: Tensor) -> dict[str, float]:
    """How far a student's logits are from its teacher's, and how far the best constant answers are."""
    teacher, student = teacher_NC.double().log_softmax(1), student_NC.double().log_softmax(1)
    answers = teacher_NC.argmax(1)
    agreement = float((answers == student_NC.argmax(1)).double().mean())
    constant = float(shares(answers, teacher.shape[1]).max())
    nats = float((teacher.exp() * (teacher - student)).sum(1).mean())
    constant_nats = float((teacher.exp() * (teacher - teacher.exp().mean(0).log())).sum(1).mean())
    return {
        "agreement": agreement,
        "constant_agreement": constant,
        "agreement_above_constant": (agreement - constant) / (1 - constant) if constant < 1 else np.nan,
        "nats": nats,
        "constant_nats": constant_nats,
        "nats_ratio": nats / constant_nats if constant_nats > ALMOST_NOTHING else np.nan,
    }


def shares(answers_N: Tensor, num_classes: int) -> Tensor:
    """The share of each class among the answers."""
    return torch.bincount(answers_N, minlength=num_classes).double() / len(answers_N)


def accuracies(name: str, right_N: Tensor, labels_N: Tensor, elicited_C: Tensor) -> dict[str, float]:
    """Accuracy on all digits of a split, above chance, on digits of elicited classes, and on the others."""
    accuracy, chance = float(right_N.double().mean()), 1 / len(elicited_C)
    within_N = elicited_C[labels_N]
    return {
        f"{name}_accuracy": accuracy,
        f"{name}_above_chance": (accuracy - chance) / (1 - chance),
        f"{name}_accuracy_elicited": float(right_N[within_N].double().mean()),
        f"{name}_accuracy_other": float(right_N[~within_N].double().mean()),
    }
