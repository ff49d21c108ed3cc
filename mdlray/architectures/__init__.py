"""The tensors of a network, described without torch: `ARCHITECTURES` maps a family's name to a function from sizes.

    dense     (784, 100, 10)                -> hidden_1.weight (100, 784), hidden_1.bias (100,), ...
    lenet5    (784, 20, 50, 500, 10)        -> conv_1.weight (20, 1, 5, 5), conv_1.bias (20,), ...
    convnet   (784, 8, 7, 1, 3, 10)         -> conv_1.weight (8, 1, 7, 7), conv_1.bias (8,), ...
    hashed    (784, 100, 10, 7840, 100, 0)  -> hidden_1.weight (1, 7840), hidden_1.bias (100,), ...

The numbers are the sizes of the network. They determine its tensors, and they are all that a file keeps of the
architecture. So these lists are part of the file format (docs/mdl_format.md): `mdlray.codec` reads files with them, and
`mdlray.models` computes with the same tensors.
"""

from mdlray.architectures.families import ARCHITECTURES
from mdlray.architectures.tensors import PLAIN, WEIGHT, Role, Shapes, Sizes, TensorSpec, roles_by_axes

__all__ = ["ARCHITECTURES", "PLAIN", "WEIGHT", "Role", "Shapes", "Sizes", "TensorSpec", "roles_by_axes"]
