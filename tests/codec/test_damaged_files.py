"""Bytes that are no network: DecodeError, whatever they are, at once and in little memory.

A wrong checksum catches accidents; to reach the parser behind it, mutated files get a checksum that is right. The coder
is compiled without checks of bounds, so one test repeats part of them with the checks compiled in.
"""

import dataclasses
import os
import random
import subprocess
import sys
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlray import codec
from mdlray.codec import CodedNetwork, CodedTensor, DecodeError, PlainTensor, header, varint

SIZES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 25, 31, 36, 63, 64, 127, 128, 1024, 4095, 4096, 4097]
HUGE = [2**21, 2**22, 2**22 + 1, 2**28 - 1, 2**28, 2**28 + 1, 2**32, 2**35 - 1]
"""Numbers that forged headers hold."""
FEW_VALUES = 1 << 11
"""Of mutated files that promise more values than that only a few are read: they take long."""


def coded(seed: int, shape: tuple[int, ...], levels: int, density: float, ascending: bool = True) -> CodedTensor:
    rng = np.random.default_rng(seed)
    codebook = rng.standard_normal(levels).astype(np.float16)
    symbols = np.where(rng.random(shape) < density, rng.integers(min(1, levels), levels + 1, shape), 0)
    return CodedTensor(symbols, np.sort(codebook) if ascending else codebook)


def plain(seed: int, *shape: int) -> PlainTensor:
    return PlainTensor(np.random.default_rng(seed).standard_normal(shape).astype(np.float16))


def networks() -> list[CodedNetwork]:
    """Small ones of every kind: registered, named, convolutions, BatchNorm's plain tensors, odd codebooks."""
    two_layers = (coded(1, (6, 20), 5, 0.8), plain(2, 6))
    dead = coded(3, (8, 9), 4, 0.4)
    dead.symbols[2:5] = 0
    odd = coded(11, (5, 24), 300, 0.5, ascending=False)
    odd.codebook[:6] = [np.nan, -np.nan, -0.0, 0.0, np.inf, np.inf]
    norm = [plain(seed, 4) for seed in range(20, 24)]
    return [
        CodedNetwork("dense", (20, 6), 0.5, 0.25, two_layers),
        CodedNetwork("other", (20, 6), 0.5, 0.25, two_layers),
        CodedNetwork("dense", (9, 8, 3), 33.0, 78.0, (dead, plain(4, 8), coded(5, (3, 8), 3, 1.0), plain(6, 3))),
        CodedNetwork(
            "lenet5",
            (256, 2, 3, 4, 3),
            0.0,
            1.0,
            (coded(7, (2, 1, 5, 5), 4, 0.4), plain(7, 2), coded(8, (3, 2, 5, 5), 15, 0.2), plain(8, 3))
            + (coded(9, (4, 3), 2, 0.5), plain(9, 4), coded(10, (3, 4), 1, 0.6), plain(10, 3)),
        ),
        CodedNetwork(
            "convnet",
            (64, 2, 3, 1, 2, 3),
            0.0,
            1.0,
            (coded(21, (2, 1, 3, 3), 4, 0.6), plain(21, 2), coded(22, (3, 18), 7, 0.4), plain(22, 3)),
        ),
        CodedNetwork(
            "hashed",
            (12, 5, 3, 20, 9, 7),
            0.0,
            1.0,
            (coded(23, (1, 20), 4, 0.6), plain(23, 5), coded(24, (1, 9), 7, 0.4), plain(24, 3)),
        ),
        CodedNetwork("conv", (), 0.0, 1.0, (coded(12, (4, 3, 3, 3), 7, 0.5), *norm, coded(13, (3, 16), 7, 0.3))),
        CodedNetwork(
            "odd", (7,), -0.0, 1.0, (odd, coded(14, (2, 0), 3, 0.5), coded(15, (3, 4), 0, 0.5), plain(16, 2, 3))
        ),
        CodedNetwork("long", (), 0.0, 1.0, (coded(17, (1, 70), 2, 0.3), coded(18, (70, 1), 2, 0.3), plain(19, 70))),
    ]


FILES = [codec.encode(network).blob for network in networks()]
SMALL_FILES = FILES[:2]


def with_checksum(body: bytes) -> bytes:
    start = b"MDL\x02"
    return start + zlib.crc32(start + body).to_bytes(4, "little") + body


def decode_or_refuse(blob: bytes, again: bool = True) -> bool:
    """Whether it is a network; anything but a network or a DecodeError fails the test."""
    try:
        network = codec.decode(blob)
    except DecodeError:
        return False
    if again:
        assert codec.identical(codec.decode(codec.encode(network).blob), network)
    return True


def mutate(chance: random.Random, body: bytes) -> bytes:
    """Bits flipped, bytes set, put in, taken out or drawn anew, the end cut off, another file's end put on."""
    changed = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        kind, place = chance.random(), chance.randrange(len(changed) + 1)
        if kind < 0.5 and place < len(changed):
            changed[place] = chance.choice([0, 1, 127, 128, 255, changed[place] ^ 1 << chance.randrange(8)])
        elif kind < 0.65:
            changed[place:place] = chance.randbytes(chance.randint(1, 5))
        elif kind < 0.8:
            del changed[place : place + chance.randint(1, 5)]
        elif kind < 0.9:
            changed[place:] = chance.randbytes(len(changed) - place)
        elif kind < 0.95:
            changed[place:] = chance.choice(FILES)[8 + place :]
        else:
            del changed[place:]
    return bytes(changed)


def forge(chance: random.Random, blob: bytes) -> bytes:
    """Another header in front of the same stream: other shapes, kinds, codebooks and layer sizes."""
    opened = header.open_sealed(blob)
    honest = header.unpack(opened)
    layouts = list(honest.layouts)
    for _ in range(chance.randint(0, 3)):
        index = chance.randrange(len(layouts))
        shape, kind = list(layouts[index].shape), chance.random()
        if kind < 0.2:
            shape = chance.choice(list(layouts)).shape
        elif kind < 0.7 and shape:
            shape[chance.randrange(len(shape))] = chance.choice(SIZES if chance.random() < 0.95 else HUGE)
        elif kind < 0.8:
            shape.insert(chance.randrange(len(shape) + 1), chance.choice(SIZES[:6]))
        elif kind < 0.9 and shape:
            shape.pop()
        levels = layouts[index].num_levels if chance.random() < 0.7 else chance.choice(SIZES)
        layouts[index] = header.TensorLayout(layouts[index].coded ^ (chance.random() < 0.1), tuple(shape), levels)
    family, sizes = honest.family, honest.shape
    if family in header.FAMILIES:
        sizes = tuple(chance.choice(SIZES) if chance.random() < 0.2 else size for size in sizes)
    if chance.random() < 0.3:
        layouts = [chance.choice(layouts) for _ in range(chance.randint(0, 9))]
    forged_header = dataclasses.replace(honest, family=family, shape=sizes, layouts=tuple(layouts))
    return header.pack(forged_header) + blob[opened.position :]


def mutated_file(chance: random.Random) -> bytes:
    """One of FILES with another content, sometimes of another layout, and a right checksum."""
    while True:
        blob = chance.choice(FILES)
        body = forge(chance, blob) if chance.random() < 0.4 else blob[8:]
        if chance.random() < 0.7:
            body = mutate(chance, body)
        if promised_values(with_checksum(body)) <= FEW_VALUES or chance.random() < 0.005:
            return with_checksum(body)


def promised_values(blob: bytes) -> int:
    """0 where the header is refused."""
    try:
        return sum(layout.num_values for layout in header.unpack(header.open_sealed(blob)).layouts)
    except ValueError:
        return 0


def survive(seed: int, num_files: int, share_again: float) -> int:
    """How many of so many mutated files are networks."""
    chance = random.Random(seed)
    return sum(decode_or_refuse(mutated_file(chance), chance.random() < share_again) for _ in range(num_files))


@pytest.mark.parametrize("blob", SMALL_FILES, ids=range(2))
def test_every_truncation_and_every_extension_by_a_byte_is_refused(blob: bytes) -> None:
    for length in range(len(blob)):
        with pytest.raises(DecodeError):
            codec.decode(blob[:length])
    for byte in range(256):
        with pytest.raises(DecodeError):
            codec.decode(blob + bytes([byte]))


@pytest.mark.parametrize("blob", SMALL_FILES, ids=range(2))
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
        codec.decode(b"MDL\x02" + blob)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=80),
    st.sampled_from([b"", b"\x00\x01x\x00\x00\x3c\x00\x3c", b"\x01\x02\x14\x06\x00\x38\x00\x34"]),
)
def test_random_bytes_with_a_right_checksum_are_refused_or_a_network(tail: bytes, start: bytes) -> None:
    decode_or_refuse(with_checksum(start + tail))


@pytest.mark.parametrize(("version", "advice"), [(1, "read it with the mdlray that wrote it"), (3, "update it")])
def test_another_version_is_named(version: int, advice: str) -> None:
    with pytest.raises(DecodeError, match=f"version {version}.*{advice}"):
        codec.decode(b"MDL" + bytes([version]) + SMALL_FILES[0][4:])


@pytest.mark.parametrize("blob", FILES, ids=range(len(FILES)))
def test_the_files_that_are_mutated_are_networks(blob: bytes) -> None:
    assert decode_or_refuse(blob)


def test_mutated_files_with_a_right_checksum() -> None:
    assert 400 < survive(0, 1000, 1.0) < 1000


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_50000_mutated_files_with_a_right_checksum() -> None:
    assert 25_000 < survive(1, 50_000, 0.05) < 50_000


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_20000_mutated_files_stay_within_all_arrays(tmp_path: Path) -> None:
    program = f"""
        import runpy
        import numpy as np
        from mdlray.codec import float_coder
        from mdlray.codec.bit_coder import reader
        this = runpy.run_path({str(__file__)!r})
        try:  # are bounds checked at all?
            float_coder.code_floats(reader(b""), float_coder.fresh_float_model(), 1, np.array([9999]), None)
        except IndexError:
            print(this["survive"](2, 20_000, 0.2))
    """
    checked = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    lines = "\n".join(line[8:] for line in program.splitlines())
    ran = subprocess.run([sys.executable, "-c", lines], env=checked, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > 8000


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


def allowed_bytes(shape: tuple[int, ...]) -> int:
    """What docs/mdl_format.md, section 1, says that decoding a coded matrix takes, and 2 MB for everything else."""
    rows, columns = (*shape, 0)[:2]
    return 3 * rows * columns + 24 * rows + 48 * columns + 2_000_000


@pytest.mark.parametrize("shape", [(2**28, 0), (0, 2**28, 2**28, 2**28), (2**22, 1), (1, 2**22), (2048, 2048)])
@pytest.mark.parametrize("stream", [b"\x9a" * 60, b"", b"\xff" * 60, b"\x00" * 60], ids=["9a", "none", "ff", "00"])
def test_the_largest_promises_a_short_file_may_make_are_cheap(shape: tuple[int, ...], stream: bytes) -> None:
    start = time.process_time()
    tracemalloc.start()
    decode_or_refuse(forged(shape, 15, stream), again=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < allowed_bytes(shape)
    assert time.process_time() - start < 20


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("shape", [(0, *(2**28,) * 31), (1, 0, *(2**28,) * 30), (2**28, 0), (1, 0, 2**22), (0, 1)])
def test_empty_tensors_of_any_shape_are_refused_or_coded_again(shape: tuple[int, ...], kind: int) -> None:
    decode_or_refuse(forged(shape, 15, kind=kind))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux notes the most memory ever in use")
@pytest.mark.parametrize("shape", [(2**22, 1), (1, 2**22), (2048, 2048)])
def test_the_largest_promises_take_little_memory_of_the_machine(shape: tuple[int, ...]) -> None:
    program = f"""
        import re
        from mdlray import codec
        def high_water():
            return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
        codec.decode({forged((2, 2), 15)!r})
        before = high_water()
        codec.decode({forged(shape, 15)!r})
        print(high_water() - before)
    """
    lines = "\n".join(line[8:] for line in program.splitlines())
    ran = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert 2 * shape[0] * shape[1] < int(ran.stdout) < allowed_bytes(shape) + 20_000_000
