"""Trained networks -> symbols and codebooks -> bytes -> decoded networks, trial by trial.

Trials that differ only in what happens after training share one trained network, and each of them has its own file. If
compression fails for one trial, the other trials are not affected.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mdlray import codec
from mdlray.codec.stack import coded_network
from mdlray.compression import quantize_stack
from mdlray.spec import TrialSpec
from mdlray.training.isolation import without_failing
from mdlray.worker.train import TrainedStack


@dataclass(frozen=True)
class Compressed:
    """One trial's network as a file."""

    spec: TrialSpec
    network: int
    """Position of its trained network in the stack."""
    coded: codec.CodedNetwork
    """The network as it was written into the file."""
    file: codec.EncodedNetwork
    decoded: codec.CodedNetwork
    """The network as it is decoded from the file; this one is measured."""


def compress(stack: TrainedStack, trials: Sequence[TrialSpec]) -> tuple[list[Compressed], dict[TrialSpec, str]]:
    """The files of the trials that could be compressed, and the errors of the others.

    Trials whose network is not in the stack are in neither.
    """
    networks = {spec: network for spec in trials if (network := stack.network_of(spec)) is not None}
    errors = {spec: error for spec, network in networks.items() if (error := stack.fitted.error(network)) is not None}
    remaining = [spec for spec in networks if spec not in errors]
    if not remaining:
        return [], errors
    compressed, failures = without_failing(
        lambda specs: _compress(stack, specs, [networks[spec] for spec in specs]), remaining
    )
    return compressed or [], errors | {remaining[position]: error for position, error in failures.items()}


def _compress(stack: TrainedStack, specs: Sequence[TrialSpec], networks: Sequence[int]) -> list[Compressed]:
    parameters = [parameter[list(networks)] for parameter in stack.fitted.parameters]
    train, images = stack.data.splits["train"], stack.data.images
    layers, parameters = quantize_stack(stack.family, parameters, specs, train.of_members(networks))
    compressed = []
    for position, (spec, network) in enumerate(zip(specs, networks, strict=True)):
        normalization = (images.mean, images.std)
        coded = coded_network(stack.family, stack.sizes, parameters, position, layers[position], normalization)
        file = codec.encode(coded)
        compressed.append(Compressed(spec, network, coded, file, codec.decode(file.blob)))
    return compressed
