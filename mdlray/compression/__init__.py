"""Compression: which weights are removed, when they are removed, and which few values the other weights may take.

`SALIENCIES` maps a method's name to a function that ranks weights for pruning; other packages add methods through the
entry-point group `mdlray.compressors`. `GRIDS` has the grids of values, `UNIT_ORDERS` the orders of hidden units.
"""

from mdlray.compression.pruning import Pruner, sparsity_after
from mdlray.compression.quantization import GRIDS, Quantized, dequantize, quantize
from mdlray.compression.saliency import SALIENCIES, get_saliency
from mdlray.compression.stack import check_choices, quantize_stack
from mdlray.compression.unit_order import UNIT_ORDERS

__all__ = [
    "GRIDS",
    "SALIENCIES",
    "UNIT_ORDERS",
    "Pruner",
    "Quantized",
    "check_choices",
    "dequantize",
    "get_saliency",
    "quantize",
    "quantize_stack",
    "sparsity_after",
]
