"""LeNet-5 as the pruning literature uses it ("LeNet-5-Caffe"): two convolutions with pooling, then a dense network.

    a_1 = pool(relu(W_1 * x + b_1)),   a_2 = pool(relu(W_2 * a_1 + b_2)),   logits = dense(a_2)

with 5x5 kernels without padding and 2x2 maxima. Sizes are (pixels, filters, filters, units ..., classes) of square
images: (784, 20, 50, 500, 10) has 500 + 25,000 + 400,000 + 5,000 weights and 580 biases. Caffe's network, after LeCun
et al. (1998), has no ReLU after its convolutions; this one has, like most of its descendants. Dropout affects the units
of the dense part only.

A weight of exactly zero is a removed weight. On the CPU, filters and units without a path from the input or to the
output are left out (`mdlray.models.dead_units`). Logits are unchanged; the units that are left out get no gradient. At
99.5 % sparsity this makes a training step five times as fast.

The logits are linear in any single weight, away from kinks and ties of maxima. So the Gauss-Newton diagonal is the
diagonal of the Hessian here, too.

Axes: M members, B examples of a batch, P pixels, C classes, F features between convolutions and dense part.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from mdlray.models import dense
from mdlray.models.dead_units import leave_out_dead
from mdlray.models.family import Dropout, Family, Parameters, described


def forward(parameters: Parameters, inputs: Tensor, dropout: Dropout | None = None) -> Tensor:
    """Logits (M, B, C) for inputs (B, P) shared by all members, or (M, B, P)."""
    members, side = parameters[0].shape[0], math.isqrt(inputs.shape[-1])
    on_cpu = parameters[0].device.type == "cpu"
    if on_cpu:
        # With dropout, all units of the dense part stay: it draws for every unit, so that a member's draws do not
        # depend on which units its neighbors need.
        parameters = leave_out_dead(parameters, all_but=len(parameters) // 2 - 3 if dropout else 0)
    images = inputs if inputs.ndim == 2 else inputs.transpose(0, 1)
    # On a CPU a step with the channels first takes 1.7 times as long.
    order = torch.channels_last if on_cpu else torch.contiguous_format
    maps = images.reshape(inputs.shape[-2], -1, side, side).contiguous(memory_format=order)
    for layer in (0, 2):
        # The members are the groups of one convolution. There is one group if all members share one input channel.
        groups = 1 if maps.shape[1] == 1 else members
        kernels = parameters[layer].flatten(0, 1).contiguous(memory_format=order)
        z = conv2d(maps, kernels, parameters[layer + 1].flatten(), groups=groups)
        maps = torch.relu(max_pool2d(z, 2))
    features_MBF = maps.reshape(maps.shape[0], members, -1).transpose(0, 1)
    return dense.forward(parameters[4:], features_MBF, dropout)


shapes, layer_names = described("lenet5")

LENET5 = Family("lenet5", shapes, layer_names, forward, chain=True)
