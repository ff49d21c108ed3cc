"""Bits with probabilities <-> bytes: a binary range coder (Martin 1979) on integers, for compiled loops.

The stream is one number in base 256, most significant byte first. Behind its last byte there are zeros without end. An
interval [low, low + range) shrinks with every bit, in proportion to the probability of that bit. With p / 2^16 as the
probability of a 1:

    bound = (range >> 16) · p;   bit 1: range = bound;   bit 0: low += bound, range -= bound
    while range < 2^32: the first byte of low is written, range = range · 2^8

One function serves both directions: `bit` writes its argument `known` when the coder writes, and returns the bit it
reads when the coder reads. The coder's state is two arrays, so that compiled functions can pass it to each other:

    registers   [1 if it writes, low (a reader: the stream's number minus low), range, index of the next byte]
    buffer      the bytes
"""

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mdlray.codec.compiled import compiled, inlined

HALF = 1 << 15
"""The probability of an even bit; probabilities lie between 1 and 2^16 - 1."""

Whole: TypeAlias = Any
"""A whole number, Python's or NumPy's: compiled code has both."""

_WRITES, _LOW, _RANGE, _NEXT = 0, 1, 2, 3
_TOP, _LEAST = 1 << 40, 1 << 32
_REGISTER_BYTES = 5


class Coder(NamedTuple):
    """A stream that is being written or read."""

    registers: NDArray[np.int64]
    buffer: NDArray[np.uint8]


def writer(capacity: int) -> Coder:
    """An empty stream with room for `capacity` bytes."""
    return Coder(np.array([1, 0, _TOP, 0], np.int64), np.zeros(capacity, np.uint8))


def reader(stream: bytes) -> Coder:
    """A coder that reads. Past the end of `stream` it reads zeros, so the caller must limit how much is read."""
    buffer = np.frombuffer(bytearray(stream.ljust(_REGISTER_BYTES, b"\0")), np.uint8)  # the type that a writer has
    start = int.from_bytes(stream[:_REGISTER_BYTES].ljust(_REGISTER_BYTES, b"\0"), "big")
    return Coder(np.array([0, start, _TOP, _REGISTER_BYTES], np.int64), buffer)


def with_room(coder: Coder, num_bits: int) -> Coder:
    """The same stream with room for `num_bits` more bits, each of which takes at most two bytes."""
    needed = int(coder.registers[_NEXT]) + 2 * num_bits + _REGISTER_BYTES
    if not coder.registers[_WRITES] or needed <= len(coder.buffer):
        return coder
    buffer = np.zeros(2 * needed, np.uint8)
    buffer[: len(coder.buffer)] = coder.buffer
    return Coder(coder.registers, buffer)


def writes(coder: Coder) -> bool:
    """Whether the stream is being written."""
    return bool(coder.registers[_WRITES])


def written_bits(coder: Coder) -> float:
    """The information that was written so far, in bits."""
    return 8.0 * float(coder.registers[_NEXT]) + 40 - math.log2(int(coder.registers[_RANGE]))


def finish(coder: Coder) -> bytes:
    """The shortest bytes that decode to what was written."""
    num_bytes = int(coder.registers[_NEXT])
    settled = int.from_bytes(coder.buffer[:num_bytes].tobytes(), "big")
    low, span = int(coder.registers[_LOW]), int(coder.registers[_RANGE])
    for zeros in range(40, -1, -8):
        shortest = -(-low >> zeros) << zeros
        if shortest < low + span:
            break
    number = (settled << 40) + shortest
    return number.to_bytes(num_bytes + _REGISTER_BYTES, "big").rstrip(b"\0")


@inlined
def bit(coder: Coder, probability: Whole, known: Whole) -> Whole:
    """One bit that is 1 with `probability` / 2^16: a writer writes `known`, a reader returns the bit it reads."""
    registers, buffer = coder.registers, coder.buffer
    span = registers[_RANGE]
    bound = (span >> 16) * probability
    if registers[_WRITES]:
        value = known
        if not value:
            registers[_LOW] += bound
            if registers[_LOW] >= _TOP:
                # A carry: it runs through all bytes of 255 before the next byte.
                registers[_LOW] -= _TOP
                index = registers[_NEXT] - 1
                while buffer[index] == 255:
                    buffer[index] = 0
                    index -= 1
                buffer[index] += 1
    else:
        value = 1 if registers[_LOW] < bound else 0
        if not value:
            registers[_LOW] -= bound
    span = bound if value else span - bound
    while span < _LEAST:
        index = registers[_NEXT]
        if registers[_WRITES]:
            buffer[index] = registers[_LOW] >> 32
            registers[_LOW] = (registers[_LOW] & (_LEAST - 1)) << 8
        else:
            registers[_LOW] = registers[_LOW] << 8 | (buffer[index] if index < len(buffer) else 0)
        registers[_NEXT] = index + 1
        span <<= 8
    registers[_RANGE] = span
    return value


@compiled
def uniform(coder: Coder, num_bits: Whole, known: Whole) -> Whole:
    """An integer below 2^num_bits, most significant bit first; all integers are equally likely."""
    number = 0
    for position in range(num_bits - 1, -1, -1):
        number = number << 1 | bit(coder, HALF, known >> position & 1)
    return number
