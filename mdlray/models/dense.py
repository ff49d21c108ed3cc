"""Fully connected ReLU networks, stacked: M networks of equal shape as batched matrix products.

    z_1 = W_1 x + b_1,   a_l = max(z_l, 0),   z_{l+1} = W_{l+1} a_l + b_{l+1},   logits = z_L

If all members see the same batch (inputs (B, P)), the first layer of the whole stack is one product with a matrix of
M · O rows: on a GPU this is one large kernel instead of M small ones.

The curvature is the diagonal of the generalized Gauss-Newton matrix G = E_x[J^T (diag(p) - p p^T) J] of the
cross-entropy in nats (Schraudolph 2002), where J are the derivatives of the logits and p the predicted probabilities.
It factors as diag(p) - p p^T = S S^T with S[c, k] = (δ_ck - p_c) sqrt(p_k). The columns of S are propagated back to
T[k, j] at the units of a layer, and then G_(ji)(ji) = E[a_i² · sum_k T[k, j]²]. In a ReLU network the logits are linear
in any single weight (away from kinks). So this is the exact diagonal of the Hessian, which Optimal Brain Damage needs
(LeCun et al. 1989, eqs. 8-10).

Axes: M members, B examples of a batch, P pixels, H units in, O units out, C classes, K columns of S.
"""

import torch
from torch import Tensor

from mdlray.models.family import Dropout, Family, Parameters, described


def forward(parameters: Parameters, inputs: Tensor, dropout: Dropout | None = None) -> Tensor:
    """Logits (M, B, C) for inputs (B, P) shared by all members, or (M, B, P)."""
    activation = inputs
    for layer in range(0, len(parameters), 2):
        activation = _affine(parameters[layer], parameters[layer + 1], activation)
        if layer + 2 < len(parameters):
            activation = torch.relu(activation)
            activation = dropout(activation) if dropout else activation
    return activation


def curvature(parameters: Parameters, inputs_BP: Tensor) -> Parameters:
    """Mean over the batch of the Gauss-Newton diagonal: (M, O, H) for each weight tensor, in their order."""
    activations: list[Tensor] = [inputs_BP.expand(parameters[0].shape[0], -1, -1)]
    for layer in range(0, len(parameters), 2):
        z_MBO = _affine(parameters[layer], parameters[layer + 1], activations[-1] if layer else inputs_BP)
        activations.append(torch.relu(z_MBO))
    p_MBC = torch.softmax(z_MBO, dim=-1)
    t_MBKO = (torch.eye(p_MBC.shape[-1], device=p_MBC.device) - p_MBC[:, :, None, :]) * p_MBC.sqrt()[..., None]
    diagonals: Parameters = []
    for layer in range(len(parameters) - 2, -1, -2):
        squares_MBO = t_MBKO.square().sum(dim=2)
        a_MBH = activations[layer // 2]
        diagonals.insert(0, squares_MBO.transpose(1, 2) @ a_MBH.square() / a_MBH.shape[1])
        if layer:
            t_MBKO = torch.einsum("mbko,moh->mbkh", t_MBKO, parameters[layer]) * (a_MBH > 0)[:, :, None, :]
    return diagonals


def _affine(weight_MOH: Tensor, bias_MO: Tensor, inputs: Tensor) -> Tensor:
    if inputs.ndim == 3:
        return torch.baddbmm(bias_MO[:, None, :], inputs, weight_MOH.transpose(1, 2))
    members, units, _ = weight_MOH.shape
    z_BMO = torch.addmm(bias_MO.reshape(-1), inputs, weight_MOH.reshape(members * units, -1).T)
    return z_BMO.view(-1, members, units).transpose(0, 1)


shapes, layer_names = described("dense")

DENSE = Family("dense", shapes, layer_names, forward, curvature, chain=True)
