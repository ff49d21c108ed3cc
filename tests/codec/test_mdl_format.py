"""Files are what docs/mdl_format.md says: a second decoder, written from that text alone, reads the same numbers.

The second decoder (first half of this module) takes plain integers, one symbol at a time, without numpy. It is slow and
unprotected; it exists so that the format is what the document says and not what the fast code happens to do.
"""

import math
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlray import codec
from mdlray.codec import CodedNetwork, CodedTensor, PlainTensor
from mdlray.codec.range_coder import TOTAL


class PlainStream:
    """Section 2."""

    def __init__(self, stream: bytes) -> None:
        self.stream, self.position = stream, 8
        self.lower, self.width = 0, 2**64 - 1
        self.point = int.from_bytes(stream[:8].ljust(8, b"\0"), "big")

    def target(self) -> int:
        return (self.point - self.lower) % 2**64 // (self.width // 2**24)

    def symbol(self, freq: list[int]) -> int:
        target, start, letter = self.target(), 0, 0
        while target >= start + freq[letter]:
            start += freq[letter]
            letter += 1
        self.narrow(start, freq[letter])
        return letter

    def narrow(self, start: int, freq: int) -> None:
        scale = self.width // 2**24
        self.lower, self.width = (self.lower + scale * start) % 2**64, scale * freq
        if self.width < 2**32:
            word = int.from_bytes(self.stream[self.position : self.position + 4].ljust(4, b"\0"), "big")
            self.position += 4
            self.lower, self.width = self.lower * 2**32 % 2**64, self.width * 2**32
            self.point = (self.point * 2**32 + word) % 2**64

    def bit(self, freq: int) -> int:
        return self.symbol([2**24 - freq, freq])

    def uniform(self, width: int) -> int:
        if width == 0:
            return 0
        freq = 2 ** (24 - width)
        number = self.target() // freq
        self.narrow(number * freq, freq)
        return number

    def adaptive(self, weights: list[int], step: int, num_symbols: int) -> list[int]:
        symbols: list[int] = []
        while len(symbols) < num_symbols:
            total, edges = 0, [0]
            for weight in weights:
                total += weight
                edges.append((2**24 - len(weights)) * total // sum(weights))
            freq = [b - a + 1 for a, b in zip(edges[:-1], edges[1:], strict=True)]
            length = min(max(8, len(symbols) // 4), num_symbols - len(symbols))
            block = [self.symbol(freq) if len(weights) > 1 else 0 for _ in range(length)]
            for letter in block:
                weights[letter] += step
            symbols += block
        return symbols


def plain_decode(blob: bytes) -> dict:
    """Fields of the network; float16 numbers as their 16-bit patterns, tensors as flat row-by-row lists."""
    assert blob[:4] == b"MDL\x01" and zlib.crc32(blob[:4] + blob[8:]) == struct.unpack("<I", blob[4:8])[0]
    position = 8

    def varint() -> int:
        nonlocal position
        number, shift = 0, 0
        while True:
            byte = blob[position]
            position += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    def sizes() -> list[int]:
        return [varint() for _ in range(varint())]

    family = {1: "dense"}.get(varint())
    if family is None:
        length = varint()
        family, position = blob[position : position + length].decode(), position + length
    shape = sizes()
    mean, std = struct.unpack("<2e", blob[position : position + 4])
    position += 4
    if family == "dense":
        layers = zip(shape[:-1], shape[1:], strict=True)
        tensors = [tensor for i, o in layers for tensor in ((0, [o, i]), (1, [o]))]
    else:
        tensors = [(varint(), sizes()) for _ in range(varint())]
    levels = [varint() if kind == 0 else 0 for kind, _ in tensors]
    stream = PlainStream(blob[position:])
    exponents, lengths = [8 if 8 <= letter <= 17 else 1 for letter in range(33)], [1] * 17
    decoded = []
    for (kind, dimensions), num_levels in zip(tensors, levels, strict=True):
        if kind == 1:
            decoded.append({"shape": dimensions, "values": _numbers(stream, exponents, math.prod(dimensions))})
            continue
        codebook = _codebook(stream, exponents, lengths, num_levels)
        symbols = [0] * math.prod(dimensions)
        if num_levels and symbols:
            symbols = _symbols(stream, dimensions[0], math.prod(dimensions[1:]), codebook)
        decoded.append({"shape": dimensions, "codebook": codebook, "symbols": symbols})
    return {"family": family, "shape": shape, "pixel_mean": mean, "pixel_std": std, "tensors": decoded}


def _numbers(stream: PlainStream, exponents: list[int], num_values: int) -> list[int]:
    """Section 3, plain numbers."""
    if num_values == 0:
        return []
    u = min(stream.uniform(4), 10)
    patterns = []
    for letter in stream.adaptive(exponents, 8, num_values):
        r = stream.uniform(u + 1) if letter else 0
        patterns.append((r >> u) * 2**15 + (letter - 1) * 2**10 + (r % 2**u << 10 - u) if letter else 0)
    return patterns


def _codebook(stream: PlainStream, exponents: list[int], lengths: list[int], num_levels: int) -> list[int]:
    """Section 3, codebook."""
    if num_levels < 2 or stream.uniform(1) == 0:
        return _numbers(stream, exponents, num_levels)
    u = min(stream.uniform(4), 10)
    ranks = [stream.uniform(6 + u) - 2 ** (5 + u)]
    for length in stream.adaptive(lengths, 4, num_levels - 1):
        below = stream.uniform(max(length - 1, 0))
        ranks.append(ranks[-1] + (2 ** (length - 1) + below if length else 0))
    cut = [min(rank, 2 ** (5 + u) - 1) for rank in ranks]
    return [m << 10 - u if m >= 0 else 2**15 + (-1 - m << 10 - u) for m in cut]


def _symbols(stream: PlainStream, rows: int, columns: int, codebook: list[int]) -> list[int]:
    """Section 4."""
    size, width = rows * columns, rows * -(-columns // 8192)
    num_steps = -(-size // width)
    flipped, strided = stream.uniform(1), stream.uniform(1)
    s = stream.uniform(8) if strided else 0
    s = s if 3 <= s <= num_steps // 2 else 0
    neighbors = [1, s - 1, s, s + 1] if s else [1, 2]
    backs = [(1, 2), (2, 1)] + ([(s - 1, 1), (s, 2), (s + 1, 1), (2 * s, 1)] if s else [])
    calls = [
        (step, range(start, min(start + 16384, step * width + width, size)))
        for step in range(num_steps)
        for start in range(step * width, min(step * width + width, size), 16384)
    ]

    def around(entries: list[int], index: int) -> int:
        return sum(entries[index - n * width] for n in neighbors if index >= n * width)

    bits, unit, ones = [0] * size, [2] * width, [0] * num_steps
    hits, expected = [2] * 100, [2**25] * 100
    for step, indices in calls:
        before = sum(ones[:step])
        overall = max(((2 * before + 1) << 23) // (step * width + width), 1)
        a = 1 + sum(weight * ones[step - back] for back, weight in backs if back <= step)
        b = 2**24 // overall + sum(weight * width for back, weight in backs if back <= step)
        scale = (min((a << 24) // b, 2**24) << 36) // (overall * (step + 2**25 // overall))
        seen = []
        for index in indices:
            p = min(max((unit[index - step * width] * scale) >> 12, 2**8), 2**24 - 2**10)
            x = 4 * p.bit_length() + min(3, around(bits, index))
            f = (p * ((hits[x] << 32) // (expected[x] >> 8))) >> 16
            bits[index] = stream.bit(min(max(f, 2**10), 2**24 - 2**10))
            seen.append((index, x, p))
        for index, x, p in seen:
            unit[index - step * width] += bits[index]
            hits[x], expected[x] = hits[x] + bits[index], expected[x] + p
            ones[step] += bits[index]
    mask = [bit ^ flipped for bit in bits]

    positive = [pattern < 2**15 for pattern in codebook]
    signs = [0] * size
    negatives, positives = [1] * 5, [1] * 5
    for step in range(num_steps):
        here = [index for index in range(step * width, min(step * width + width, size)) if mask[index]]
        for start in range(0, len(here), 16384):
            call = here[start : start + 16384]
            contexts = [min(max(around(signs, index), -2), 2) + 2 for index in call]
            for index, t in zip(call, contexts, strict=True):
                signs[index] = 1 if positive[0] else -1
                if len(set(positive)) == 2:
                    f = (positives[t] << 24) // (negatives[t] + positives[t])
                    signs[index] = 2 * stream.bit(min(max(f, 1), 2**24 - 1)) - 1
            for index, t in zip(call, contexts, strict=True):
                positives[t] += 2 * (signs[index] > 0)
                negatives[t] += 2 * (signs[index] < 0)

    flat = [0] * size
    for sign in (-1, 1):
        letters = [k for k in range(len(codebook)) if positive[k] == (sign > 0)]
        here = [index for index in range(size) if signs[index] == sign]
        for index, letter in zip(here, stream.adaptive([1] * len(letters), 2, len(here)), strict=True):
            flat[index] = letters[letter] + 1
    return [flat[column * rows + row] for row in range(rows) for column in range(columns)]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 60))
def test_the_plain_decoder_reads_what_was_written(mixed_stream, seed: int, length: int) -> None:
    stream, drawn = mixed_stream(seed, length)
    plain = PlainStream(stream)
    assert [plain.symbol([TOTAL - f, f]) for f in drawn["freq1"].tolist()] == drawn["bits"].tolist()
    assert [plain.symbol(drawn["table"].tolist()) for _ in range(length)] == drawn["letters"].tolist()
    assert [plain.uniform(width) for width in drawn["widths"].tolist()] == drawn["numbers"].tolist()


def picture_tensor(rng: np.random.Generator, rows: int, side: int, density: float, levels: int) -> CodedTensor:
    """Ones in patches, so that a stride is found; neighboring signs agree."""
    field = rng.standard_normal((rows, side + 2, side + 2))
    smooth = sum(field[:, i : i + side, j : j + side] for i in range(3) for j in range(3))
    symbols = np.where(smooth > 0, rng.integers(levels // 2, levels, smooth.shape), rng.integers(0, levels // 2))
    symbols = (symbols + 1) * (np.abs(smooth) > np.quantile(np.abs(smooth), 1 - density))
    return CodedTensor(symbols.reshape(rows, side * side), np.linspace(-1, 1, levels).astype(np.float16))


def some_tensors(rng: np.random.Generator) -> list[CodedTensor | PlainTensor]:
    def numbers(size: int) -> np.ndarray:
        return rng.standard_normal(size).astype(np.float16)

    return [
        picture_tensor(rng, 12, 12, 0.2, 16),
        PlainTensor(numbers(12)),
        picture_tensor(rng, 5, 9, 0.8, 6),
        CodedTensor(rng.integers(0, 3, (3, 2, 5, 5)), numbers(2)),
        CodedTensor(rng.integers(0, 2, (2, 9000)) * rng.integers(0, 2, (2, 9000)), numbers(1)),
        CodedTensor(rng.integers(0, 301, (20, 40)), np.sort(numbers(300))),
        CodedTensor(rng.integers(0, 2, (17_000, 2)), -np.abs(numbers(1))),
        CodedTensor(np.ones((10, 30), int), np.array([2, 4, 4, 8], np.float16)),
        CodedTensor(np.zeros((10, 30), int), numbers(0)),
        PlainTensor(np.array([0, 1, -0.0, np.nan, np.inf, 6e-8, 0], np.float16).reshape(7, 1)),
        PlainTensor(np.zeros((3, 0), np.float16)),
    ]


@pytest.mark.parametrize("seed", range(3))
def test_the_plain_decoder_reads_every_kind_of_tensor(seed: int) -> None:
    tensors = some_tensors(np.random.default_rng(seed))
    check(CodedNetwork("něco", (5, 0), 0.5, -0.25, tuple(tensors)))


def test_the_plain_decoder_reads_a_dense_network() -> None:
    rng = np.random.default_rng(0)
    tensors = (picture_tensor(rng, 12, 12, 0.1, 16), PlainTensor(rng.standard_normal(12).astype(np.float16)))
    check(CodedNetwork("dense", (144, 12), 0.5, 0.25, tensors))


def check(network: CodedNetwork) -> None:
    read = plain_decode(codec.encode(network).blob)
    assert [read["family"], read["shape"]] == [network.family, list(network.shape)]
    assert [read["pixel_mean"], read["pixel_std"]] == [network.pixel_mean, network.pixel_std]
    for plain, tensor in zip(read["tensors"], network.tensors, strict=True):
        assert plain["shape"] == list(tensor.shape)
        if isinstance(tensor, PlainTensor):
            assert plain["values"] == tensor.values.ravel().view(np.uint16).tolist()
        else:
            assert plain["codebook"] == tensor.codebook.view(np.uint16).tolist()
            assert plain["symbols"] == tensor.symbols.ravel().tolist()
