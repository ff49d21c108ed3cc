"""Initial weights and dropout: own generators, right moments."""

import math
from dataclasses import fields

import pytest
import torch

from mdlray.models import MODELS, get_family, prunable
from mdlray.models.family import Dropout, initialize
from mdlray.spec import ModelSpec


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_a_members_start_does_not_depend_on_its_neighbors() -> None:
    family = get_family("dense")
    shapes = family.shapes((784, 100, 10))
    alone, among = initialize(shapes, generators(5)), initialize(shapes, generators(1, 5, 3))
    for one, three in zip(alone, among, strict=True):
        assert torch.equal(one[0], three[1])


def test_he_initialization() -> None:
    weight, bias = initialize([(200, 784), (200,)], generators(0))
    assert abs(weight.std().item() / math.sqrt(2 / 784) - 1) < 0.02 and bias.abs().max() == 0


def test_weights_may_be_pruned_and_biases_not() -> None:
    shapes = get_family("dense").shapes((784, 100, 10))
    assert prunable(initialize(shapes, generators(0))) == [0, 2]


def test_dropout_keeps_the_mean_and_each_members_rate() -> None:
    hidden = torch.ones(3, 500, 100)
    dropped = Dropout([0.0, 0.2, 0.5], generators(1, 2, 3))(hidden)
    assert torch.equal(dropped[0], hidden[0])
    for member, rate in ((1, 0.2), (2, 0.5)):
        assert abs((dropped[member] == 0).float().mean().item() - rate) < 0.01
        assert abs(dropped[member].mean().item() - 1) < 0.02
    again = Dropout([0.5], generators(3))(hidden[:1])
    assert torch.equal(again[0], dropped[2])


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        (
            "dense",
            {"bucket_fraction": 0.1},
            "bucket_fraction is 0.1 and has no effect in family .dense.; .* 1.0",
        ),
        ("lenet5", {"kernel_size": 3}, "kernel_size is 3 and has no effect in family 'lenet5'; leave it at 5"),
        ("convnet", {"hash_seed": 1}, "hash_seed is 1 and has no effect in family 'convnet'"),
        ("hashed", {"stride": 2}, "stride is 2 and has no effect in family 'hashed'"),
    ],
)
def test_fields_without_effect_are_refused(name: str, changes: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        get_family(name).check_fields(ModelSpec(family=name, **changes))  # type: ignore[arg-type]


def test_every_field_is_some_familys_own() -> None:
    own = {field for family in MODELS.values() for field in family.own_fields}
    assert own | {"family", "hidden_units"} == {field.name for field in fields(ModelSpec)}
    for name, family in MODELS.items():
        family.check_fields(ModelSpec(family=name, **{field: 7 for field in family.own_fields if field[0] != "b"}))


def test_unknown_family_lists_the_known() -> None:
    with pytest.raises(ValueError, match="family is 'cnn'; known are: convnet, dense, hashed, lenet5"):
        get_family("cnn")
