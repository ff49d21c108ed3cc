"""A trained stack to symbols and codebooks: all that happens to the weights between pruning and the file.

    dead units removed -> nearest levels of a grid -> levels that pay -> dead units removed again, units ordered
    -> codebooks and biases trained -> rounded to few mantissa bits

Every step is a choice of the trial's, and is left out where its field is neutral. Dead units are removed before biases
are rounded, and once more because quantization may kill some; the order looks at the weights that are left.

Axes: M members, N examples.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from mdlray.compression.centroids import train_centroids
from mdlray.compression.quantization import GRIDS, Quantized, dequantize, quantize, settle
from mdlray.compression.rate_distortion import reassign
from mdlray.compression.rounding import FLOAT16_BITS, round_codebook, round_mantissa
from mdlray.compression.saliency import gauss_newton_diagonal
from mdlray.compression.unit_order import check_chain, get_unit_order, permute_units
from mdlray.models import Family, Parameters, prunable
from mdlray.models.dead_units import Arrays, remove_dead_units
from mdlray.registry import find
from mdlray.spec import CompressionSpec, TrialSpec
from mdlray.training import Examples

CURVATURE_MEMBERS = 16
"""Members whose curvature is estimated at once; bounds memory as the pieces of training do."""


def quantize_stack(
    family: Family, parameters: Parameters, members: Sequence[TrialSpec], train: Examples
) -> tuple[list[list[Quantized]], Parameters]:
    """Symbols and codebooks, `[member][weight tensor]`, and parameters whose biases go with them.

    `parameters` and the labels of `train` have one entry per member. Members with equal `centroid_epochs` are trained
    together; ValueError if a weight is not finite in float16, and as `check_choices`.
    """
    parameters = [parameter.clone() for parameter in parameters]
    for m, spec in enumerate(members):
        check_choices(family, spec, len(prunable(parameters)))
        if spec.compression.remove_dead_units:
            weights, biases = _split(parameters, m)
            _put(parameters, m, *remove_dead_units(weights, biases))
    curvature = _curvature(family, parameters, members, train)
    quantized = []
    for m, spec in enumerate(members):
        weights, biases = _split(parameters, m)
        layers = _symbols(weights, curvature.get(m), spec.compression)
        layers, biases = _tidy(layers, biases, spec.compression)
        _put(parameters, m, [dequantize(layer) for layer in layers], biases)
        quantized.append(layers)
    for epochs in sorted({spec.compression.centroid_epochs for spec in members} - {0}):
        group = [m for m, spec in enumerate(members) if spec.compression.centroid_epochs == epochs]
        codebooks, tuned = train_centroids(
            family,
            [parameter[group] for parameter in parameters],
            [quantized[m] for m in group],
            train.of_members(group),
            choices=[members[m].compression for m in group],
            order_seeds=[members[m].seeds.data_order for m in group],
            first_epoch=members[0].training.num_epochs + 1,
            num_epochs=epochs,
            batch_size=members[0].training.batch_size,
        )
        for parameter, better in zip(parameters, tuned, strict=True):
            parameter[group] = better
        for m, layers in zip(group, codebooks, strict=True):
            quantized[m] = layers
    for m, spec in enumerate(members):
        quantized[m] = [round_codebook(layer, spec.compression.codebook_mantissa_bits) for layer in quantized[m]]
        _, biases = _split(parameters, m)
        if spec.compression.bias_mantissa_bits < FLOAT16_BITS:
            bits = spec.compression.bias_mantissa_bits
            biases = [round_mantissa(torch.from_numpy(bias), bits).numpy() for bias in biases]
        _put(parameters, m, [dequantize(layer) for layer in quantized[m]], biases)
    return quantized, parameters


def check_choices(family: Family, spec: TrialSpec, num_weights: int) -> None:
    """ValueError for choices that this family, with that number of weight tensors, does not have."""
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


def _symbols(weights: Arrays, curvature: Arrays | None, choice: CompressionSpec) -> list[Quantized]:
    levels = choice.levels_per_layer or (choice.quantization_levels,) * len(weights)
    layers = [quantize(weight, most, choice.quantization_grid) for weight, most in zip(weights, levels, strict=True)]
    if curvature is None:
        return layers
    price = choice.rate_distortion
    return [reassign(*parts, price) for parts in zip(weights, curvature, layers, strict=True)]


def _tidy(layers: list[Quantized], biases: Arrays, choice: CompressionSpec) -> tuple[list[Quantized], Arrays]:
    """Without units that quantization has killed, and with the others in their order."""
    if choice.remove_dead_units:
        values, biases = remove_dead_units([dequantize(layer) for layer in layers], biases)
        alive = [np.where(value != 0, layer.symbols, 0) for value, layer in zip(values, layers, strict=True)]
        layers = [settle(one, layer.codebook, layer.step) for one, layer in zip(alive, layers, strict=True)]
    if choice.unit_order != "trained":
        symbols = [layer.symbols for layer in layers]
        symbols, biases = permute_units(symbols, biases, get_unit_order(choice.unit_order)(symbols))
        layers = [replace(layer, symbols=one) for layer, one in zip(layers, symbols, strict=True)]
    return layers, biases


def _curvature(
    family: Family, parameters: Parameters, members: Sequence[TrialSpec], train: Examples
) -> dict[int, Arrays]:
    """The Gauss-Newton diagonal, `[member][weight tensor]`, of those who trade loss against bits."""
    # Members that differ after training only have the same one, but for the dead units of some.
    alike: dict[tuple[str, bool], list[int]] = {}
    by_examples: dict[int, list[list[int]]] = {}
    for m, spec in enumerate(members):
        if spec.compression.rate_distortion:
            key = (spec.training_key, spec.compression.remove_dead_units)
            if key not in alike:
                by_examples.setdefault(spec.compression.saliency_examples, []).append(alike.setdefault(key, []))
            alike[key].append(m)
    found = {}
    for num_examples, sets in by_examples.items():
        for start in range(0, len(sets), CURVATURE_MEMBERS):
            some = sets[start : start + CURVATURE_MEMBERS]
            subset = [parameter[[same[0] for same in some]] for parameter in parameters]
            diagonals = [h.cpu().numpy() for h in gauss_newton_diagonal(family, subset, train, num_examples)]
            found.update({m: [h[place] for h in diagonals] for place, same in enumerate(some) for m in same})
    return found


def _split(parameters: Parameters, member: int) -> tuple[Arrays, Arrays]:
    """One member's weights and its biases as arrays."""
    weights = prunable(parameters)
    mine = [parameter[member].cpu().numpy() for parameter in parameters]
    return [mine[i] for i in weights], [array for i, array in enumerate(mine) if i not in weights]


def _put(parameters: Parameters, member: int, weights: Arrays, biases: Arrays) -> None:
    """The way back, in place."""
    places = prunable(parameters)
    others = [index for index in range(len(parameters)) if index not in places]
    for index, array in zip([*places, *others], [*weights, *biases], strict=True):
        parameters[index][member] = torch.from_numpy(array).to(parameters[index])
