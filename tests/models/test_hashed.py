"""Hashed networks against the dense networks they stand for, with a hash that is computed here, too."""

import math
from pathlib import Path

import pytest
import torch

import mdlray
from mdlray.codec.header import implied_tensors
from mdlray.codec.network import MAX_LAYER_SIZES, MAX_SIDE
from mdlray.models import dense, get_family
from mdlray.models.family import initialize
from mdlray.models.hashed import HASHED, MAX_BUCKETS, fans, layer_names, shapes
from mdlray.planning import Pack
from mdlray.results.pack_result import PackResult, model_file
from mdlray.spec import ModelSpec, TrialSpec, replace_fields
from mdlray.worker.run_pack import WorkerConfig, run_pack

MASK = 2**64 - 1
SIZES = [(12, 7, 5, 4, 30, 35, 3, 5), (9, 4, 36, 0), (9, 6, 4, 1, 5, 2**28 - 1)]


def rotated(number: int, bits: int) -> int:
    return (number << bits | number >> 64 - bits) & MASK


def xxh64(j: int, i: int, seed: int) -> int:
    """The hash of j and i as 32-bit numbers, as docs/mdl_format.md writes it."""
    p1, p2, p3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
    p4, p5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
    h = (seed + p5 + 8 & MASK) ^ (rotated((j + (i << 32)) * p2 & MASK, 31) * p1 & MASK)
    h = (rotated(h, 27) * p1 + p4) & MASK
    h = (h ^ h >> 33) * p2 & MASK
    h = (h ^ h >> 29) * p3 & MASK
    return h ^ h >> 32


def split(sizes: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    layers = len(sizes) // 2 - 1
    return sizes[: layers + 1], sizes[layers + 1 : -1], sizes[-1]


def bucket_and_sign(sizes: tuple[int, ...], layer: int, j: int, i: int) -> tuple[int, int]:
    _, buckets, hash_seed = split(sizes)
    digest = xxh64(j, i, 256 * hash_seed + layer)
    return (digest >> 1) % buckets[layer], 1 - 2 * (digest & 1)


def dense_of(parameters: list[torch.Tensor], sizes: tuple[int, ...]) -> list[torch.Tensor]:
    """The dense parameters, virtual weight by virtual weight."""
    units, _, _ = split(sizes)
    out = []
    for layer, (inputs, outputs) in enumerate(zip(units, units[1:], strict=False)):
        weight = torch.zeros(parameters[0].shape[0], outputs, inputs)
        for j in range(outputs):
            for i in range(inputs):
                bucket, sign = bucket_and_sign(sizes, layer, j, i)
                weight[:, j, i] = sign * parameters[2 * layer][:, 0, bucket].detach()
        out += [weight, parameters[2 * layer + 1].detach()]
    return out


def stack(members: int, sizes: tuple[int, ...]) -> list[torch.Tensor]:
    generators = [torch.Generator().manual_seed(seed) for seed in range(members)]
    parameters = initialize(shapes(sizes), generators, fans(sizes))
    noise = torch.Generator().manual_seed(99)
    return [p + 0.1 * torch.randn(p.shape, generator=noise) for p in parameters]


@pytest.mark.parametrize("sizes", SIZES)
def test_it_is_the_dense_network_of_its_buckets(sizes: tuple[int, ...]) -> None:
    """Logits are equal, and a bucket's gradient is the sum of its weights' gradients with their signs."""
    parameters = [p.requires_grad_() for p in stack(3, sizes)]
    inputs = torch.randn(8, sizes[0], generator=torch.Generator().manual_seed(0))
    virtual = [p.requires_grad_() for p in dense_of(parameters, sizes)]
    units, _, _ = split(sizes)
    family = HASHED.for_sizes(sizes)
    for given in (inputs, torch.stack([inputs, inputs.flip(0), 2 * inputs])):
        logits, wanted = family.forward(parameters, given, None), dense.forward(virtual, given)
        torch.testing.assert_close(logits, wanted)
        gradients = torch.autograd.grad(logits.square().sum(), parameters)
        wanted_gradients = torch.autograd.grad(wanted.square().sum(), virtual)
        for layer, (i_end, j_end) in enumerate(zip(units, units[1:], strict=False)):
            sums = torch.zeros_like(gradients[2 * layer])
            for j in range(j_end):
                for i in range(i_end):
                    bucket, sign = bucket_and_sign(sizes, layer, j, i)
                    sums[:, 0, bucket] += sign * wanted_gradients[2 * layer][:, j, i]
            torch.testing.assert_close(gradients[2 * layer], sums, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(gradients[2 * layer + 1], wanted_gradients[2 * layer + 1])


def test_a_member_alone_is_what_it_is_in_a_stack() -> None:
    sizes = SIZES[0]
    parameters, inputs = stack(3, sizes), torch.randn(8, 12, generator=torch.Generator().manual_seed(0))
    among, alone = (
        HASHED.for_sizes(sizes).forward(p, inputs, None) for p in (parameters, [p[1:2] for p in parameters])
    )
    torch.testing.assert_close(among[1:2], alone)


def test_another_seed_is_another_network() -> None:
    parameters, inputs = stack(1, (9, 4, 36, 0)), torch.ones(1, 9)
    one, other = (HASHED.for_sizes((9, 4, 36, seed)).forward(parameters, inputs, None) for seed in (0, 1))
    assert not torch.allclose(one, other)


def test_sizes_follow_from_the_spec() -> None:
    model = ModelSpec(family="hashed", hidden_units=(100,), bucket_fraction=0.1, hash_seed=7)
    sizes = get_family("hashed").sizes(model, 784, 10)
    assert sizes == (784, 100, 10, 7840, 100, 7)
    assert shapes(sizes) == [(1, 7840), (100,), (1, 100), (10,)] and len(layer_names(sizes)) == 4
    least = ModelSpec(family="hashed", hidden_units=(2,), bucket_fraction=0.001)
    assert HASHED.sizes(least, 784, 10) == (784, 2, 10, 2, 1, 0)


def test_initial_weights_follow_the_virtual_fan_in() -> None:
    sizes = (784, 100, 10, 7840, 100, 0)
    weight = initialize(shapes(sizes), [torch.Generator().manual_seed(0)], fans(sizes))[0]
    assert abs(weight.std().item() / math.sqrt(2 / 784) - 1) < 0.03


@pytest.mark.parametrize("sizes", [(784,), (784, 100, 10), (784, 100, 10, 7840, 100), (784, 10, 0, 0)])
def test_impossible_sizes_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="hashed has sizes .* needs two or more layer sizes"):
        shapes(sizes)


def test_too_many_buckets_for_a_file_are_refused_with_advice() -> None:
    with pytest.raises(ValueError, match="lower bucket_fraction or hidden_units"):
        HASHED.sizes(ModelSpec(family="hashed", hidden_units=(6000,)), 784, 10)


def test_a_file_holds_whatever_sizes_allow() -> None:
    """The largest bucket tensor, the most virtual weights and the most layers are the file's own limits."""
    widest = 2**28 // 794
    for units, fraction in (((MAX_BUCKETS // 784,), 1.0), ((widest,), 1e-3), ((2,) * 62, 1.0)):
        model = ModelSpec(family="hashed", hidden_units=units, bucket_fraction=fraction, hash_seed=2**28 - 1)
        sizes = HASHED.sizes(model, 784, 10)
        assert [layout.shape for layout in implied_tensors("hashed", sizes)] == shapes(sizes)
        assert len(sizes) <= MAX_LAYER_SIZES and max(map(max, shapes(sizes)[::2])) <= MAX_SIDE
    with pytest.raises(ValueError, match="virtual weights .* lower hidden_units"):
        HASHED.sizes(ModelSpec(family="hashed", hidden_units=(widest + 1,), bucket_fraction=1e-3), 784, 10)
    with pytest.raises(ValueError, match="at most 268435456 virtual weights"):
        implied_tensors("hashed", (784, widest + 1, 10, 1, 1, 0))


SHORT = {
    "data.dataset": "mnist5k",
    "model.family": "hashed",
    "model.hidden_units": (30,),
    "model.bucket_fraction": 0.1,
    "training.num_epochs": 4,
    "training.batch_size": 32,
    "training.learning_rate": 0.02,
    "compression.method": "magnitude",
    "compression.pruning_ratio": 0.5,
    "compression.first_pruning_epoch": 1,
    "compression.last_pruning_epoch": 3,
    "compression.num_pruning_steps": 2,
    "compression.saliency_examples": 64,
    "compression.centroid_epochs": 1,
}


def packed(*changes: dict[str, object]) -> PackResult:
    base = replace_fields(TrialSpec(), SHORT)
    return run_pack(Pack("toy", tuple(replace_fields(base, change) for change in changes)), WorkerConfig())


def test_a_pack_goes_the_whole_way(tmp_path: Path) -> None:
    result = packed(
        {},
        {"compression.method": "obd", "seeds.initialization": 1},
        {"compression.rate_distortion": 1e-4, "seeds.data_order": 1},
        {"compression.scope": "per_layer", "training.dropout": 0.1},
    )
    assert [row["status"] for row in result.rows] == ["ok"] * 4, [row["error"] for row in result.rows]
    for row in result.rows:
        assert row["architecture"] == "hashed-30-f0.1" and row["num_weights"] == 2352 + 30
        assert row["decoded_ok"] and row["num_nonzero"] <= 2382 - round(0.5 * 2382)
        assert row["test_accuracy"] > 0.7 and len(result.files[model_file(row["trial_id"])]) == row["compressed_bytes"]
    path = tmp_path / "network.mdl"
    path.write_bytes(result.files[model_file(result.rows[0]["trial_id"])])
    network = mdlray.decode(path)
    pixels = torch.randint(0, 256, (2, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    sizes = (784, 30, 10, 2352, 30, 0)
    assert network.sizes == sizes and sum(p.numel() for p in network.parameters()) == 2382 + 40
    inputs = (pixels.flatten(1) / 255 - network.mean) / network.std
    wanted = dense.forward(dense_of([p[None] for p in network.weights], sizes), inputs)[0]
    torch.testing.assert_close(network(pixels), wanted, rtol=1e-4, atol=1e-4)


def test_fewer_buckets_make_a_smaller_file() -> None:
    sizes = []
    for fraction in (1.0, 0.25, 0.05):
        few = {"model.bucket_fraction": fraction, "training.num_epochs": 2, "compression.last_pruning_epoch": 1}
        row = packed(few | {"compression.method": "none", "compression.pruning_ratio": 0.0}).rows[0]
        assert row["status"] == "ok", row["error"]
        sizes.append(row["compressed_bytes"])
    assert sizes[0] > 3 * sizes[1] > 9 * sizes[2]


def test_units_cannot_be_removed_or_ordered() -> None:
    for change in ({"compression.remove_dead_units": True}, {"compression.unit_order": "sorted"}):
        assert "family is 'hashed'; dead units can be removed" in packed(change).rows[0]["error"]
