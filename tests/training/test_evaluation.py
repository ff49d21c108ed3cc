"""Scores against a one-line computation of their own."""

import torch

from mdlray.models import get_family
from mdlray.models.family import initialize
from mdlray.training import Examples, evaluate


def test_nats_and_accuracy_over_several_chunks() -> None:
    family = get_family("dense")
    parameters = initialize(family.shapes((9, 4)), [torch.Generator().manual_seed(s) for s in (0, 1)])
    generator = torch.Generator().manual_seed(2)
    pixels = torch.randint(0, 256, (2345, 9), generator=generator).to(torch.uint8)
    labels = torch.randint(0, 4, (2, 2345), generator=generator)
    score = evaluate(family, parameters, Examples(pixels, labels, 0.4, 0.2))
    for member in range(2):
        weight, bias = parameters[0][member].double(), parameters[1][member].double()
        logits = ((pixels.double() / 255 - 0.4) / 0.2) @ weight.T + bias
        nats = -torch.log_softmax(logits, 1)[torch.arange(2345), labels[member]].sum()
        hits = (logits.argmax(1) == labels[member]).double().mean()
        found_nats, found_accuracy = score.member(member)
        assert abs(found_nats / nats.item() - 1) < 1e-5 and abs(found_accuracy - hits.item()) < 1e-3
