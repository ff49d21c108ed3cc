"""Numbers to floats of few mantissa bits, so that the float coder, which sends only the bits in use, has less to send.

    x  ->  the nearest m · 2^(e - b),  2^e <= |x| < 2^(e+1),  m whole          (ties to even)

With b = 10 that is float16, its subnormal numbers (e fixed at -14) included; numbers beyond float16's are left to the
conversion. In training the gradient passes as if nothing were rounded (straight-through; Bengio et al. 2013).
"""

import numpy as np
import torch
from torch import Tensor

from mdlray.compression.quantization import Quantized, settle

FLOAT16_BITS = 10
_LEAST_EXPONENT = -14


def round_mantissa(values: Tensor, bits: Tensor | int) -> Tensor:
    """The nearest numbers with `bits` mantissa bits behind the leading one; `bits` may differ along leading axes."""
    bits = torch.as_tensor(bits, device=values.device)
    # frexp's mantissa lies in [1/2, 1), so its exponent is one too many.
    exponent = (torch.frexp(values).exponent - 1).clamp(min=_LEAST_EXPONENT)
    return torch.ldexp(torch.ldexp(values, bits - exponent).round(), exponent - bits)


def straight_through(values: Tensor, bits: Tensor) -> Tensor:
    """Rounded where `bits` is below float16's 10, untouched elsewhere; gradients pass unchanged."""
    rounded = round_mantissa(values.detach(), bits) + (values - values.detach())
    return torch.where(bits < FLOAT16_BITS, rounded, values)


def round_codebook(layer: Quantized, bits: int) -> Quantized:
    """Entries with at most `bits` mantissa bits; on a uniform grid the step has them, and entries are its multiples."""
    if bits == FLOAT16_BITS:
        return layer
    if layer.step is None:
        rounded_K = round_mantissa(torch.from_numpy(layer.codebook.astype(np.float32)), bits).numpy()
        return settle(layer.symbols, rounded_K.astype(np.float16))
    step = float(round_mantissa(torch.tensor(layer.step, dtype=torch.float64), bits))
    return settle(layer.symbols, (step * layer.multiples).astype(np.float16), step)
