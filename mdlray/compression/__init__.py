"""Compression: which weights go, when, and which few values the others may take.

`SALIENCIES` maps a method's name to what ranks its weights; other packages add methods through the entry-point group
`mdlray.compressors`.
"""

from mdlray.compression.pruning import Pruner, sparsity_after
from mdlray.compression.quantization import Quantized, dequantize, quantize
from mdlray.compression.saliency import SALIENCIES, get_saliency
from mdlray.compression.stack import quantize_stack

__all__ = [
    "SALIENCIES",
    "Pruner",
    "Quantized",
    "dequantize",
    "get_saliency",
    "quantize",
    "quantize_stack",
    "sparsity_after",
]
