"""Bytes that are no network: DecodeError, whatever they are, at once and in little memory.

A wrong checksum catches accidents; to reach the parser behind it, mutated files get a checksum that is right.
"""

import random
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlray import codec
from mdlray.codec import CodedNetwork, CodedTensor, DecodeError, PlainTensor, varint


def small_network(family: str = "dense") -> CodedNetwork:
    rng = np.random.default_rng(3)
    weight = CodedTensor(rng.integers(0, 6, (6, 20)), np.sort(rng.standard_normal(5)).astype(np.float16))
    return CodedNetwork(family, (20, 6), 0.5, 0.25, (weight, PlainTensor(rng.standard_normal(6).astype(np.float16))))


SMALL_FILES = [codec.encode(small_network(family)).blob for family in ("dense", "other")]


def with_checksum(body: bytes) -> bytes:
    start = b"MDL\x01"
    return start + zlib.crc32(start + body).to_bytes(4, "little") + body


def decode_or_refuse(blob: bytes) -> None:
    """Anything but a network or a DecodeError fails the test (a panic in Rust is no Exception, but it does too)."""
    try:
        network = codec.decode(blob)
    except DecodeError:
        return
    assert codec.identical(codec.decode(codec.encode(network).blob), network)


def mutate(chance: random.Random, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        kind, place = chance.random(), chance.randrange(len(changed) + 1)
        if kind < 0.5 and place < len(changed):
            changed[place] = chance.choice([0, 1, 127, 128, 255, changed[place] ^ 1 << chance.randrange(8)])
        elif kind < 0.7:
            changed[place:place] = chance.randbytes(chance.randint(1, 5))
        elif kind < 0.9:
            del changed[place : place + chance.randint(1, 5)]
        else:
            changed[place:] = chance.randbytes(len(changed) - place)
    return bytes(changed)


@pytest.mark.parametrize("blob", SMALL_FILES)
def test_every_truncation_and_every_extension_by_a_byte_is_refused(blob: bytes) -> None:
    for length in range(len(blob)):
        with pytest.raises(DecodeError):
            codec.decode(blob[:length])
    for byte in range(256):
        with pytest.raises(DecodeError):
            codec.decode(blob + bytes([byte]))


@pytest.mark.parametrize("blob", SMALL_FILES)
def test_every_flipped_bit_is_refused(blob: bytes) -> None:
    for bit in range(8 * len(blob)):
        flipped = bytearray(blob)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecodeError):
            codec.decode(bytes(flipped))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(blob: bytes) -> None:
    with pytest.raises(DecodeError):
        codec.decode(blob)
    with pytest.raises(DecodeError):
        codec.decode(b"MDL\x01" + blob)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=80),
    st.sampled_from([b"", b"\x00\x01x\x00\x00\x3c\x00\x3c", b"\x01\x02\x14\x06\x00\x38\x00\x34"]),
)
def test_random_bytes_with_a_right_checksum_are_refused_or_a_network(tail: bytes, start: bytes) -> None:
    decode_or_refuse(with_checksum(start + tail))


def test_a_newer_version_is_named() -> None:
    with pytest.raises(DecodeError, match="version 2"):
        codec.decode(b"MDL\x02" + SMALL_FILES[0][4:])


def test_mutated_files_with_a_right_checksum() -> None:
    chance = random.Random(0)
    for index in range(400):
        decode_or_refuse(with_checksum(mutate(chance, SMALL_FILES[index % 2][8:])))


@pytest.mark.slow
def test_20000_mutated_files_with_a_right_checksum() -> None:
    chance = random.Random(1)
    for index in range(20_000):
        decode_or_refuse(with_checksum(mutate(chance, SMALL_FILES[index % 2][8:])))


def forged(shape: tuple[int, ...], num_levels: int, stream: bytes = b"\x9a" * 60, kind: int = 0) -> bytes:
    sizes = b"".join(map(varint.to_bytes, shape))
    body = b"\x00\x01x\x00\x00\x3c\x00\x3c\x01" + bytes([kind, len(shape)]) + sizes
    return with_checksum(body + (varint.to_bytes(num_levels) if kind == 0 else b"") + stream)


@pytest.mark.parametrize("shape", [(2**28, 2**28), (2**28, 1), (1, 2**28), (2**34, 0), (2**28,) * 20, (10_000, 10_000)])
@pytest.mark.parametrize("kind", [0, 1])
def test_promises_a_short_file_cannot_keep_are_refused_before_memory_is_taken(
    shape: tuple[int, ...], kind: int
) -> None:
    tracemalloc.start()
    with pytest.raises(DecodeError):
        codec.decode(forged(shape, 15, kind=kind))
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


@pytest.mark.parametrize("shape", [(2**28, 0), (0, 2**28, 2**28, 2**28), (2**22, 1), (1, 2**22), (2048, 2048)])
@pytest.mark.parametrize("stream", [b"\x9a" * 60, b"", b"\xff" * 60, b"\x00" * 60], ids=["9a", "none", "ff", "00"])
def test_the_largest_promises_a_short_file_may_make_are_cheap(shape: tuple[int, ...], stream: bytes) -> None:
    start = time.process_time()
    tracemalloc.start()
    try:
        codec.decode(forged(shape, 15, stream))
    except DecodeError:
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6
    assert time.process_time() - start < 20
