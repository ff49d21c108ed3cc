"""The network of one convolution against torch's own layers, and the whole way of a pack."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

import mdlray
from mdlray.codec.stack import build_decoded
from mdlray.models import get_family
from mdlray.models.convnet import CONVNET, layer_names, shapes
from mdlray.models.family import Dropout, initialize
from mdlray.planning import Pack
from mdlray.results.pack_result import PackResult, model_file
from mdlray.spec import ModelSpec, TrialSpec, replace_fields
from mdlray.worker.run_pack import WorkerConfig, run_pack

SIZES = [(100, 3, 3, 1, 2, 4), (784, 2, 7, 1, 3, 10), (144, 2, 5, 2, 2, 3), (81, 1, 4, 3, 1, 2), (49, 4, 7, 1, 1, 3)]


def stack(members: int, sizes: tuple[int, ...]) -> list[torch.Tensor]:
    parameters = initialize(shapes(sizes), [torch.Generator().manual_seed(seed) for seed in range(members)])
    noise = torch.Generator().manual_seed(99)
    return [p + 0.1 * torch.randn(p.shape, generator=noise) for p in parameters]


def plain(sizes: tuple[int, ...]) -> nn.Sequential:
    """The network as torch writes it."""
    pixels, channels, kernel, stride, pool, classes = sizes
    side = math.isqrt(pixels)
    front = [nn.Unflatten(1, (1, side, side)), nn.Conv2d(1, channels, kernel, stride), nn.MaxPool2d(pool), nn.ReLU()]
    features = nn.Sequential(*front, nn.Flatten())(torch.zeros(1, pixels)).shape[1]
    return nn.Sequential(*front, nn.Flatten(), nn.Linear(features, classes))


@pytest.mark.parametrize("sizes", SIZES)
def test_each_member_equals_a_plain_network(sizes: tuple[int, ...]) -> None:
    """Logits and gradients, alone and in a stack, of pictures that members share or have each its own."""
    family, parameters = CONVNET.for_sizes(sizes), [p.requires_grad_() for p in stack(3, sizes)]
    inputs = torch.randn(6, sizes[0], generator=torch.Generator().manual_seed(0))
    own = torch.stack([inputs, inputs.flip(0), 2 * inputs])
    for given in (inputs, own):
        logits = family.forward(parameters, given, None)
        gradients = torch.autograd.grad(logits.square().sum(), parameters)
        network = plain(sizes)
        assert len(layer_names(sizes)) == len(parameters)
        for member in range(3):
            mine = given if given is inputs else own[member]
            state = {name: p[member].detach() for name, p in zip(network.state_dict(), parameters, strict=True)}
            network.load_state_dict(state)
            torch.testing.assert_close(logits[member], network(mine))
            alone = family.forward([p[member : member + 1] for p in parameters], mine, None)[0]
            torch.testing.assert_close(logits[member], alone)
            network.zero_grad()
            network(mine).square().sum().backward()
            for gradient, parameter in zip(gradients, network.parameters(), strict=True):
                torch.testing.assert_close(gradient[member], parameter.grad, rtol=1e-4, atol=1e-4)


def test_dropout_silences_places_of_maps_and_scales_the_others() -> None:
    sizes = (100, 3, 3, 1, 2, 48)
    parameters = stack(1, sizes)
    parameters[2], parameters[3] = torch.eye(48)[None], torch.zeros(1, 48)
    inputs = torch.randn(50, 100, generator=torch.Generator().manual_seed(0))
    features = CONVNET.for_sizes(sizes).forward(parameters, inputs, None)
    dropped = CONVNET.for_sizes(sizes).forward(parameters, inputs, Dropout([0.25], [torch.Generator().manual_seed(1)]))
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], features[kept] / 0.75)
    assert 0.7 < float(kept.sum() / (features != 0).sum()) < 0.8


def test_sizes_follow_from_the_spec() -> None:
    model = ModelSpec(family="convnet", hidden_units=(8,), kernel_size=7, pool_size=3)
    assert get_family("convnet").sizes(model, 784, 10) == (784, 8, 7, 1, 3, 10)
    assert shapes((784, 8, 7, 1, 3, 10)) == [(8, 1, 7, 7), (8,), (10, 392), (10,)]


@pytest.mark.parametrize(
    ("changes", "pixels"),
    [
        ({"hidden_units": (8, 8)}, 784),
        ({"hidden_units": ()}, 784),
        ({}, 780),
        ({"kernel_size": 29}, 784),
        ({"pool_size": 25}, 784),
        ({"stride": 20, "pool_size": 3}, 784),
    ],
)
def test_impossible_networks_are_refused_with_advice(changes: dict[str, int], pixels: int) -> None:
    model = ModelSpec(**({"family": "convnet", "hidden_units": (8,)} | changes))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one number of channels, e.g. hidden_units=.8,."):
        CONVNET.sizes(model, pixels, 10)


def test_the_forward_pass_asks_for_sizes() -> None:
    with pytest.raises(ValueError, match=r"call family.for_sizes\(sizes\) first"):
        CONVNET.forward(stack(1, SIZES[0]), torch.zeros(1, 100), None)


SHORT = {
    "data.dataset": "mnist5k",
    "model.family": "convnet",
    "model.hidden_units": (4,),
    "model.kernel_size": 7,
    "model.pool_size": 3,
    "training.num_epochs": 3,
    "training.batch_size": 32,
    "training.learning_rate": 0.02,
    "compression.method": "magnitude",
    "compression.pruning_ratio": 0.8,
    "compression.first_pruning_epoch": 1,
    "compression.last_pruning_epoch": 2,
    "compression.num_pruning_steps": 2,
    "compression.saliency_examples": 64,
    "compression.centroid_epochs": 1,
}


@pytest.fixture(scope="module")
def trained() -> PackResult:
    base = replace_fields(TrialSpec(), SHORT)
    changes = (
        {},
        {"compression.method": "obd", "seeds.initialization": 1},
        {"compression.rate_distortion": 1e-4, "seeds.data_order": 1},
        {"compression.scope": "per_layer", "training.dropout": 0.1},
    )
    return run_pack(Pack("toy", tuple(replace_fields(base, change) for change in changes)), WorkerConfig())


def test_a_pack_goes_the_whole_way(trained: PackResult, tmp_path: Path) -> None:
    assert [row["status"] for row in trained.rows] == ["ok"] * 4, [row["error"] for row in trained.rows]
    for row in trained.rows:
        assert row["architecture"] == "convnet-4-k7-p3" and row["num_weights"] == 4 * 49 + 10 * 4 * 49
        assert row["decoded_ok"] and row["num_nonzero"] <= row["num_weights"] - round(0.8 * row["num_weights"])
        assert row["test_accuracy"] > 0.6 and len(trained.files[model_file(row["trial_id"])]) == row["compressed_bytes"]
    path = tmp_path / "network.mdl"
    path.write_bytes(trained.files[model_file(trained.rows[0]["trial_id"])])
    network = mdlray.decode(path)
    assert network(torch.zeros(2, 28, 28, dtype=torch.uint8)).shape == (2, 10)


def test_channels_may_be_removed_and_ordered() -> None:
    """Without them the function is the same, so that the smaller file has the other's accuracies."""
    base = replace_fields(TrialSpec(), SHORT | {"compression.pruning_ratio": 0.98, "compression.centroid_epochs": 0})
    tidy = replace_fields(base, {"compression.remove_dead_units": True, "compression.unit_order": "sorted"})
    result = run_pack(Pack("toy", (base, tidy)), WorkerConfig())
    whole, fewer = result.rows
    assert whole["status"] == fewer["status"] == "ok", fewer["error"]
    assert fewer["num_nonzero"] <= whole["num_nonzero"]
    for column in ("trained_test_accuracy", "validation_accuracy", "test_accuracy"):
        assert fewer[column] == pytest.approx(whole[column], abs=0.0026), column
    kernels = build_decoded(result.files[model_file(tidy.trial_id)]).weights[0]
    counts = torch.count_nonzero(kernels.flatten(1), dim=1).tolist()
    assert counts == sorted(counts, reverse=True)
