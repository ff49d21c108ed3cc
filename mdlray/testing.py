"""A conformance suite for families of networks, ours and others': a test of a family is one line.

    def test_my_family() -> None:
        check_family(MY_FAMILY, ModelSpec(family="my_family", hidden_units=(8,)))

`check_family` raises an AssertionError that says what was expected and what the family gave. It checks the tensors
(names, shapes, roles), the forward pass (shapes, members that do not depend on each other, gradients, dropout), and the
curvature. Then it runs one small pack from data to files: trained on 5,000 digits, pruned, quantized, codebooks
trained, encoded and decoded.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mdlray import codec
from mdlray.models import MODELS, Family, Parameters
from mdlray.models.family import Dropout, initialize
from mdlray.planning import Pack
from mdlray.results.pack_result import model_file
from mdlray.spec import ModelSpec, TrialSpec, replace_fields
from mdlray.worker.run_pack import WorkerConfig, run_pack

MEMBERS = 3
EXAMPLES = 6
SHORT = {
    "data.dataset": "mnist5k",
    "training.num_epochs": 2,
    "training.learning_rate": 0.02,
    "compression.first_pruning_epoch": 0,
    "compression.last_pruning_epoch": 1,
    "compression.num_pruning_steps": 2,
    "compression.saliency_examples": 16,
    "compression.centroid_epochs": 1,
}
"""The training of the small pack."""


def check_family(
    family: Family, model: ModelSpec | None = None, *, pixels: int = 784, classes: int = 10, whole_way: bool = True
) -> None:
    """AssertionError unless the family does everything that `mdlray.models.Family` says, for this network.

    `model` is a small network of the family, by default `ModelSpec(family=family.name)`. It is checked for images of
    `pixels` pixels and for `classes` classes. `whole_way=False` leaves out the pack, which takes some seconds and has
    digits of 28 x 28 pixels.
    """
    model = model or ModelSpec(family=family.name)
    family.check_fields(model)
    sizes = family.sizes(model, pixels, classes)
    sized = family.for_sizes(sizes)
    check_tensors(sized, sizes)
    parameters = _some_parameters(sized, sizes)
    check_forward(sized, parameters, pixels, classes)
    check_gradients(sized, parameters, pixels)
    check_dropout(sized, parameters, pixels)
    check_curvature(sized, parameters, pixels)
    if whole_way:
        check_whole_way(family, model)


def check_tensors(family: Family, sizes: Sequence[int]) -> None:
    """Every parameter has a shape, a name of its own and a role; at least one is a weight; a chain alternates."""
    shapes, names = family.shapes(tuple(sizes)), family.layer_names(tuple(sizes))
    _wanted(len(names), len(shapes), f"{family.name}: one name for each of the shapes {shapes}")
    _wanted(len(set(names)), len(names), f"{family.name}: names that differ, not {names}")
    for shape in shapes:
        assert shape and min(shape) > 0, f"{family.name}: a tensor has the shape {shape}, which has no numbers."
    weights = family.weight_positions(shapes)
    assert weights, f"{family.name}: no tensor has the role of a weight, so that there is nothing to compress."
    if family.fans:
        _wanted(len(family.fans(tuple(sizes))), len(shapes), f"{family.name}: one fan-in for each tensor")
    if family.chain:
        _wanted(weights, list(range(0, len(shapes), 2)), f"{family.name} is a chain: weight, bias, weight, bias ...")
        for index in weights:
            _wanted(shapes[index + 1], shapes[index][:1], f"{family.name} is a chain: a bias for each unit of a weight")


def check_forward(family: Family, parameters: Parameters, pixels: int, classes: int) -> None:
    """Logits have the right shape, are equal for shared inputs and copies of them, and depend on one member only."""
    inputs = _inputs(pixels)
    logits = family.forward(parameters, inputs, None)
    _wanted(tuple(logits.shape), (MEMBERS, EXAMPLES, classes), f"{family.name}: logits (members, examples, classes)")
    assert logits.isfinite().all(), f"{family.name}: logits of finite inputs must be finite."
    again = family.forward(parameters, inputs, None)
    assert torch.equal(again, logits), f"wanted {family.name}: the same logits when asked again, without dropout."
    own = torch.stack([inputs, inputs.flip(0), 2 * inputs])
    apart = family.forward(parameters, own, None)
    for member in range(MEMBERS):
        alone = family.forward([p[member : member + 1] for p in parameters], own[member : member + 1], None)
        _close(alone[0], apart[member], f"{family.name}: logits of member {member} that no neighbor changes")
    _close(apart[0], logits[0], f"{family.name}: equal logits for inputs that all members share and for their copies")


def check_gradients(family: Family, parameters: Parameters, pixels: int) -> None:
    """Every tensor gets a gradient from its own member's loss, and no gradient from the loss of another member."""
    leaves = [parameter.clone().requires_grad_() for parameter in parameters]
    loss = family.forward(leaves, _inputs(pixels), None)[1].logsumexp(-1).sum()
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
    for place, gradient in enumerate(gradients):
        assert gradient is not None, f"{family.name}: parameter {place} gets no gradient; the forward pass skips it."
        assert gradient[1].abs().sum() > 0, f"{family.name}: the gradient of parameter {place} is zero everywhere."
        others = gradient[[0, 2]].abs().sum()
        assert others == 0, f"{family.name}: the loss of member 1 has a gradient in parameter {place} of its neighbors."


def check_dropout(family: Family, parameters: Parameters, pixels: int) -> None:
    """Dropout of rate zero changes no logits, and a member draws from its own generator only."""
    inputs = _inputs(pixels)

    def dropped(rates: Sequence[float], members: slice) -> Tensor:
        generators = [torch.Generator().manual_seed(seed) for seed in range(MEMBERS)]
        dropout = Dropout(rates[members], generators[members])
        return family.forward([p[members] for p in parameters], inputs.expand(MEMBERS, -1, -1)[members], dropout)

    everyone, rates = slice(0, MEMBERS), (0.0, 0.5, 0.5)
    logits = dropped(rates, everyone)
    _close(logits[0], family.forward(parameters, inputs, None)[0], f"{family.name}: with rate 0 the usual logits")
    _close(dropped(rates, slice(1, 2))[0], logits[1], f"{family.name}: dropout that depends on the member alone")


def check_curvature(family: Family, parameters: Parameters, pixels: int) -> None:
    """Each weight tensor has a curvature of its shape that is not negative and is a mean over the batch."""
    inputs = _inputs(pixels)
    curvature = family.curvature(parameters, inputs)
    wanted = [tuple(weight.shape) for weight in family.weights(parameters)]
    _wanted([tuple(h.shape) for h in curvature], wanted, f"{family.name}: curvature in the shapes of the weights")
    halves = [family.curvature(parameters, half) for half in (inputs[::2], inputs[1::2])]
    for index, h in enumerate(curvature):
        assert h.isfinite().all() and (h >= 0).all(), (
            f"{family.name}: curvature {index} must be finite and not negative."
        )
        _close(
            h, (halves[0][index] + halves[1][index]) / 2, f"{family.name}: curvature {index} as a mean over examples"
        )


def check_whole_way(family: Family, model: ModelSpec) -> None:
    """A pack of three networks goes from digits to files, and each file decodes to the network that was measured."""
    added = family.name not in MODELS
    MODELS.setdefault(family.name, family)
    try:
        base = replace_fields(TrialSpec(model=model), SHORT)
        pruned = {"compression.method": "magnitude", "compression.pruning_ratio": 0.5, "seeds.initialization": 1}
        curved = {"compression.method": "obd", "compression.pruning_ratio": 0.5, "compression.rate_distortion": 1e-6}
        specs = (base, replace_fields(base, pruned), replace_fields(base, curved))
        result = run_pack(Pack("check_family", specs), WorkerConfig())
        for row in result.rows:
            _wanted((row["status"], row["error"]), ("ok", None), f"{family.name}: a trial that ends well")
            assert row["decoded_ok"], f"{family.name}: a file that decodes to the network that was written"
            removed = round(row["pruning_ratio"] * row["num_weights"])
            assert row["num_nonzero"] <= row["num_weights"] - removed, f"{family.name}: as many zeros as were asked for"
            assert row["test_accuracy"] > 0.2, (
                f"{family.name}: more than chance after {SHORT['training.num_epochs']} epochs"
            )
            network = codec.decode(result.files[model_file(row["trial_id"])])
            weights = sum(
                math.prod(tensor.shape) for tensor in network.tensors if isinstance(tensor, codec.CodedTensor)
            )
            _wanted(weights, row["num_weights"], f"{family.name}: the weights of the family coded, all else plain")
    finally:
        if added:
            del MODELS[family.name]


def _some_parameters(family: Family, sizes: Sequence[int]) -> Parameters:
    """The initial parameters of a stack plus a little noise, so that biases are not zero."""
    shapes = family.shapes(tuple(sizes))
    generators = [torch.Generator().manual_seed(seed) for seed in range(MEMBERS)]
    fans = family.fans(tuple(sizes)) if family.fans else None
    noise = torch.Generator().manual_seed(99)
    parameters = initialize(shapes, generators, fans, family.weight_positions(shapes))
    return [p + 0.1 * torch.rand(p.shape, generator=noise) for p in parameters]


def _inputs(pixels: int) -> Tensor:
    return torch.randn(EXAMPLES, pixels, generator=torch.Generator().manual_seed(0))


def _wanted(given: object, wanted: object, what: str) -> None:
    assert given == wanted, f"{what}: wanted {wanted}, it is {given}."


def _close(given: Tensor, wanted: Tensor, what: str) -> None:
    close = torch.allclose(given, wanted, rtol=1e-3, atol=1e-4)
    assert close, f"wanted {what}; they differ by up to {float((given - wanted).abs().max()):.3g}."
