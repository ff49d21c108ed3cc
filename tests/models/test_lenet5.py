"""Stacked LeNet-5 against torch's own layers, its curvature against autograd, and the whole way of a pack."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev, vmap
from torch.nn.functional import cross_entropy

import mdlray
from mdlray.data import load_images
from mdlray.models import get_family
from mdlray.models.family import Dropout, initialize
from mdlray.models.lenet5 import LENET5, forward, layer_names, shapes
from mdlray.planning import Pack
from mdlray.results.conversion import to_table
from mdlray.results.pack_result import PackResult, model_file
from mdlray.results.schema import CURVES, LAYERS, TRIALS
from mdlray.spec import TrialSpec, replace_fields
from mdlray.training.memory import measure_need
from mdlray.worker.run_pack import WorkerConfig, run_networks, run_pack

TINY = (18 * 18, 2, 3, 4, 3)


def stack(members: int, sizes: tuple[int, ...] = TINY) -> list[torch.Tensor]:
    parameters = initialize(shapes(sizes), [torch.Generator().manual_seed(seed) for seed in range(members)])
    noise = torch.Generator().manual_seed(99)
    return [p + 0.1 * torch.randn(p.shape, generator=noise) for p in parameters]


def pictures(count: int, sizes: tuple[int, ...] = TINY) -> torch.Tensor:
    return torch.randn(count, sizes[0], generator=torch.Generator().manual_seed(0))


def plain(sizes: tuple[int, ...]) -> nn.Sequential:
    """The network as torch writes it."""
    side = math.isqrt(sizes[0])
    side = ((side - 4) // 2 - 4) // 2
    layers: list[nn.Module] = [nn.Unflatten(1, (1, math.isqrt(sizes[0]), -1))]
    for i, o in ((1, sizes[1]), (sizes[1], sizes[2])):
        layers += [nn.Conv2d(i, o, 5), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Flatten(), nn.Linear(sizes[2] * side * side, sizes[3])]
    for i, o in zip(sizes[3:], sizes[4:], strict=False):
        layers += [nn.ReLU(), nn.Linear(i, o)]
    return nn.Sequential(*layers)


def test_names_and_shapes_are_those_of_lenet_5_caffe() -> None:
    sizes = (784, 20, 50, 500, 10)
    counts = {name: math.prod(shape) for name, shape in zip(layer_names(sizes), shapes(sizes), strict=True)}
    assert [counts[f"{layer}.weight"] for layer in ("conv_1", "conv_2", "hidden_1", "output")] == [
        500,
        25_000,
        400_000,
        5_000,
    ]
    assert sum(counts.values()) == 431_080
    assert layer_names((784, 6, 16, 10))[-2:] == ["output.weight", "output.bias"]


@pytest.mark.parametrize("sizes", [TINY, (23 * 23, 3, 2, 5, 4, 3), (784, 2, 3, 10)])
def test_each_member_equals_a_plain_network(sizes: tuple[int, ...]) -> None:
    parameters, inputs = stack(3, sizes), pictures(6, sizes)
    shared = forward(parameters, inputs)
    torch.testing.assert_close(shared, forward(parameters, inputs.expand(3, -1, -1).contiguous()))
    own = torch.stack([inputs, inputs.flip(0), 2 * inputs])
    apart = forward(parameters, own)
    network = plain(sizes)
    for member in range(3):
        network.load_state_dict({name: p[member] for name, p in zip(network.state_dict(), parameters, strict=True)})
        torch.testing.assert_close(shared[member], network(inputs))
        torch.testing.assert_close(apart[member], network(own[member]))


@pytest.mark.parametrize("sizes", [TINY, (784, 2, 2, 3)])
def test_curvature_is_made_of_every_examples_jacobian(sizes: tuple[int, ...]) -> None:
    """E[J^T (diag(p) - p p^T) J] from torch.func's Jacobians of single examples."""
    parameters = [p.double() for p in stack(2, sizes)]
    inputs = pictures(11, sizes).double()
    diagonals, network = LENET5.curvature(parameters, inputs), plain(sizes)
    assert [d.shape for d in diagonals] == [p.shape for p in parameters[::2]]
    for member in range(2):
        names = [name for name, _ in network.named_parameters()]
        own = {name: p[member] for name, p in zip(names, parameters, strict=True)}

        def logits(own: dict[str, torch.Tensor], picture: torch.Tensor) -> torch.Tensor:
            return functional_call(network, own, (picture[None],))[0]

        p_BC = torch.stack([logits(own, picture) for picture in inputs]).softmax(-1)
        middle_BCC = torch.diag_embed(p_BC) - p_BC[:, :, None] * p_BC[:, None, :]
        jacobians = vmap(jacrev(logits), (None, 0))(own, inputs)
        for layer, diagonal in enumerate(diagonals):
            j_BCW = jacobians[names[2 * layer]].flatten(2)
            expected_W = torch.einsum("bcw,bcd,bdw->w", j_BCW, middle_BCC, j_BCW) / inputs.shape[0]
            torch.testing.assert_close(diagonal[member].flatten(), expected_W, rtol=1e-8, atol=1e-12)


def test_curvature_is_the_second_difference_of_the_loss() -> None:
    """Independent of autograd: the mean loss along each weight of the kernels, in double precision."""
    parameters, inputs = [p.double() for p in stack(1)], pictures(20).double()
    labels, step = torch.arange(20) % 3, 1e-4
    diagonals = LENET5.curvature(parameters, inputs)

    def loss() -> float:
        return float(cross_entropy(forward(parameters, inputs)[0], labels))

    middle = loss()
    for layer in (0, 2):
        flat, measured = parameters[layer].view(-1), []
        for weight in range(flat.numel()):
            ends = []
            for sign in (1, -2):
                flat[weight] += sign * step
                ends.append(loss())
            flat[weight] += step
            measured.append((sum(ends) - 2 * middle) / step**2)
        torch.testing.assert_close(
            torch.tensor(measured, dtype=torch.float64), diagonals[layer // 2].flatten(), rtol=1e-3, atol=1e-4
        )


def test_dropout_draws_the_same_for_a_pruned_network() -> None:
    """Silent units are left out without dropout only; with it, what is drawn must not depend on the weights."""
    sizes, seed = (784, 4, 5, 40, 10), 3
    parameters = stack(1, sizes)
    parameters[4][:, 10:] = 0
    parameters[5][:, 10:] = 0
    drawn = [torch.Generator().manual_seed(seed) for _ in range(2)]
    forward(parameters, pictures(6, sizes), Dropout([0.5], drawn[:1]))
    torch.rand(6, 40, generator=drawn[1])
    assert torch.equal(drawn[0].get_state(), drawn[1].get_state())


@pytest.mark.parametrize("sizes", [(784, 20, 10), (780, 20, 50, 10), (225, 2, 2, 3)])
def test_sizes_that_are_no_lenet_5_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"lenet5 has sizes .* hidden_units=\(20, 50, 500\)"):
        shapes(sizes)


SHORT = {
    "data.dataset": "mnist5k",
    "model.family": "lenet5",
    "model.hidden_units": (4, 6, 20),
    "training.num_epochs": 3,
    "training.batch_size": 64,
    "training.optimizer": "adam",
    "training.learning_rate": 0.004,
    "compression.method": "magnitude",
    "compression.pruning_ratio": 0.8,
    "compression.first_pruning_epoch": 1,
    "compression.last_pruning_epoch": 2,
    "compression.num_pruning_steps": 4,
    "compression.saliency_examples": 64,
    "compression.centroid_epochs": 1,
}


def members() -> tuple[TrialSpec, ...]:
    base = replace_fields(TrialSpec(), SHORT)
    changes = (
        {},
        {"compression.quantization_levels": 4},
        {"compression.method": "obd", "seeds.initialization": 1},
        {"compression.scope": "per_layer", "training.dropout": 0.1},
    )
    return tuple(replace_fields(base, change) for change in changes)


@pytest.fixture(scope="module")
def trained() -> tuple[PackResult, list[bytes]]:
    """A pack's result and the checkpoints after its epochs."""
    blobs: list[bytes] = []
    return run_pack(Pack("toy", members()), WorkerConfig(checkpoint_seconds=0.0), save=blobs.append), blobs


def test_a_pack_goes_the_whole_way(trained: tuple[PackResult, list[bytes]], tmp_path: Path) -> None:
    result, _ = trained
    assert [row["status"] for row in result.rows] == ["ok"] * 4, [row["error"] for row in result.rows]
    assert to_table(result.rows, TRIALS).num_rows == 4 and to_table(result.tables["layers"], LAYERS).num_rows == 4 * 8
    assert to_table(result.tables["curves"], CURVES).num_rows == 4 * 3
    for row in result.rows:
        assert row["architecture"] == "lenet5-4-6-20" and row["num_weights"] == 100 + 600 + 96 * 20 + 200
        assert row["decoded_ok"] and row["num_nonzero"] <= row["num_weights"] - round(0.8 * row["num_weights"])
        assert row["test_accuracy"] > 0.4 and len(result.files[model_file(row["trial_id"])]) == row["compressed_bytes"]
    path = tmp_path / "network.mdl"
    path.write_bytes(result.files[model_file(result.rows[0]["trial_id"])])
    network = mdlray.decode(path)
    assert network(torch.zeros(2, 28, 28, dtype=torch.uint8)).shape == (2, 10)


def test_a_pack_goes_on_from_a_checkpoint(trained: tuple[PackResult, list[bytes]]) -> None:
    result, blobs = trained
    again = run_pack(Pack("toy", members()), WorkerConfig(), checkpoint=blobs[1])
    assert again.files == result.files and again.tables["curves"] == result.tables["curves"]


def test_one_network_does_not_depend_on_its_neighbors(trained: tuple[PackResult, list[bytes]]) -> None:
    alone = run_pack(Pack("toy", members()[:1]), WorkerConfig()).rows[0]
    among = trained[0].rows[0]
    assert alone["trial_id"] == among["trial_id"]
    assert alone["num_nonzero"] == pytest.approx(among["num_nonzero"], abs=2)
    assert alone["test_accuracy"] == pytest.approx(among["test_accuracy"], abs=0.0101)


def test_memory_of_a_pack_can_be_measured() -> None:
    """The short runs that are measured on a GPU work for this family, too."""
    images, sizes = load_images(members()[0].data, 0, None), []

    def peak(networks: list[TrialSpec], few: object) -> int:
        sizes.append(len(networks))
        result = run_networks(networks, networks, few, torch.device("cpu"), WorkerConfig())  # type: ignore[arg-type]
        assert {row["status"] for row in result.rows} == {"ok"}
        return 100 * len(networks)

    assert measure_need(members(), images, peak).bytes_per_member >= 100 and sizes == [2, 6]  # type: ignore[arg-type]


def test_the_family_is_known_by_its_name() -> None:
    assert get_family("lenet5").name == "lenet5"
