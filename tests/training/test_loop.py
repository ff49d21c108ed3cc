"""The stacked loop: a member's way does not depend on its neighbors, and it is the usual loop's way."""

import math

import pytest
import torch
from torch import nn

from mdlray.models import get_family
from mdlray.spec import TrialSpec, replace_fields
from mdlray.training import Examples, fit, member_generator

SIZES = (20, 16, 5)
FAMILY = get_family("dense")


def examples(members: int, num: int = 300, seed: int = 0) -> Examples:
    """Five noisy prototypes."""
    generator = torch.Generator().manual_seed(seed)
    prototypes = torch.randint(0, 256, (5, 20), generator=torch.Generator().manual_seed(7))
    labels = torch.randint(0, 5, (num,), generator=generator)
    noise = torch.randint(-60, 60, (num, 20), generator=generator)
    pixels = (prototypes[labels] + noise).clamp(0, 255).to(torch.uint8)
    return Examples(pixels, labels.expand(members, -1), 0.5, 0.3)


def spec(**changes: object) -> TrialSpec:
    start = {"training.num_epochs": 4, "training.batch_size": 32}
    start |= {"compression.first_pruning_epoch": 1, "compression.last_pruning_epoch": 4}
    return replace_fields(TrialSpec(), start | {key.replace("__", "."): value for key, value in changes.items()})


def never(steps: int, stack: object, parameters: object, masks: None, histograms: object, failed: object) -> None:
    """The hook of a run without pruning."""


def test_learns() -> None:
    fitted = fit(FAMILY, SIZES, [spec()], examples(1), examples(1, seed=1), never)
    assert fitted.curves.validation[-1].member(0)[1] > 0.9
    assert fitted.examples_per_epoch == 288 and len(fitted.curves.train) == 4


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"training__optimizer": "adam", "training__learning_rate": 1e-3},
        {"training__regularizer": "l2", "training__regularizer_strength": 1e-2},
        {"training__learning_rate_schedule": "step", "training__momentum": 0.5},
    ],
)
def test_one_member_follows_torchs_own_loop(settings: dict[str, object]) -> None:
    """Same starts and batches into nn.Linear and torch.optim: the same weights after four epochs."""
    member, data = spec(**settings), examples(1)
    fitted = fit(FAMILY, SIZES, [member], data, examples(1, seed=1), never)
    generator = member_generator("initialization", 0)
    network = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 5))
    with torch.no_grad():
        for layer in (network[0], network[2]):
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * math.sqrt(2 / layer.in_features))
            layer.bias.zero_()
    weights = [network[0].weight, network[2].weight]
    decay = member.training.regularizer_strength
    groups = [{"params": weights, "weight_decay": decay}, {"params": [network[0].bias, network[2].bias]}]
    rate = member.training.learning_rate
    if member.training.optimizer == "adam":
        optimizer: torch.optim.Optimizer = torch.optim.Adam(groups, lr=rate, betas=(0.9, 0.999))
    else:
        optimizer = torch.optim.SGD(groups, lr=rate, momentum=member.training.momentum)
    from mdlray.training import LEARNING_RATE_SCHEDULES, epoch_batches

    schedule, done = LEARNING_RATE_SCHEDULES[member.training.learning_rate_schedule], 0
    for epoch in range(1, 5):
        for inputs, labels in epoch_batches(data, [0], epoch, 32):
            for group in optimizer.param_groups:
                group["lr"] = rate * schedule(done / 36)
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(inputs), labels[0]).backward()
            optimizer.step()
            done += 1
    for ours, theirs in zip(fitted.parameters, network.parameters(), strict=True):
        torch.testing.assert_close(ours[0], theirs.detach(), rtol=1e-3, atol=1e-5)


def test_neighbors_do_not_matter() -> None:
    """Different seeds, rates, penalties, dropout and orders around it: the member's weights agree within rounding."""
    me = spec(training__regularizer="l1", training__regularizer_strength=1e-4, training__dropout=0.1)
    others = [
        spec(seeds__initialization=3),
        spec(seeds__data_order=2, training__learning_rate=0.01),
        spec(training__regularizer="l2", training__regularizer_strength=0.1),
        spec(training__dropout=0.5, seeds__initialization=9),
    ]
    alone = fit(FAMILY, SIZES, [me], examples(1), examples(1, seed=1), never)
    among = fit(FAMILY, SIZES, [*others[:2], me, *others[2:]], examples(5), examples(5, seed=1), never)
    for one, five in zip(alone.parameters, among.parameters, strict=True):
        torch.testing.assert_close(one[0], five[2], rtol=1e-3, atol=1e-5)


def test_a_diverged_member_is_noted_and_leaves_the_others_alone() -> None:
    wild = spec(training__learning_rate=1e30)
    alone = fit(FAMILY, SIZES, [spec()], examples(1), examples(1, seed=1), never)
    both = fit(FAMILY, SIZES, [wild, spec()], examples(2), examples(2, seed=1), never)
    assert both.diverged_epoch[0] == 1 and both.diverged_epoch[1] is None
    for one, two in zip(alone.parameters, both.parameters, strict=True):
        torch.testing.assert_close(one[0], two[1], rtol=1e-3, atol=1e-5)


def test_random_labels_are_harder() -> None:
    true, fake = examples(1), torch.randint(0, 5, (1, 300), generator=torch.Generator().manual_seed(5))
    labels = torch.cat([true.labels_MN, fake])
    both = Examples(true.pixels_NP, labels, true.mean, true.std)
    fitted = fit(FAMILY, SIZES, [spec(), spec()], both, examples(2, seed=1), never)
    assert fitted.curves.train[-1].member(0)[1] > 0.95 > fitted.curves.train[-1].member(1)[1]


def test_bad_names_and_sizes_are_explained() -> None:
    data = examples(1)
    with pytest.raises(ValueError, match="optimizer is 'lion'; known are: adam, sgd"):
        fit(FAMILY, SIZES, [spec(training__optimizer="lion")], data, data, never)
    with pytest.raises(ValueError, match="regularizer is 'l3'; known are: l1, l2, none"):
        fit(FAMILY, SIZES, [spec(training__regularizer="l3", training__regularizer_strength=1.0)], data, data, never)
    with pytest.raises(ValueError, match="at most the 300 training examples"):
        fit(FAMILY, SIZES, [spec(training__batch_size=301)], data, data, never)
