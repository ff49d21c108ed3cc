"""Bits with probabilities <-> bytes: a binary range coder (Martin 1979) on integers, for compiled loops.

The stream is one number in base 256, most significant byte first, with zeros without end behind it. An interval
[low, low + range) shrinks with every bit to the share of its probability p / 2^16 of being 1:

    bound = (range >> 16) · p;   bit 1: range = bound;   bit 0: low += bound, range -= bound
    while range < 2^32: one byte is settled, range = range · 2^8

One function serves both directions: `bit` writes what it is given when the coder writes, and returns what it read
otherwise. The coder lies in two arrays, so that compiled functions can pass it on:

    registers   [writes, low or the stream's distance from it, range, next byte]
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
    """A coder that reads; past the end of `stream` it reads zeros, so it is the caller who bounds the work."""
    buffer = np.frombuffer(bytearray(stream.ljust(_REGISTER_BYTES, b"\0")), np.uint8)  # of the type a writer has
    start = int.from_bytes(stream[:_REGISTER_BYTES].ljust(_REGISTER_BYTES, b"\0"), "big")
    return Coder(np.array([0, start, _TOP, _REGISTER_BYTES], np.int64), buffer)


def with_room(coder: Coder, num_bits: int) -> Coder:
    """The same stream with room for that many more bits, each of which takes two bytes at most."""
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
    """Information written so far."""
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
    """One bit that is 1 with `probability` / 2^16: `known` is written, or what is read is returned."""
    registers, buffer = coder.registers, coder.buffer
    span = registers[_RANGE]
    bound = (span >> 16) * probability
    if registers[_WRITES]:
        one = known
        if not one:
            registers[_LOW] += bound
            if registers[_LOW] >= _TOP:
                registers[_LOW] -= _TOP
                place = registers[_NEXT] - 1
                while buffer[place] == 255:
                    buffer[place] = 0
                    place -= 1
                buffer[place] += 1
    else:
        one = 1 if registers[_LOW] < bound else 0
        if not one:
            registers[_LOW] -= bound
    span = bound if one else span - bound
    while span < _LEAST:
        place = registers[_NEXT]
        if registers[_WRITES]:
            buffer[place] = registers[_LOW] >> 32
            registers[_LOW] = (registers[_LOW] & (_LEAST - 1)) << 8
        else:
            registers[_LOW] = registers[_LOW] << 8 | (buffer[place] if place < len(buffer) else 0)
        registers[_NEXT] = place + 1
        span <<= 8
    registers[_RANGE] = span
    return one


@compiled
def uniform(coder: Coder, num_bits: Whole, known: Whole) -> Whole:
    """An integer below 2^num_bits, most significant bit first, all equally likely."""
    number = 0
    for place in range(num_bits - 1, -1, -1):
        number = number << 1 | bit(coder, HALF, known >> place & 1)
    return number
