"""What a network is made of, described without torch: `ARCHITECTURES` maps a family's name to its tensors.

    dense     (784, 100, 10)                -> hidden_1.weight (100, 784), hidden_1.bias (100,), ...
    lenet5    (784, 20, 50, 500, 10)        -> conv_1.weight (20, 1, 5, 5), conv_1.bias (20,), ...
    convnet   (784, 8, 7, 1, 3, 10)         -> conv_1.weight (8, 1, 7, 7), conv_1.bias (8,), ...
    hashed    (784, 100, 10, 7840, 100, 0)  -> hidden_1.weight (1, 7840), hidden_1.bias (100,), ...

The numbers are the network's sizes: all that decides its tensors, and all that a file says about them. So these lists
are part of the file format (docs/mdl_format.md): `mdlray.codec` reads files with them, `mdlray.models` computes with
the same tensors.
"""

from mdlray.architectures.families import ARCHITECTURES
from mdlray.architectures.tensors import PLAIN, WEIGHT, Role, Shapes, Sizes, TensorSpec, roles_by_axes

__all__ = ["ARCHITECTURES", "PLAIN", "WEIGHT", "Role", "Shapes", "Sizes", "TensorSpec", "roles_by_axes"]
