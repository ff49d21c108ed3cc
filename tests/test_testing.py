"""The suite that every family must pass: ours pass it, others' pass it, and what breaks a promise is told so."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mdlray.models import MODELS, Family, Parameters
from mdlray.models.family import Dropout
from mdlray.planning import Pack
from mdlray.planning.sweep_file import read_sweep
from mdlray.spec import ModelSpec, replace_fields
from mdlray.testing import check_family
from mdlray.worker.run_pack import WorkerConfig, run_pack

OURS = [
    ModelSpec(hidden_units=(8,)),
    ModelSpec(family="lenet5", hidden_units=(3, 4)),
    ModelSpec(family="convnet", hidden_units=(3,), kernel_size=7, stride=2, pool_size=3),
    ModelSpec(family="hashed", hidden_units=(12,), bucket_fraction=0.1),
]


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.family)
def test_our_families_pass(model: ModelSpec) -> None:
    check_family(MODELS[model.family], model)


def layers(parameters: Parameters) -> list[tuple[Tensor, Tensor | None]]:
    """Each weight (M, O, I) with the bias (M, O) behind it, where there is one."""
    pairs: list[tuple[Tensor, Tensor | None]] = []
    for parameter in parameters:
        if parameter.ndim == 3:
            pairs.append((parameter, None))
        else:
            pairs[-1] = (pairs[-1][0], parameter)
    return pairs


def forward(parameters: Parameters, inputs: Tensor, dropout: Dropout | None) -> Tensor:
    hidden = inputs
    for number, (weight, bias) in enumerate(pairs := layers(parameters)):
        hidden = hidden @ weight.transpose(1, 2) + (0 if bias is None else bias[:, None])
        if number + 1 < len(pairs):
            hidden = torch.relu(hidden)
            hidden = dropout(hidden) if dropout else hidden
    return hidden


def weight_shapes(sizes: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [(outputs, inputs) for inputs, outputs in pairwise(sizes)]


def numbered(shapes: Callable[[tuple[int, ...]], list[tuple[int, ...]]]) -> Callable[[tuple[int, ...]], list[str]]:
    return lambda sizes: [f"tensor_{number}" for number in range(len(shapes(sizes)))]


def last_bias_only(sizes: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [*weight_shapes(sizes), sizes[-1:]]


NO_BIAS = Family("no_bias", weight_shapes, numbered(weight_shapes), forward)
ONE_BIAS = Family("one_bias", last_bias_only, numbered(last_bias_only), forward)


def scaled_forward(parameters: Parameters, inputs: Tensor, dropout: Dropout | None) -> Tensor:
    """A scale for every pixel comes first: it has two axes, and is no weight."""
    return forward(parameters[1:], inputs * (1 + parameters[0].flatten(1)[:, None]), dropout)


def scaled_shapes(sizes: tuple[int, ...]) -> list[tuple[int, ...]]:
    side = math.isqrt(sizes[0])
    return [(side, side), *last_bias_only(sizes)]


SCALED = Family(
    "scaled",
    scaled_shapes,
    numbered(scaled_shapes),
    scaled_forward,
    roles=lambda shapes: ["plain", *["weight"] * (len(shapes) - 2), "plain"],
)


@pytest.mark.parametrize("family", [NO_BIAS, ONE_BIAS, SCALED], ids=lambda family: family.name)
def test_families_of_other_packages_pass(family: Family) -> None:
    """Tensors need not alternate between weights and biases, and a tensor of two axes may be plain."""
    check_family(family, ModelSpec(family=family.name, hidden_units=(12,)))
    assert family.name not in MODELS


def leaking(parameters: Parameters, inputs: Tensor, dropout: Dropout | None) -> Tensor:
    logits = forward(parameters, inputs, dropout)
    return logits - logits.mean(dim=0)


def forgetful(parameters: Parameters, inputs: Tensor, dropout: Dropout | None) -> Tensor:
    return forward(parameters[:-1], inputs, dropout)


def drawing(parameters: Parameters, inputs: Tensor, dropout: Dropout | None) -> Tensor:
    logits = forward(parameters, inputs, dropout)
    return logits + torch.randn(logits.shape)


BROKEN = [
    ({"forward": leaking}, "no neighbor changes"),
    ({"forward": forgetful}, "parameter 2 gets no gradient"),
    ({"forward": drawing}, "same logits when asked again"),
    ({"layer_names": lambda sizes: ["tensor"] * 3}, "names that differ"),
    ({"layer_names": lambda sizes: ["tensor"]}, "one name for each"),
    ({"roles": lambda shapes: ["plain"] * 3}, "no tensor has the role of a weight"),
    ({"chain": True}, "is a chain: weight, bias, weight, bias"),
    (
        {"own_curvature": lambda parameters, inputs: [-p.abs() for p in parameters[:2]]},
        "must be finite and not negative",
    ),
    ({"own_curvature": lambda parameters, inputs: parameters[:1]}, "curvature in the shapes of the weights"),
]


@pytest.mark.parametrize(("changes", "words"), BROKEN, ids=[words for _, words in BROKEN])
def test_a_broken_promise_is_told(changes: dict[str, object], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_family(replace(ONE_BIAS, **changes), ModelSpec(family="one_bias", hidden_units=(12,)), whole_way=False)


@pytest.mark.parametrize(
    ("roles", "words"),
    [(["weight"], "there must be one for each"), (["weight", "weight", "weight"], "a weight has two or more axes")],
)
def test_roles_that_cannot_be_are_refused(roles: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(ONE_BIAS, roles=lambda shapes: roles).weight_positions([(3, 4), (2, 3), (2,)])


def test_the_readmes_family_runs_from_a_sweeps_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's recipe, word for word, in a sweep of a user's own."""
    root = Path(__file__).parents[1]
    recipe = (root / "README.md").read_text().split("**family of networks**")[1].split("```")[1].removeprefix("python")
    text = (root / "tests/assets/tiny_sweep.py").read_text().replace("hidden_units=(6,)", "family='no_bias'")
    (tmp_path / "own.py").write_text(text + recipe)
    monkeypatch.setitem(MODELS, "no_bias", NO_BIAS)  # so that the recipe's family goes when the test ends
    sweep, definitions = read_sweep(tmp_path / "own.py")
    assert MODELS["no_bias"] is not NO_BIAS
    check_family(MODELS["no_bias"], ModelSpec(family="no_bias", hidden_units=(12,)), whole_way=False)
    pruned = replace_fields(sweep.base, {"compression.pruning_ratio": 0.9})
    result = run_pack(Pack("own", (pruned,)), WorkerConfig(definitions=definitions))
    assert [row["status"] for row in result.rows] == ["ok"], result.rows[0]["error"]
    assert result.rows[0]["num_weights"] == 78_400 + 1000 and result.rows[0]["test_accuracy"] > 0.7
