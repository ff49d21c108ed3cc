"""Numbers -> floats with few mantissa bits; the float coder sends only the mantissa bits that are used.

    x  ->  the nearest m · 2^(e - b),  2^e <= |x| < 2^(e+1),  m a whole number          (ties to even)

For example, 0.7 becomes 0.75 for b = 1 and 0.6875 for b = 3. With b = 10 this is float16, including its subnormal
numbers (e is at least -14); numbers outside the range of float16 are left to the conversion. In training the gradient
passes as if nothing were rounded (straight-through; Bengio et al. 2013).
"""

import numpy as np
import torch
from torch import Tensor

from mdlray.compression.quantization import Quantized, settle

FLOAT16_BITS = 10
_LEAST_EXPONENT = -14


def round_mantissa(values: Tensor, bits: Tensor | int) -> Tensor:
    """The nearest numbers with `bits` mantissa bits after the leading one; `bits` may differ along leading axes."""
    bits = torch.as_tensor(bits, device=values.device)
    # frexp's mantissa lies in [1/2, 1), so its exponent is one too many.
    exponent = (torch.frexp(values).exponent - 1).clamp(min=_LEAST_EXPONENT)
    return torch.ldexp(torch.ldexp(values, bits - exponent).round(), exponent - bits)


def straight_through(values: Tensor, bits: Tensor) -> Tensor:
    """Rounded where `bits` is below float16's 10, untouched elsewhere; gradients pass unchanged."""
    rounded = round_mantissa(values.detach(), bits) + (values - values.detach())
    return torch.where(bits < FLOAT16_BITS, rounded, values)


def round_codebook(layer: Quantized, bits: int) -> Quantized:
    """Entries of at most `bits` mantissa bits; on a uniform grid the step is rounded, and entries are its multiples."""
    if bits == FLOAT16_BITS:
        return layer
    if layer.step is None:
        rounded_K = round_mantissa(torch.from_numpy(layer.codebook.astype(np.float32)), bits).numpy()
        return settle(layer.symbols, rounded_K.astype(np.float16))
    step = float(round_mantissa(torch.tensor(layer.step, dtype=torch.float64), bits))
    return settle(layer.symbols, (step * layer.multiples).astype(np.float16), step)
