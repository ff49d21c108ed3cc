"""Quantization of a whole stack: k-means per member and layer, then codebooks trained together.

Axes: M members, N examples.
"""

from collections.abc import Sequence

from mdlray.compression.centroids import train_centroids
from mdlray.compression.quantization import Quantized, quantize
from mdlray.models import Family, Parameters, prunable
from mdlray.spec import TrialSpec
from mdlray.training import Examples


def quantize_stack(
    family: Family, parameters: Parameters, members: Sequence[TrialSpec], train: Examples
) -> tuple[list[list[Quantized]], Parameters]:
    """Symbols and codebooks, `[member][weight tensor]`, and parameters whose biases were trained along with them.

    `parameters` and the labels of `train` have one entry per member. Members with equal `centroid_epochs` are trained
    together; ValueError if a weight is not finite in float16.
    """
    parameters = [parameter.clone() for parameter in parameters]
    weights = prunable(parameters)
    quantized = [
        [quantize(parameters[w][m].cpu().numpy(), spec.compression.quantization_levels) for w in weights]
        for m, spec in enumerate(members)
    ]
    for epochs in sorted({spec.compression.centroid_epochs for spec in members} - {0}):
        group = [m for m, spec in enumerate(members) if spec.compression.centroid_epochs == epochs]
        codebooks, tuned = train_centroids(
            family,
            [parameter[group] for parameter in parameters],
            [quantized[m] for m in group],
            train.of_members(group),
            order_seeds=[members[m].seeds.data_order for m in group],
            first_epoch=members[0].training.num_epochs + 1,
            num_epochs=epochs,
            batch_size=members[0].training.batch_size,
        )
        for parameter, better in zip(parameters, tuned, strict=True):
            parameter[group] = better
        for m, layers in zip(group, codebooks, strict=True):
            quantized[m] = layers
    return quantized, parameters
