"""Symbols with integer frequencies <-> a string of bytes, by range coding (Martin 1979) with `constriction`.

Encoder and decoder have the same methods, so a context model is written once and runs in both directions:

    symbols = coder.bits(freq1_N, known)      the encoder is given `known` and returns it,
                                              the decoder ignores `known` and returns what the file says

Every probability is an integer frequency f >= 1 out of 2^24, the coder's own resolution. constriction takes floats and
gives the symbol with weight w the frequency 1 + floor(w (2^24 - n) / sum of w); handed f - 1 as weights, which sum to
2^24 - n, it uses exactly f. No rounding is left, hence files decode alike on every machine.

The bytes are the digits of one number in base 256, most significant first; digits past the end are zero. So the
encoder may end with the shortest number inside the final interval instead of constriction's whole 32-bit words.

N: symbols in one call, A: size of the alphabet.
"""

from typing import Protocol

import constriction
import numpy as np
from numpy.typing import NDArray

PRECISION_BITS = 24
TOTAL = 1 << PRECISION_BITS

Ints = NDArray[np.int64]

_TABLE_PER_SYMBOL = constriction.stream.model.Categorical(perfect=False)
_SIZE_PER_SYMBOL = constriction.stream.model.Uniform()


class DecodeError(ValueError):
    """The bytes are no network of this format: damaged, cut off, foreign, or of a newer version."""


class Coder(Protocol):
    """What a context model may ask for, in either direction."""

    def bits(self, freq1_N: Ints, known_N: Ints | None) -> Ints:
        """N bits; bit n is 1 with probability freq1_N[n] / 2^24, each from 1 to 2^24 - 1."""

    def symbols(self, freq_A: Ints, num_symbols: int, known_N: Ints | None) -> Ints:
        """Symbols from 0 to A - 1, all with the frequencies freq_A (each at least 1, sum 2^24); nothing if A = 1."""

    def uniform(self, width_bits_N: Ints, known_N: Ints | None) -> Ints:
        """Integers below 2^width (width from 0 to 16), all values equally likely."""


class Encoder:
    """A `Coder` that writes."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def bits(self, freq1_N: Ints, known_N: Ints | None) -> Ints:
        assert known_N is not None
        if len(known_N):
            self._coder.encode(known_N.astype(np.int32), _TABLE_PER_SYMBOL, _binary_weights(freq1_N))
        return known_N

    def symbols(self, freq_A: Ints, num_symbols: int, known_N: Ints | None) -> Ints:
        assert known_N is not None and len(known_N) == num_symbols
        if len(freq_A) > 1 and num_symbols:
            self._coder.encode(known_N.astype(np.int32), _table(freq_A))
        return known_N

    def uniform(self, width_bits_N: Ints, known_N: Ints | None) -> Ints:
        assert known_N is not None
        open_N = width_bits_N > 0
        if open_N.any():
            sizes_N = (1 << width_bits_N[open_N]).astype(np.int32)
            self._coder.encode(known_N[open_N].astype(np.int32), _SIZE_PER_SYMBOL, sizes_N)
        return known_N

    def written_bits(self) -> int:
        """Information written so far, in bits, rounded up."""
        num_words, (_, width) = self._coder.pos()
        return 32 * int(num_words) + 65 - int(width).bit_length()

    def finish(self) -> bytes:
        """The shortest bytes that decode to what was written."""
        num_words, (lower, width) = self._coder.pos()
        sealed = self._coder.get_compressed().astype(">u4").tobytes()
        num_bytes = 4 * (num_words + 2)
        point = int.from_bytes(sealed[:num_bytes].ljust(num_bytes, b"\0"), "big")
        # `point` lies in the final interval; the interval's start is known modulo 2^64 only, because of carries.
        start = point - ((point - lower) % 2**64)
        for zero_bits in range(64, -1, -8):
            shortest = -(-start >> zero_bits) << zero_bits
            if shortest < start + width and shortest < 1 << (8 * num_bytes):
                ended: bytes = shortest.to_bytes(num_bytes, "big").rstrip(b"\0")
                return ended
        raise AssertionError("the interval is never empty")


class Decoder:
    """A `Coder` that reads; past the end of `stream` it reads zeros, so it is the caller who bounds the work."""

    def __init__(self, stream: bytes) -> None:
        words = np.frombuffer(stream + b"\0" * (-len(stream) % 4), ">u4").astype(np.uint32)
        self._coder = constriction.stream.queue.RangeDecoder(words)

    def bits(self, freq1_N: Ints, known_N: Ints | None) -> Ints:
        if not len(freq1_N):
            return np.zeros(0, np.int64)
        return self._read(_TABLE_PER_SYMBOL, _binary_weights(freq1_N))

    def symbols(self, freq_A: Ints, num_symbols: int, known_N: Ints | None) -> Ints:
        if len(freq_A) <= 1 or not num_symbols:
            return np.zeros(num_symbols, np.int64)
        return self._read(_table(freq_A), num_symbols)

    def uniform(self, width_bits_N: Ints, known_N: Ints | None) -> Ints:
        values_N = np.zeros(len(width_bits_N), np.int64)
        open_N = width_bits_N > 0
        if open_N.any():
            values_N[open_N] = self._read(_SIZE_PER_SYMBOL, (1 << width_bits_N[open_N]).astype(np.int32))
        return values_N

    def _read(self, model: object, amount: object) -> Ints:
        try:
            read: Ints = self._coder.decode(model, amount).astype(np.int64)
        except AssertionError as error:  # constriction's word for a number outside of every symbol's interval
            raise DecodeError("the coded part of the file is damaged.") from error
        return read


def _binary_weights(freq1_N: Ints) -> NDArray[np.float64]:
    weights_N2 = np.empty((len(freq1_N), 2))
    weights_N2[:, 0] = TOTAL - 1 - freq1_N
    weights_N2[:, 1] = freq1_N - 1
    return weights_N2


def _table(freq_A: Ints) -> object:
    return constriction.stream.model.Categorical((freq_A - 1).astype(np.float64), perfect=False)
