"""A trained stack -> symbols and codebooks: everything that happens to the weights between pruning and the file.

    dead units removed -> nearest levels of a grid -> rate-distortion quantization -> dead units removed again
    -> units ordered -> codebooks and biases trained -> rounded to few mantissa bits

A trial chooses each step by a field, and a field's neutral value leaves the step out. Dead units are removed before
biases are rounded. They are removed twice, because quantization may kill some more. Units are ordered by the weights
that are left then.

Axes: M members, N examples.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from mdlray.compression.centroids import train_centroids
from mdlray.compression.quantization import GRIDS, Quantized, dequantize, quantize, settle
from mdlray.compression.rate_distortion import reassign
from mdlray.compression.rounding import FLOAT16_BITS, round_codebook, round_mantissa
from mdlray.compression.saliency import gauss_newton_diagonal
from mdlray.compression.unit_order import check_chain, get_unit_order, permute_units
from mdlray.models import Family, Parameters
from mdlray.models.dead_units import Arrays, remove_dead_units
from mdlray.registry import find
from mdlray.spec import CompressionSpec, TrialSpec
from mdlray.training import Examples

CURVATURE_MEMBERS = 16
"""The number of members whose curvature is estimated together; it limits memory."""


@dataclass(frozen=True)
class _Member:
    """One network of the stack on its way to a file."""

    spec: TrialSpec
    weights: Arrays
    """Its weight tensors, in the family's order."""
    plain: Arrays
    """Its plain tensors; in a chain these are the biases."""
    layers: list[Quantized] = field(default_factory=list)
    """The quantized weights, after quantization; then `weights` are the values that the symbols stand for."""

    @property
    def choice(self) -> CompressionSpec:
        return self.spec.compression

    def with_layers(self, layers: list[Quantized], plain: Arrays) -> "_Member":
        return replace(self, weights=[dequantize(layer) for layer in layers], plain=plain, layers=layers)


def quantize_stack(
    family: Family, parameters: Parameters, members: Sequence[TrialSpec], train: Examples
) -> tuple[list[list[Quantized]], Parameters]:
    """Symbols and codebooks, `[member][weight tensor]`, and parameters with the plain tensors that belong to them.

    `parameters` and the labels of `train` have one entry per member. Codebooks of members with equal `centroid_epochs`
    are trained together. ValueError if a weight is not finite in float16, and where `check_choices` raises it.
    """
    num_weights = len(family.prunable(parameters))
    for spec in members:
        check_choices(family, spec, num_weights)
    networks = [_member(family, parameters, m, spec) for m, spec in enumerate(members)]
    networks = [_without_dead_units(network) for network in networks]
    curvatures = _curvatures(family, networks, parameters, train)
    networks = [_quantized(network, curvature) for network, curvature in zip(networks, curvatures, strict=True)]
    networks = [_ordered(_without_dead_units(network)) for network in networks]
    networks = _with_trained_codebooks(family, networks, parameters, train)
    networks = [_rounded(network) for network in networks]
    return [network.layers for network in networks], _stacked(family, networks, parameters)


def check_choices(family: Family, spec: TrialSpec, num_weights: int) -> None:
    """ValueError for choices that are not possible in this family, which has `num_weights` weight tensors."""
    choice = spec.compression
    find(GRIDS, "quantization_grid", choice.quantization_grid)
    get_unit_order(choice.unit_order)
    if choice.remove_dead_units or choice.unit_order != "trained":
        check_chain(family)
    if choice.levels_per_layer and len(choice.levels_per_layer) != num_weights:
        raise ValueError(
            f"levels_per_layer is {choice.levels_per_layer}, {len(choice.levels_per_layer)} numbers; "
            f"{spec.model.architecture} has {num_weights} weight tensors and needs one for each (or none at all)."
        )


def _without_dead_units(network: _Member) -> _Member:
    """Remove dead units if the trial asks for it; all other weights keep their symbols."""
    if not network.choice.remove_dead_units:
        return network
    weights, plain = remove_dead_units(network.weights, network.plain)
    if not network.layers:
        return replace(network, weights=weights, plain=plain)
    symbols = [np.where(w != 0, layer.symbols, 0) for w, layer in zip(weights, network.layers, strict=True)]
    layers = [settle(s, layer.codebook, layer.step) for s, layer in zip(symbols, network.layers, strict=True)]
    return network.with_layers(layers, plain)


def _quantized(network: _Member, curvature: Arrays | None) -> _Member:
    """Give each weight the nearest level, or (if its curvature is given) the best trade of loss against bits."""
    choice, weights = network.choice, network.weights
    levels = choice.levels_per_layer or (choice.quantization_levels,) * len(weights)
    layers = [quantize(weight, most, choice.quantization_grid) for weight, most in zip(weights, levels, strict=True)]
    if curvature is not None:
        tensors = zip(weights, curvature, layers, strict=True)
        layers = [reassign(weight, h, layer, choice.rate_distortion) for weight, h, layer in tensors]
    return network.with_layers(layers, network.plain)


def _ordered(network: _Member) -> _Member:
    """Put hidden units into the order that the trial asks for."""
    if network.choice.unit_order == "trained":
        return network
    symbols = [layer.symbols for layer in network.layers]
    symbols, plain = permute_units(symbols, network.plain, get_unit_order(network.choice.unit_order)(symbols))
    return network.with_layers(
        [replace(layer, symbols=s) for layer, s in zip(network.layers, symbols, strict=True)], plain
    )


def _with_trained_codebooks(
    family: Family, networks: Sequence[_Member], like: Parameters, train: Examples
) -> list[_Member]:
    """Train codebooks and plain tensors; members of equal `centroid_epochs` are one stack."""
    trained = list(networks)
    for epochs in sorted({network.choice.centroid_epochs for network in networks} - {0}):
        group = [m for m, network in enumerate(networks) if network.choice.centroid_epochs == epochs]
        chosen = [networks[m] for m in group]
        layers, parameters = train_centroids(
            family,
            _stacked(family, chosen, like),
            [network.layers for network in chosen],
            train.of_members(group),
            [network.spec for network in chosen],
        )
        for place, m in enumerate(group):
            plain = _member(family, parameters, place, networks[m].spec).plain
            trained[m] = networks[m].with_layers(layers[place], plain)
    return trained


def _rounded(network: _Member) -> _Member:
    """Round codebooks and plain tensors to the mantissa bits that the trial asks for."""
    choice, plain = network.choice, network.plain
    layers = [round_codebook(layer, choice.codebook_mantissa_bits) for layer in network.layers]
    if choice.bias_mantissa_bits < FLOAT16_BITS:
        plain = [round_mantissa(torch.from_numpy(values), choice.bias_mantissa_bits).numpy() for values in plain]
    return network.with_layers(layers, plain)


def _curvatures(family: Family, networks: Sequence[_Member], like: Parameters, train: Examples) -> list[Arrays | None]:
    """The Gauss-Newton diagonal of each weight tensor, for the members that trade loss against bits."""
    # Members that differ only after training share their curvature, unless dead units are removed from some of them.
    sharing: dict[tuple[str, bool], list[int]] = defaultdict(list)
    for m, network in enumerate(networks):
        if network.choice.rate_distortion:
            sharing[network.spec.training_key, network.choice.remove_dead_units].append(m)
    by_examples: dict[int, list[list[int]]] = defaultdict(list)
    for sharers in sharing.values():
        by_examples[networks[sharers[0]].choice.saliency_examples].append(sharers)
    curvatures: list[Arrays | None] = [None] * len(networks)
    for num_examples, groups in by_examples.items():
        for start in range(0, len(groups), CURVATURE_MEMBERS):
            part = groups[start : start + CURVATURE_MEMBERS]
            stack = _stacked(family, [networks[sharers[0]] for sharers in part], like)
            diagonals = [h.cpu().numpy() for h in gauss_newton_diagonal(family, stack, train, num_examples)]
            for place, sharers in enumerate(part):
                for m in sharers:
                    curvatures[m] = [h[place] for h in diagonals]
    return curvatures


def _member(family: Family, parameters: Parameters, place: int, spec: TrialSpec) -> _Member:
    """One member of a stack as arrays."""
    weights = family.prunable(parameters)
    arrays = [parameter[place].detach().cpu().numpy() for parameter in parameters]
    plain = [array for index, array in enumerate(arrays) if index not in weights]
    return _Member(spec, [arrays[index] for index in weights], plain)


def _stacked(family: Family, networks: Sequence[_Member], like: Parameters) -> Parameters:
    """The inverse of `_member`: networks -> a stack in the family's order, on the device of `like`."""
    weights = family.prunable(like)
    plain = [index for index in range(len(like)) if index not in weights]
    stacked = list(like)
    for number, index in enumerate(weights):
        stacked[index] = torch.from_numpy(np.stack([network.weights[number] for network in networks])).to(like[index])
    for number, index in enumerate(plain):
        stacked[index] = torch.from_numpy(np.stack([network.plain[number] for network in networks])).to(like[index])
    return stacked
