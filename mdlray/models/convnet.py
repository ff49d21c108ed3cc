"""One convolution and one linear layer: the convolutional network of Baktash, Natale and Viennot (2019, §4.1).

    a = relu(pool(W * x + b)),   logits = V · dropout(a) + c

The network takes square images of one channel. Kernels are square; they move by `stride` pixels, without padding. Then
the maximum is taken over squares of `pool_size` by `pool_size` that do not overlap; what is left over at the right and
at the bottom is ignored. All maps are flattened one after another. The ReLU is our choice, because the paper names no
nonlinearity. It follows the maximum, which gives the same result as the other order and handles fewer numbers. Dropout
zeros single positions of maps.

Sizes are (pixels, channels, kernel_size, stride, pool_size, classes); (784, 8, 7, 1, 3, 10) has 392 + 3920 weights and
18 biases. The members of a stack are the groups of one grouped convolution. Tensors have their channels last in memory,
which on a CPU halves the time of the convolution and the maximum if every member has its own order of images.

Axes: M members, B examples, P pixels, G groups of members that share images (one group, or one per member), N channels
of a member, F features, C classes.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from mdlray.architectures import Sizes
from mdlray.models.curvature import curvature_of
from mdlray.models.family import Dropout, Family, Parameters, described, needs_sizes
from mdlray.spec import ModelSpec


def sizes_of(model: ModelSpec, num_pixels: int, num_classes: int) -> Sizes:
    """(pixels, channels, kernel_size, stride, pool_size, classes); ValueError if there is no such network."""
    if len(model.hidden_units) != 1:
        raise ValueError(
            f"hidden_units is {model.hidden_units}; convnet needs one number of channels, e.g. hidden_units=(8,)."
        )
    sizes = (num_pixels, *model.hidden_units, model.kernel_size, model.stride, model.pool_size, num_classes)
    shapes(sizes)
    return sizes


def with_sizes(sizes: Sizes) -> Family:
    """The family for these sizes, because the forward pass needs the stride and the size of the maxima."""
    shapes(sizes)
    num_positions = ((math.isqrt(sizes[0]) - sizes[2]) // sizes[3] + 1) ** 2

    def forward(parameters: Parameters, inputs: Tensor, dropout: Dropout | None = None) -> Tensor:
        return _forward(parameters, inputs, dropout, stride=sizes[3], pool_size=sizes[4])

    def curvature(parameters: Parameters, inputs_BP: Tensor) -> Parameters:
        return curvature_of(forward, parameters, (0, 2), inputs_BP, num_positions * (sizes[2] ** 2 + sizes[1]))

    return replace(CONVNET, forward=forward, own_curvature=curvature)


def _forward(parameters: Parameters, inputs: Tensor, dropout: Dropout | None, *, stride: int, pool_size: int) -> Tensor:
    """Logits (M, B, C) for inputs (B, P) shared by all members, or (M, B, P)."""
    kernels, bias_MN, weight_MCF, bias_MC = parameters
    members, batch, side = kernels.shape[0], inputs.shape[-2], math.isqrt(inputs.shape[-1])
    groups = 1 if inputs.ndim == 2 else members
    images = inputs.reshape(groups, batch, side, side).transpose(0, 1).contiguous(memory_format=torch.channels_last)
    filters = kernels.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    maps = conv2d(images, filters, stride=stride, groups=groups)
    largest = max_pool2d(maps, pool_size).reshape(batch, members, bias_MN.shape[1], -1)
    # All positions of a map share one bias, so it may be added after the maximum, where there are fewer numbers.
    features = torch.relu(largest.transpose(0, 1) + bias_MN[:, None, :, None])
    features_MBF = features.flatten(2)
    features_MBF = dropout(features_MBF) if dropout else features_MBF
    return torch.baddbmm(bias_MC[:, None, :], features_MBF, weight_MCF.transpose(1, 2))


shapes, layer_names = described("convnet")

CONVNET = Family(
    "convnet",
    shapes,
    layer_names,
    needs_sizes,
    sizes=sizes_of,
    with_sizes=with_sizes,
    chain=True,
    own_fields=("kernel_size", "stride", "pool_size"),
)
