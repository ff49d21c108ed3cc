"""LeNet-5 as the pruning literature uses it ("LeNet-5-Caffe"): two convolutions with pooling, then a dense network.

    a_1 = pool(relu(W_1 * x + b_1)),   a_2 = pool(relu(W_2 * a_1 + b_2)),   logits = dense(a_2)

with 5x5 kernels without padding and 2x2 maxima. Sizes are (pixels, filters, filters, units ..., classes) of square
pictures: (784, 20, 50, 500, 10) has 500 + 25,000 + 400,000 + 5,000 weights and 580 biases. Caffe's network, after LeCun
et al. (1998), has no ReLU behind its convolutions; this one has, as most of its descendants do. Dropout silences the
units of the dense part only.

A weight of exactly zero is taken as removed, as everywhere here: on the CPU, filters and units without a way from the
input or to the output are left out, with the same logits and the same gradients but for weights of such units
(none). At 99.5 % sparsity this makes a training step five times as fast.

Logits stay linear in any single weight away from kinks and ties of maxima, so that the Gauss-Newton diagonal is that of
the Hessian here, too.

Axes: M members, B examples of a batch, P pixels, C classes, F features between convolutions and dense part.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from mdlray.models import dense
from mdlray.models.curvature import curvature_of
from mdlray.models.dead_units import leave_out_dead
from mdlray.models.family import Dropout, Family, Parameters, Shapes

KERNEL = 5
NUM_CONVOLUTIONS = 2


def shapes(sizes: tuple[int, ...]) -> Shapes:
    """(784, 20, 50, 500, 10) to [(20, 1, 5, 5), (20,), (50, 20, 5, 5), (50,), (500, 800), (500,), (10, 500), (10,)]."""
    side = _side(sizes)
    filters = sizes[1 : 1 + NUM_CONVOLUTIONS]
    kernels = zip((1, *filters), filters, strict=False)
    features = filters[-1] * _pooled(_pooled(side)) ** 2
    return [shape for i, o in kernels for shape in ((o, i, KERNEL, KERNEL), (o,))] + dense.shapes(
        (features, *sizes[1 + NUM_CONVOLUTIONS :])
    )


def layer_names(sizes: tuple[int, ...]) -> list[str]:
    """Names in the order of `shapes`: `conv_1.weight`, `conv_1.bias`, ..., `hidden_1.weight`, ..., `output.bias`."""
    convolutions = [f"conv_{number}.{kind}" for number in (1, 2) for kind in ("weight", "bias")]
    return convolutions + dense.layer_names((0, *sizes[1 + NUM_CONVOLUTIONS :]))


def forward(parameters: Parameters, inputs: Tensor, dropout: Dropout | None = None) -> Tensor:
    """Logits (M, B, C) for inputs (B, P) shared by all members, or (M, B, P)."""
    members, side = parameters[0].shape[0], math.isqrt(inputs.shape[-1])
    on_cpu = parameters[0].device.type == "cpu"
    if on_cpu:
        # Dropout draws for every unit, so that what it draws depends on the member alone: then all units stay.
        parameters = leave_out_dead(parameters, all_but=len(parameters) // 2 - 3 if dropout else 0)
    pictures = inputs if inputs.ndim == 2 else inputs.transpose(0, 1)
    # Channels last: a CPU takes 1.7 times as long for a step the other way round (with all members or one).
    order = torch.channels_last if on_cpu else torch.contiguous_format
    maps = pictures.reshape(inputs.shape[-2], -1, side, side).contiguous(memory_format=order)
    for layer in (0, 2):
        # All members at once as groups of one convolution; the first sees one channel if all share it.
        groups = 1 if maps.shape[1] == 1 else members
        kernels = parameters[layer].flatten(0, 1).contiguous(memory_format=order)
        z = conv2d(maps, kernels, parameters[layer + 1].flatten(), groups=groups)
        maps = torch.relu(max_pool2d(z, 2))
    features_MBF = maps.reshape(maps.shape[0], members, -1).transpose(0, 1)
    return dense.forward(parameters[4:], features_MBF, dropout)


def curvature(parameters: Parameters, inputs_BP: Tensor) -> Parameters:
    """Mean over the batch of the Gauss-Newton diagonal, in the shapes and the order of the weight tensors."""
    # The numbers of one network; its maps have fewer for all usual sizes.
    return curvature_of(forward, parameters, inputs_BP, 2 * sum(parameter[0].numel() for parameter in parameters))


def _side(sizes: tuple[int, ...]) -> int:
    """Pixels along an edge; ValueError for sizes that are no LeNet-5."""
    side = math.isqrt(sizes[0])
    if len(sizes) < NUM_CONVOLUTIONS + 2 or side**2 != sizes[0] or _pooled(_pooled(side)) < 1:
        raise ValueError(
            f"lenet5 has sizes {sizes}; they must be the pixels of a square picture of at least 16 x 16, two numbers "
            "of filters, units of hidden layers (or none) and the classes, e.g. (784, 20, 50, 500, 10): "
            "hidden_units=(20, 50, 500)."
        )
    return side


def _pooled(side: int) -> int:
    return (side - KERNEL + 1) // 2


LENET5 = Family("lenet5", shapes, layer_names, forward, curvature, chain=True)
