"""A stream of mixed integers, for the decoders that must read it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mdlray.codec.counts import frequencies
from mdlray.codec.range_coder import TOTAL, Encoder


@pytest.fixture(scope="session")
def mixed_stream() -> Callable[[int, int], tuple[bytes, dict[str, Any]]]:
    """(seed, length) to a stream and what is in it: bits with frequencies, letters of one table, plain numbers."""

    def written(seed: int, length: int) -> tuple[bytes, dict[str, Any]]:
        rng = np.random.default_rng(seed)
        freq1 = np.clip((TOTAL * 2.0 ** -rng.uniform(0, 14, length)).astype(np.int64), 1, TOTAL - 1)
        bits = (rng.random(length) < freq1 / TOTAL).astype(np.int64)
        table = frequencies(rng.integers(0, 1000, 17))
        letters, widths = rng.integers(0, 17, length), rng.integers(0, 17, length)
        numbers = rng.integers(0, 1 << widths)
        encoder = Encoder()
        encoder.bits(freq1, bits)
        encoder.symbols(table, length, letters)
        encoder.uniform(widths, numbers)
        stream = encoder.finish()
        assert len(stream) <= -(-encoder.written_bits() // 8) + 1
        drawn = {"freq1": freq1, "bits": bits, "table": table, "letters": letters, "widths": widths}
        return stream, drawn | {"numbers": numbers}

    return written
