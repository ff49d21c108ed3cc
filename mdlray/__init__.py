"""mdlray: how few bytes does a network need, at which accuracy, and what does that say about what it learned?

`mdlray.load(folder)` reads a sweep's rows into pandas, `mdlray.decode(file)` turns a compressed network back into a
torch module; both take local paths and addresses such as s3://bucket/results/compare_pruning. They import what
they need when they are called, so that `import mdlray` stays light.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from mdlray.spec import TrialSpec

if TYPE_CHECKING:
    import pandas

    from mdlray.models import Network

__all__ = ["TrialSpec", "decode", "load"]


def load(folder: str | Path) -> "pandas.DataFrame":
    """The rows of a sweep, one per trial, as a frame with pandas' nullable types; FileNotFoundError without any."""
    from mdlray.results import load as load_rows

    return load_rows(folder)


def decode(path: str | Path) -> "Network":
    """The torch module that a `.mdl` file holds, exactly the one whose accuracy its row reports.

    It takes pictures (B, ...) of gray levels from 0 to 255, of any dtype, and returns logits (B, classes).
    """
    from mdlray.codec.stack import build_decoded
    from mdlray.storage.storage import read_file

    return build_decoded(read_file(path))
