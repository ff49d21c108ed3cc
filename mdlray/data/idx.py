"""One idx file of unsigned bytes → one uint8 array. A file that is cut or malformed is an error.

The format is that of LeCun, Cortes and Burges, "The MNIST database": two zero bytes, a type byte (8 means unsigned
byte), the number of dimensions, each dimension as a big-endian 32-bit number, and then the values, with the last
dimension varying fastest. For example, a file of 60,000 labels begins with 00 00 08 01 00 00 ea 60. A file whose name
ends in `.gz` is decompressed first. The md5 sum detects damage that leaves the form intact, such as a flipped bit in a
pixel. It does not protect against a forger.
"""

import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

UNSIGNED_BYTE = 8


def read_idx(path: Path, num_dimensions: int, md5: str | None = None) -> NDArray[np.uint8]:
    """The array in the file, read-only, with `num_dimensions` axes.

    `md5` is the sum of the file's bytes; for a `.gz` file, of the compressed bytes. Raises ValueError, which names the
    file, for a wrong sum, magic number, dimension or length.
    """
    content = path.read_bytes()
    if md5 is not None and (md5_of_file := hashlib.md5(content, usedforsecurity=False).hexdigest()) != md5:
        raise _damaged(path, f"its md5 sum is {md5_of_file}, it must be {md5}")
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise _damaged(path, f"it cannot be decompressed ({error})") from error

    magic = bytes([0, 0, UNSIGNED_BYTE, num_dimensions])
    if content[:4] != magic:
        raise _damaged(path, f"it begins with {content[:4].hex()!r}, it must begin with {magic.hex()!r}")
    header_bytes = 4 + 4 * num_dimensions
    if len(content) < header_bytes:
        raise _damaged(path, f"it has {len(content)} bytes, its header alone must have {header_bytes}")
    shape = struct.unpack(f">{num_dimensions}I", content[4:header_bytes])
    if len(content) != header_bytes + math.prod(shape):
        wanted = header_bytes + math.prod(shape)
        raise _damaged(path, f"it has {len(content)} bytes, its header promises {wanted} (shape {shape})")
    return np.frombuffer(content, dtype=np.uint8, offset=header_bytes).reshape(shape)


def _damaged(path: Path, what: str) -> ValueError:
    return ValueError(
        f"{path} is damaged: {what}. Delete it and let it be downloaded again, or point --data at another folder."
    )
