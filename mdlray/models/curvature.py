"""The exact Gauss-Newton diagonal of any family, from its forward pass alone.

    G_ww = E_x[ sum_k ( sum_c S[c, k] · ∂logit_c/∂w )² ],   S[c, k] = (δ_ck - p_c) sqrt(p_k)

`mdlray.models.dense` derives the formula. It needs the gradient of every single example. So each example of a chunk
goes through its own copy of the network, as if the copies were members of a stack, and one backward pass per column k
gives the gradients of all examples. A dense network has a closed form, which is faster.

Axes: M members, B examples, C classes, K columns of S.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

MAX_NUMBERS = 1 << 22
"""How many numbers the copies for one chunk of examples may hold: about 16 MB, and a few times as much while
derivatives are taken."""


def curvature_of(
    forward: Callable[[list[Tensor], Tensor, None], Tensor],
    parameters: list[Tensor],
    weights: Sequence[int],
    inputs_BP: Tensor,
    numbers_per_example: int,
) -> list[Tensor]:
    """Mean over the batch of the diagonal, in the shapes and the order of the weight tensors of the stack.

    `weights` are the positions of the weight tensors among the parameters. `numbers_per_example` is roughly how many
    numbers the forward pass of one member holds for one example; it determines how many examples form a chunk.
    """
    diagonals = [torch.zeros_like(parameters[index]) for index in weights]
    chunk = max(1, MAX_NUMBERS // numbers_per_example)
    for member in range(parameters[0].shape[0]):
        for inputs in torch.split(inputs_BP, chunk):
            copies = [parameter[member].detach().expand(len(inputs), *parameter.shape[1:]) for parameter in parameters]
            weight_copies = [copies[index].requires_grad_() for index in weights]
            with torch.enable_grad():
                logits_BC = forward(copies, inputs[:, None], None)[:, 0]
                for column_BC in _columns(logits_BC.detach()):
                    gradients = torch.autograd.grad((logits_BC * column_BC).sum(), weight_copies, retain_graph=True)
                    for diagonal, gradient in zip(diagonals, gradients, strict=True):
                        diagonal[member] += gradient.square().sum(0)
    return [diagonal / len(inputs_BP) for diagonal in diagonals]


def _columns(logits_BC: Tensor) -> Tensor:
    """S of every example, column by column: (K, B, C)."""
    p_BC = torch.softmax(logits_BC, dim=-1)
    s_BKC = (torch.eye(p_BC.shape[-1]).to(p_BC) - p_BC[:, None, :]) * p_BC.sqrt()[..., None]
    return s_BKC.transpose(0, 1)
