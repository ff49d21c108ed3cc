"""The CUDA path without a GPU: shapes and devices only (fake tensors), so that no step mixes CPU and CUDA tensors.

Backward passes need a real device and are left out; they create nothing of their own.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from mdlray.compression.centroids import TrainableStack
from mdlray.compression.pruning import Pruner, remove
from mdlray.compression.quantization import Quantized
from mdlray.compression.saliency import gauss_newton_diagonal, optimal_brain_damage
from mdlray.models import get_family, prunable
from mdlray.models.family import Dropout
from mdlray.spec import TrialSpec, replace_fields
from mdlray.training import LEARNING_RATE_SCHEDULES, OPTIMIZERS, Examples, evaluate
from mdlray.training.loop import _rates
from mdlray.training.regularizers import add_penalty_gradient, member_strengths
from mdlray.training.state import all_parameters, drop_members, start

CUDA = torch.device("cuda")
FAMILY = get_family("dense")


@pytest.mark.parametrize("own_orders", [False, True])
def test_every_step_of_a_pack_stays_on_its_device(own_orders: bool) -> None:
    dropout = Dropout([0.0, 0.1, 0.2], [torch.Generator()] * 3)
    with FakeTensorMode():
        parameters = [torch.empty(3, *shape, device=CUDA) for shape in FAMILY.shapes((784, 20, 10))]
        pixels = torch.empty(500, 784, dtype=torch.uint8, device=CUDA)
        examples = Examples(pixels, torch.empty(3, 500, dtype=torch.int64, device=CUDA), 0.1, 0.3)
        chosen = torch.empty((3, 64) if own_orders else (64,), dtype=torch.int64, device=CUDA)
        made = [FAMILY.forward(parameters, examples.inputs(chosen), dropout)]
        gradients = [torch.ones_like(parameter) for parameter in parameters]
        strengths = member_strengths(["l1", "l2", "none"], [0.1, 0.1, 0.0], CUDA)
        for index in prunable(parameters):
            add_penalty_gradient(gradients[index], parameters[index], strengths)
        rates_SM = _rates([LEARNING_RATE_SCHEDULES["cosine"]] * 3, torch.empty(3, device=CUDA), range(5), 10)
        for optimizer in OPTIMIZERS.values():
            optimizer(parameters, torch.empty(3, device=CUDA))(parameters, gradients, rates_SM[0])
        saliency = optimal_brain_damage(FAMILY, parameters, examples, 500)
        for scope in ("global", "per_layer"):
            made += remove(saliency, [torch.ones_like(s) for s in saliency], [0.1, 0.2, 0.3], scope)
        bits = ("compression.bias_mantissa_bits", "compression.codebook_mantissa_bits")
        specs = [replace_fields(TrialSpec(), dict.fromkeys(bits, number)) for number in (3, 10, 10)]
        symbols = [np.zeros((20, 784), np.int64), np.zeros((10, 20), np.int64)]
        steps = (None, 0.5, None)
        members = [[Quantized(s, np.ones(4, np.float16), step) for s in symbols] for step in steps]
        trainable = TrainableStack(FAMILY, parameters, members, specs, CUDA)
        made += [*trainable.leaves, *trainable.parameters()]
        made += gauss_newton_diagonal(FAMILY, parameters, examples, 500)
        evaluate(FAMILY, parameters, examples)
        assert {tensor.device.type for tensor in [*made, *saliency, *parameters, rates_SM]} == {"cuda"}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_who_leaves_goes_to_the_cpu_and_comes_back(optimizer: str) -> None:
    changes = {"training.optimizer": optimizer, "training.dropout": 0.1, "compression.method": "obd"}
    specs = [replace_fields(TrialSpec(), changes | {"compression.pruning_ratio": 0.1 * ratio}) for ratio in range(4)]
    cpu = start(FAMILY, (784, 20, 10), specs, torch.device("cpu"))
    with FakeTensorMode():
        parameters = [torch.empty(4, *shape, device=CUDA) for shape in FAMILY.shapes((784, 20, 10))]
        step = OPTIMIZERS[optimizer](parameters, torch.empty(4, device=CUDA))
        masks = [torch.ones_like(parameters[index]) for index in prunable(parameters)]
        state = replace(cpu, parameters=parameters, step=step, masks=masks)
        pixels = torch.empty(500, 784, dtype=torch.uint8, device=CUDA)
        pruner = Pruner(FAMILY, specs, Examples(pixels, torch.empty(4, 500, device=CUDA), 0.1, 0.3), 10)
        drop_members(state, specs, [1, 2])
        rates_M = torch.empty(2, device=CUDA)
        state.step(state.parameters, [torch.ones_like(parameter) for parameter in state.parameters], rates_M)
        assert {tensor.device.type for _, tensors in state.left for tensor in tensors} == {"cpu"}
        stack = [*state.parameters, *(state.masks or []), *(m for moments in state.step.moments for m in moments)]
        whole = all_parameters(state)
        pruner.finish([0, 3], whole, {})
        assert {(tensor.device.type, tensor.shape[0]) for tensor in stack} == {("cuda", 2)}
        assert {(tensor.device.type, tensor.shape[0]) for tensor in whole} == {("cuda", 4)}
