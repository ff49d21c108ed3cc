"""Files are what docs/mdl_format.md says: a second decoder, written from that text alone, reads the same numbers.

The second decoder (first half of this module) takes one bit at a time in plain Python, without numpy. It is slow and
unprotected; it exists so that the format is what the document says and not what the fast code happens to do.
"""

import math
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlray import codec
from mdlray.codec import CodedNetwork, CodedTensor, PlainTensor
from mdlray.codec.bit_coder import finish, uniform, writer
from mdlray.codec.float_coder import code_codebook, fresh_float_model
from mdlray.codec.geometry import CHANNELS, EXPLICIT, KERNEL, SQUARE, Geometry
from mdlray.codec.header import header_of, pack, seal
from mdlray.codec.weights_coder import code_ranks
from mdlray.codec.weights_model import Alphabet, fresh_model

MODELS = Path(__file__).parents[2] / "results" / "reference" / "compare_pruning" / "models"

LN = [0, 0] + [round(4096 * math.log(n)) for n in range(2, 4096)]
SQUASH = [min(max(round(65536 / (1 + math.exp(-(8 * i - 45056) / 4096))), 1), 65535) for i in range(11265)]


def clip(a: int, low: int, high: int) -> int:
    return min(max(a, low), high)


def sign_of(a: int) -> int:
    return (a > 0) - (a < 0)


def log(n: int) -> int:
    r = 0
    while n >= 4096:
        n, r = n >> 4, r + 11357
    return r + LN[n]


def int32(a: int) -> int:
    return (a + 2**31) % 2**32 - 2**31


class PlainStream:
    """Section 2."""

    def __init__(self, stream: bytes) -> None:
        self.stream, self.position = stream, 5
        self.range, self.code = 2**40, int.from_bytes(stream[:5].ljust(5, b"\0"), "big")

    def bit(self, p: int) -> int:
        bound = (self.range >> 16) * p
        one = int(self.code < bound)
        if one:
            self.range = bound
        else:
            self.code, self.range = self.code - bound, self.range - bound
        while self.range < 2**32:
            byte = self.stream[self.position] if self.position < len(self.stream) else 0
            self.range, self.code, self.position = self.range << 8, (self.code << 8) + byte, self.position + 1
        return one

    def uniform(self, b: int) -> int:
        number = 0
        for _ in range(b):
            number = 2 * number + self.bit(2**15)
        return number


class PlainMixer:
    """Section 3."""

    def __init__(
        self, stream: PlainStream, starts: list[float], cells: int, rate: int, slowness: float, rows: tuple[int, int]
    ) -> None:
        self.stream, self.rate = stream, rate
        spreads = [(i + 0.5) / 64 for i in range(4096)] + [(i + 0.5) / 4 for i in range(4096)]
        self.steps = [round(2**20 / (spread + slowness)) for spread in spreads]
        self.v, self.w = ([[round(start * 2**19) for start in starts] for _ in range(n)] for n in rows)
        self.values, self.seen = [0] * cells, [0] * cells

    def mixed(self, cells: list[int], given: tuple[int, ...] = (), a: int = 0, b: int = 0) -> int:
        v, w = self.v[a], self.w[b]
        inputs = [*given, *(self.values[c] >> 8 for c in cells)]
        assert len(inputs) == len(v)
        z = clip(sum((vk + wk) * x for vk, wk, x in zip(v, w, inputs, strict=True)) >> 20, -45056, 45056)
        p = SQUASH[(z + 45056) >> 3]
        one = self.stream.bit(p)
        e = (one << 16) - p
        for k, x in enumerate(inputs):
            d = (e * self.rate * x + 2**23) >> 24
            v[k], w[k] = int32(v[k] + d), int32(w[k] + d)
        s = p * (65536 - p) >> 16
        for c in cells:
            h = self.seen[c]
            i = h >> 10 if h >> 10 < 4096 else 4096 + min(h >> 14, 4095)
            self.values[c] = int32(self.values[c] + (e * self.steps[i] >> 16))
            self.seen[c] = min(h + s, 2**26)
        return one


class PlainFloats:
    """Section 4: float16 numbers, as their 16-bit patterns."""

    def __init__(self, stream: PlainStream) -> None:
        def mixer(cells: int, *starts: float) -> PlainMixer:
            return PlainMixer(stream, list(starts), cells, 1000, 1.4, (1, 1))

        self.stream = stream
        self.zero, self.exponent = mixer(38, 1, 0.5, 0.5), mixer(1088, 1, 0.3, 0.3)
        self.sign, self.mantissa, self.length = mixer(2, 0.5, 0.5), mixer(132, 0.5, 0.5), mixer(1056, 0.6, 0.4)
        self.exponent.values[1:3] = [-(2**21), 2**21]

    def numbers(self, n: int, activities: list[int]) -> list[int]:
        """`activities` of the rows of the last coded tensor with weights."""
        if n == 0:
            return []
        u = min(self.stream.uniform(4), 10)
        for mixer, cells in ((self.zero, [1]), (self.sign, [1]), (self.exponent, range(32, 64))):
            for c in cells:
                mixer.values[c] = mixer.seen[c] = 0
        before, last, patterns = 0, 0, []
        for index in range(n):
            a = 1 + activities[index] if len(activities) == n else 0
            before = self.zero.mixed([0, 1, 2 + 18 * before + a])
            if before:
                patterns.append(0)
                continue
            node = 1
            for _ in range(5):
                node = 2 * node + self.exponent.mixed([node, 32 + node, 64 + 32 * last + node])
            exponent = last = node - 32
            sign = self.sign.mixed([0, 1])
            mixed_bits, node = min(u, 2), 1
            for _ in range(mixed_bits):
                node = 2 * node + self.mantissa.mixed([node, 4 + 4 * exponent + node])
            m, r = node - 2**mixed_bits, self.stream.uniform(u - mixed_bits)
            patterns.append(sign * 2**15 + exponent * 2**10 + (m << (10 - mixed_bits)) + (r << (10 - u)))
        return patterns

    def codebook(self, num_entries: int) -> list[int]:
        if num_entries < 2 or self.stream.uniform(1) == 0:
            return self.numbers(num_entries, [])
        u = min(self.stream.uniform(4), 10)
        ranks = [self.stream.uniform(6 + u) - 2 ** (5 + u)]
        last = 0
        for _ in range(num_entries - 1):
            node = 1
            for _ in range(5):
                node = 2 * node + self.length.mixed([node, 32 + 32 * last + node])
            last = node - 32
            ranks.append(ranks[-1] + (2 ** (last - 1) + self.stream.uniform(last - 1) if last else 0))
        cut = [min(rank, 2 ** (5 + u) - 1) for rank in ranks]
        return [m << (10 - u) if m >= 0 else 2**15 + ((-1 - m) << (10 - u)) for m in cut]


def step(d: int) -> int:
    return clip((3 * d >> 12) + 8, 0, 15)


def kernel(y: int, x: int, *, top: int, slope: int, base: int, farthest: int, limit: int) -> int:
    d2 = y * y + x * x
    return top // (base + slope * d2) if max(abs(y), abs(x)) <= farthest and d2 <= limit else 0


SPAN = range(-4, 5)
COLUMN_KERNEL = {(y, x): kernel(y, x, top=614, slope=1, base=2, farthest=4, limit=17) for y in SPAN for x in SPAN}
ROW_KERNEL = {(y, x): kernel(y, x, top=3600, slope=2, base=1, farthest=3, limit=10) for y in SPAN for x in SPAN}


class PlainWeights:
    """Section 5: symbols of coded tensors, as flat row-by-row lists."""

    def __init__(self, stream: PlainStream) -> None:
        self.stream = stream
        self.activities: list[int] = []
        """Of the rows of the last coded tensor with weights."""

    def fresh(self) -> None:
        zero_starts = [0.489, 0.385, 0.499, 0.583, 0.19, 1.558, 0.175, 0.076, 0.236]
        self.empty = PlainMixer(self.stream, [1], 3, 0, 2, (1, 1))
        self.zero = PlainMixer(self.stream, zero_starts, 1024, 88, 1.38, (4, 8))
        self.sign = PlainMixer(self.stream, [1] + [0.227] * 6, 145, 819, 1.7, (1, 1))
        self.level = PlainMixer(self.stream, [1] + [0.066] * 7, 26752, 245, 1.61, (64, 1))

    def area_and_width(self, shape: list[int]) -> tuple[int, int]:
        columns, before = math.prod(shape[1:]), len(self.activities)
        choice = self.stream.uniform(2)
        w = self.stream.uniform(12) if choice == 3 else 0
        if choice == 0 and before and columns % before == 0:
            area = columns // before
            return area, math.isqrt(area) if math.isqrt(area) ** 2 == area else area
        if choice == 1 and len(shape) > 2:
            return math.prod(shape[2:]), shape[-1]
        if choice == 2 and math.isqrt(columns) ** 2 == columns:
            return columns, math.isqrt(columns)
        if choice == 3 and w and columns % w == 0:
            return columns, w
        return 1, 1

    def symbols(self, shape: list[int], codebook: list[int]) -> list[int]:
        by_rank: dict[int, int] = {0: 0}
        for t in (1, -1):
            entries = [k for k, pattern in enumerate(codebook) if (pattern < 2**15) == (t > 0)]
            entries.sort(key=lambda k: codebook[k] % 2**15)
            by_rank |= {t * (m + 1): k + 1 for m, k in enumerate(entries)}
        has_zeros = self.stream.uniform(1)
        if not self.activities or not self.stream.uniform(1):
            self.fresh()
        area, width = self.area_and_width(shape)
        matrix = PlainMatrix(self, shape, has_zeros, area, width, max(by_rank), -min(by_rank))
        ranks = [rank for row in range(shape[0]) for rank in matrix.row()]
        columns = len(ranks) // shape[0]
        ones = [sum(map(bool, ranks[start : start + columns])) for start in range(0, len(ranks), columns)]
        self.activities = [min(15, n.bit_length()) for n in ones]
        return [by_rank[rank] for rank in ranks]


class PlainMatrix:
    """Section 5 from `Per tensor` on: the ranks of one matrix, row by row."""

    def __init__(
        self,
        mixers: PlainWeights,
        shape: list[int],
        has_zeros: int,
        area: int,
        width: int,
        positive: int,
        negative: int,
    ) -> None:
        self.mixers, self.has_zeros, self.area, self.width = mixers, has_zeros, area, width
        self.most = {1: positive, -1: negative}
        self.columns = columns = math.prod(shape[1:])
        before = mixers.activities
        grouped = before and columns % len(before) == 0
        self.activity = [before[c // (columns // len(before))] if grouped else 0 for c in range(columns)]
        self.ones = self.coded = self.ranks = self.live = 0
        self.ones_c, self.field_c, self.signs_c, self.ranks_c = ([0] * columns for _ in range(4))
        self.last_empty = 2
        self.here = [0] * columns

    def row(self) -> list[int]:
        self.row_above, self.here = self.here, [0] * self.columns
        if self.has_zeros:
            self.last_empty = self.mixers.empty.mixed([self.last_empty])
            if self.last_empty:
                return self.here
        self.row_ones = self.row_ranks = self.row_signs = 0
        self.row_field_c, self.sign_field_c = [0] * self.columns, [0] * self.columns
        self.channel_ones = [0] * (self.columns // self.area)
        for c in range(self.columns):
            self.here[c] = self.weight(c)
        self.live += 1
        return self.here

    def renew(self, channel: int) -> None:
        a, e = 16 * self.ones + 14, 16 * self.coded + 691
        self.odds = odds = (e << 8) // a
        self.overall = overall = log(a) - log(e)
        self.lf = log(4423 * self.live + (15 * odds >> 8)) + overall
        self.lg = log((7432 << 8) // odds + 19)
        self.lc = log(16 * self.live + (586 * odds >> 8)) + overall
        self.lr = log(self.row_ones * 16 + 569) - overall
        self.lh = log(self.channel_ones[channel] * 16 + 24) - overall

    def weight(self, c: int) -> int:
        channel, a = divmod(c, self.area)
        y, x = divmod(a, self.width)

        def neighbor(up: int, right: int) -> int:
            inside = y - up >= 0 and 0 <= x + right < self.width
            return self.here[c - up * self.width + right] if inside else 0

        self.left, self.left2, self.up, self.up2 = neighbor(0, -1), neighbor(0, -2), neighbor(1, 0), neighbor(2, 0)
        self.up_left, self.up_right = neighbor(1, -1), neighbor(1, 1)
        self.channel_before = self.here[c - self.area] if c >= self.area else 0
        self.row_before = self.row_above[c]
        self.near = sum(rank != 0 for rank in (self.left, self.up, self.up_left, self.up_right))

        self.of_field = self.of_row = 0
        if self.has_zeros:
            if a % 16 == 0:
                self.renew(channel)
            one = self.one(c, channel, a)
            self.coded += 1
            if not one:
                return 0
        else:
            self.coded += 1
        t = self.sign(c) if self.most[1] and self.most[-1] else 1 if self.most[1] else -1
        size = self.size(c, t)
        self.ones, self.ranks = self.ones + 1, self.ranks + size
        self.ones_c[c] += 1
        self.ranks_c[c] += size
        self.signs_c[c] += t
        self.row_ones, self.row_ranks, self.row_signs = self.row_ones + 1, self.row_ranks + size, self.row_signs + t
        self.channel_ones[channel] += 1
        if self.has_zeros:
            self.spread(channel, y, x, t)
            self.renew(channel)
        return t * size

    def spread(self, channel: int, y: int, x: int, t: int) -> None:
        lines = self.area // self.width
        for dy, dx in COLUMN_KERNEL:
            if 0 <= y + dy < lines and 0 <= x + dx < self.width:
                there = channel * self.area + (y + dy) * self.width + x + dx
                self.field_c[there] += COLUMN_KERNEL[dy, dx]
                if dy >= 0:
                    self.row_field_c[there] += ROW_KERNEL[dy, dx]
                    self.sign_field_c[there] += t * ROW_KERNEL[dy, dx]

    def one(self, c: int, channel: int, a: int) -> int:
        odds = self.odds
        field = log(self.field_c[c] + 15) - self.lf
        row_field = log(self.row_field_c[c] + 19) - self.lg
        of_field = self.of_field = step(field)
        of_column = step(log(16 * self.ones_c[c] + 586) - self.lc)
        of_row = self.of_row = step(self.lr - log(16 * c + (569 * odds >> 8)))
        of_channel = step(self.lh - log(16 * a + (24 * odds >> 8)))
        if c == self.columns - 1 and self.row_ones == 0:
            return 1
        around = (self.left, self.up, self.up_left, self.up_right, self.left2, self.up2)
        pattern = sum((rank != 0) << k for k, rank in enumerate(around))
        farther = abs(self.up_left) + abs(self.up_right) + abs(self.left2) + abs(self.up2)
        cells = [
            pattern,
            64 + 16 * of_column + of_row,
            320 + 16 * self.activity[c] + of_row,
            576 + 16 * (2 * (self.channel_before != 0) + (self.row_before != 0)) + of_channel,
            640 + 4 * min(abs(self.left) + abs(self.up), 31) + min(farther, 3),
            768 + 16 * step(row_field) + of_field,
        ]
        return self.mixers.zero.mixed(cells, (self.overall, field, row_field), min(self.near, 3), of_row >> 1)

    def sign(self, c: int) -> int:
        left, up, up_left, up_right = map(sign_of, (self.left, self.up, self.up_left, self.up_right))
        drift = 1750 * (2 * left + 2 * up + up_left + up_right)
        if self.has_zeros:
            drift = self.sign_field_c[c] * 14000 // (self.row_field_c[c] + 439)
        cells = [
            0,
            1 + 27 * (left + 1) + 9 * (up + 1) + 3 * (up_left + 1) + up_right + 1,
            82 + clip(self.signs_c[c], -4, 4) + 4,
            91 + clip(self.row_signs, -8, 8) + 8,
            108 + 3 * (sign_of(self.channel_before) + 1) + sign_of(self.row_before) + 1,
            117 + (drift + 14000 >> 10),
        ]
        return 1 if self.mixers.sign.mixed(cells, (drift,)) else -1

    def size(self, c: int, t: int) -> int:
        left, up, up_left, up_right = map(abs, (self.left, self.up, self.up_left, self.up_right))
        mean = 16 * self.ranks // self.ones if self.ones else 16
        lm = log(mean)
        of_ranks = step(log(16 * self.row_ranks + 2 * mean) - log(self.row_ones + 2) - lm)
        of_above = step(log(16 * self.ranks_c[c] + mean) - log(self.ones_c[c] + 1) - lm)
        of_near = 0
        if self.near:
            sizes = log(16 * (2 * left + 2 * up + up_left + up_right))
            of_near = step(sizes - log(2 * (left > 0) + 2 * (up > 0) + (up_left > 0) + (up_right > 0)) - lm)

        def half(rank: int) -> int:
            return (clip(rank * t, -8, 7) + 8) >> 1

        def node(k: int) -> int:
            b = 2 * k + (t > 0)
            cells = [
                b,
                128 + 16 * b + of_ranks,
                2176 + 16 * b + of_above,
                4224 + 16 * b + of_near,
                6272 + 16 * b + clip(self.row_before * t, -8, 7) + 8,
                8320 + 16 * b + self.of_field,
                10368 + 64 * b + 4 * self.of_row + min(self.near, 3),
                18560 + 64 * b + 8 * half(self.left) + half(self.up),
            ]
            return self.mixers.level.mixed(cells, a=k)

        most, length, size = self.most[t], 0, 1
        while 2 ** (length + 1) <= most and node(length):
            length += 1
        for j in reversed(range(length)):
            size = 2 * size + (node(16 + min(size, 47)) if (2 * size + 1) << j <= most else 0)
        return size


def implied(family: str, shape: list[int]) -> list[tuple[int, list[int]]]:
    """Section 1: kind and dimensions of the tensors of a registered family."""
    tensors = []
    if family == "lenet5":
        p, f1, f2, *shape = shape
        s = ((math.isqrt(p) - 4) // 2 - 4) // 2
        tensors = [(0, [f1, 1, 5, 5]), (1, [f1]), (0, [f2, f1, 5, 5]), (1, [f2])]
        shape = [f2 * s * s, *shape]
    if family == "convnet":
        p, f, k, stride, pool, classes = shape
        s = ((math.isqrt(p) - k) // stride + 1) // pool
        tensors, shape = [(0, [f, 1, k, k]), (1, [f])], [f * s * s, classes]
    if family == "hashed":
        layers = len(shape) // 2 - 1
        for k, o in zip(shape[layers + 1 : -1], shape[1 : layers + 1], strict=True):
            tensors += [(0, [1, k]), (1, [o])]
        return tensors
    for i, o in zip(shape[:-1], shape[1:], strict=True):
        tensors += [(0, [o, i]), (1, [o])]
    return tensors


def plain_decode(blob: bytes) -> dict:
    """Fields of the network; float16 numbers as their 16-bit patterns, tensors as flat row-by-row lists."""
    assert blob[:4] == b"MDL\x02" and zlib.crc32(blob[:4] + blob[8:]) == struct.unpack("<I", blob[4:8])[0]
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

    family = {1: "dense", 2: "lenet5", 3: "convnet", 4: "hashed"}.get(varint())
    named = family is None
    if named:
        length = varint()
        family, position = blob[position : position + length].decode(), position + length
    shape = sizes()
    mean, std = struct.unpack("<2e", blob[position : position + 4])
    position += 4
    tensors = [(varint(), sizes()) for _ in range(varint())] if named else implied(family, shape)
    levels = [varint() if kind == 0 else 0 for kind, _ in tensors]
    stream = PlainStream(blob[position:])
    floats, weights = PlainFloats(stream), PlainWeights(stream)
    decoded = []
    for (kind, dimensions), num_levels in zip(tensors, levels, strict=True):
        size = math.prod(dimensions)
        if kind == 1:
            decoded.append({"shape": dimensions, "values": floats.numbers(size, weights.activities)})
            continue
        codebook = floats.codebook(num_levels)
        symbols = weights.symbols(dimensions, codebook) if num_levels and size else [0] * size
        decoded.append({"shape": dimensions, "codebook": codebook, "symbols": symbols})
    return {"family": family, "shape": shape, "pixel_mean": mean, "pixel_std": std, "tensors": decoded}


def picture_tensor(rng: np.random.Generator, rows: int, side: int, density: float, levels: int) -> CodedTensor:
    """Ones in patches, so that pictures are found; neighboring signs agree."""
    field = rng.standard_normal((rows, side + 2, side + 2))
    smooth = sum(field[:, i : i + side, j : j + side] for i in range(3) for j in range(3))
    symbols = np.where(smooth > 0, rng.integers(levels // 2, levels, smooth.shape), rng.integers(0, levels // 2))
    symbols = (symbols + 1) * (np.abs(smooth) > np.quantile(np.abs(smooth), 1 - density))
    return CodedTensor(symbols.reshape(rows, side * side), np.linspace(-1, 1, levels).astype(np.float16))


def some_tensors(rng: np.random.Generator) -> list[CodedTensor | PlainTensor]:
    def numbers(size: int) -> np.ndarray:
        return rng.standard_normal(size).astype(np.float16)

    dead = (rng.random((30, 1)) < 0.4) * rng.integers(0, 5, (30, 12 * 9))
    odd = np.array([np.nan, -0.0, 0.25, -0.5, 0.25, 0.0, -np.inf, -np.nan, -0.5, 6e-8], np.float16)
    return [
        picture_tensor(rng, 12, 12, 0.2, 16),
        PlainTensor(numbers(12)),
        CodedTensor(dead, numbers(4)),
        PlainTensor(np.where(dead.any(axis=1), numbers(30), np.float16(0))),
        CodedTensor(rng.integers(1, 6, (4, 30)), np.sort(numbers(5))),
        picture_tensor(rng, 5, 9, 0.8, 6),
        CodedTensor(rng.integers(0, 3, (6, 5, 3, 4)), numbers(2)),
        CodedTensor(rng.integers(0, 3, (3, 4, 9)), numbers(2)),
        CodedTensor(rng.integers(0, 2, (2, 900)) * rng.integers(0, 2, (2, 900)), numbers(1)),
        CodedTensor(rng.integers(0, 301, (20, 40)), np.sort(numbers(300))),
        CodedTensor(rng.integers(0, 101, (20, 40)), np.abs(numbers(100))),
        CodedTensor(rng.integers(0, 4, (300, 2)), -np.abs(numbers(3))),
        CodedTensor(rng.integers(0, 11, (9, 16)), odd),
        CodedTensor(np.ones((10, 30), int), np.array([2, 4, 4, 8], np.float16)),
        CodedTensor(np.zeros((10, 30), int), numbers(0)),
        CodedTensor(np.zeros((10, 30), int), numbers(3)),
        CodedTensor(np.zeros((4, 0), int), numbers(3)),
        PlainTensor(np.array([0, 1, -0.0, np.nan, np.inf, 6e-8, -3e-7, 0], np.float16).reshape(8, 1)),
        PlainTensor(np.zeros(10, np.float16)),
        PlainTensor(np.zeros((3, 0), np.float16)),
    ]


@pytest.mark.parametrize("seed", range(2))
def test_the_plain_decoder_reads_every_kind_of_tensor(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tensors = some_tensors(rng)
    check(CodedNetwork("něco", (5, 0), 0.5, -0.25, tuple(tensors)))
    check(CodedNetwork("x", (), 0.0, 0.0, tuple(tensors[i] for i in rng.permutation(len(tensors)))))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(st.sampled_from([(1, 1), (1, 40), (40, 1), (7, 30), (6, 2, 3, 3), (4, 3, 8), (9, 16)]), max_size=4),
    st.sampled_from([0.02, 0.2, 0.7, 1.0]),
    st.lists(st.integers(0, 65535), min_size=1, max_size=80),
)
def test_the_plain_decoder_reads_any_symbols_under_any_codebook(
    seed: int, shapes: list[tuple[int, ...]], density: float, patterns: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    tensors: list[CodedTensor | PlainTensor] = []
    for shape in shapes:
        codebook = np.array(patterns[: rng.integers(1, len(patterns) + 1)], np.uint16).view(np.float16)
        symbols = rng.integers(1, len(codebook) + 1, shape) * (rng.random(shape) < density)
        tensors += [CodedTensor(symbols, codebook), PlainTensor(rng.permutation(codebook))]
    check(CodedNetwork("any", (), 0.0, 1.0, tuple(tensors)))


def test_the_plain_decoder_reads_a_dense_network() -> None:
    rng = np.random.default_rng(0)
    tensors = (picture_tensor(rng, 12, 12, 0.1, 16), PlainTensor(rng.standard_normal(12).astype(np.float16)))
    check(CodedNetwork("dense", (144, 12), 0.5, 0.25, tensors))


def test_the_plain_decoder_reads_what_stands_behind_very_active_units() -> None:
    weight = np.ones((2, 2**14), int)
    weight[1, 0] = 0  # one weight less is another class
    tensors = (CodedTensor(weight, np.ones(1, np.float16)), PlainTensor(np.array([0.5, 0], np.float16)))
    outputs = CodedTensor(np.array([[1, 0], [0, 1], [1, 1]]), np.ones(1, np.float16))
    check(CodedNetwork("active", (), 0.0, 1.0, (*tensors, outputs)))


@pytest.mark.parametrize(
    ("family", "sizes", "shapes"),
    [
        (
            "lenet5",
            (20 * 20, 3, 4, 6, 2),
            [(3, 1, 5, 5), (3,), (4, 3, 5, 5), (4,), (6, 4 * 2 * 2), (6,), (2, 6), (2,)],
        ),
        ("hashed", (30, 5, 6, 3, 70, 1, 18, 12345), [(1, 70), (5,), (1, 1), (6,), (1, 18), (3,)]),
        ("convnet", (20 * 20, 3, 5, 2, 3, 4), [(3, 1, 5, 5), (3,), (4, 3 * 2 * 2), (4,)]),
    ],
)
def test_the_plain_decoder_reads_other_families(
    family: str, sizes: tuple[int, ...], shapes: list[tuple[int, ...]]
) -> None:
    rng = np.random.default_rng(0)
    tensors: list[CodedTensor | PlainTensor] = []
    for shape in shapes:
        if len(shape) == 1:
            tensors.append(PlainTensor(rng.standard_normal(shape).astype(np.float16)))
        else:
            tensors.append(CodedTensor(rng.integers(0, 4, shape), np.array([-1, 0.5, 2], np.float16)))
    check(CodedNetwork(family, sizes, 0.5, 0.25, tuple(tensors)))


@pytest.mark.parametrize("goes_on", [0, 1])
@pytest.mark.parametrize(
    ("choice", "width", "shape", "geometry"),
    [
        (CHANNELS, 0, (5, 6 * 9), (9, 3)),
        (CHANNELS, 0, (5, 6 * 8), (8, 8)),
        (CHANNELS, 0, (5, 6), (1, 1)),
        (CHANNELS, 0, (5, 7), (1, 1)),
        (KERNEL, 0, (5, 4, 3, 2), (6, 2)),
        (KERNEL, 0, (5, 4, 7), (7, 7)),
        (KERNEL, 0, (5, 2, 3, 2, 2), (12, 2)),
        (KERNEL, 0, (5, 28), (1, 1)),
        (SQUARE, 0, (5, 64), (64, 8)),
        (SQUARE, 0, (5, 4, 3, 3), (36, 6)),
        (SQUARE, 0, (5, 63), (1, 1)),
        (EXPLICIT, 12, (5, 60), (60, 12)),
        (EXPLICIT, 60, (5, 60), (60, 60)),
        (EXPLICIT, 1, (5, 60), (60, 1)),
        (EXPLICIT, 61, (5, 60), (1, 1)),
        (EXPLICIT, 0, (5, 60), (1, 1)),
    ],
)
def test_the_plain_decoder_reads_every_choice_an_encoder_has(
    choice: int, width: int, shape: tuple[int, ...], geometry: tuple[int, int], goes_on: int
) -> None:
    """A tensor with six rows, and one behind it that is sent with the choice, be it wise or not."""
    rng = np.random.default_rng(0)
    codebook = np.array([-2, -1, 1, 2, 3], np.float16)  # its values are its ranks
    symbols = [rng.integers(0, 6, (6, 10)), rng.integers(0, 6, shape)]
    network = CodedNetwork("choice", (), 0.0, 1.0, tuple(CodedTensor(s, codebook) for s in symbols))
    coder, floats, model, activity = writer(1 << 16), fresh_float_model(), fresh_model(), np.zeros(0, np.int64)
    for tensor in network.tensors:
        coder, _ = code_codebook(coder, floats, len(codebook), codebook)
        uniform(coder, 1, 1)
        sent = Geometry(1, 1)
        if tensor is network.tensors[1]:
            uniform(coder, 1, goes_on)
            sent, model = Geometry(*geometry), model if goes_on else fresh_model()
        uniform(coder, 2, choice if tensor is network.tensors[1] else KERNEL)
        if tensor is network.tensors[1] and choice == EXPLICIT:
            uniform(coder, 12, width)
        ranks = tensor.weights.astype(np.int16).reshape(len(tensor.symbols), -1)
        coder = code_ranks(coder, ranks, sent, activity, Alphabet(2, 3), True, model)
        activity = np.array([int(n).bit_length() for n in np.count_nonzero(ranks, axis=1)])
    blob = seal(pack(header_of(network)) + finish(coder))
    compare(plain_decode(blob), network)
    assert codec.identical(codec.decode(blob), network)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([[3, 9], [2, 2, 2, 3], [4, 20], [5], [1, 6, 7]]), st.integers(0, 70)), max_size=4
    ),
    st.binary(max_size=60),
)
def test_both_decoders_agree_on_streams_that_no_encoder_wrote(
    kinds: list[tuple[list[int], int]], stream: bytes
) -> None:
    """Every stream is one, so both decoders say the same of noise."""
    layouts = [bytes([len(shape) == 1, len(shape), *shape]) for shape, _ in kinds]
    levels = bytes(levels for shape, levels in kinds if len(shape) > 1)
    body = b"\0\5noise\0" + b"\0\0\0\x3c" + bytes([len(kinds)]) + b"".join(layouts) + levels + stream
    blob = b"MDL\2" + struct.pack("<I", zlib.crc32(b"MDL\2" + body)) + body
    compare(plain_decode(blob), codec.decode(blob))


def test_the_plain_decoder_reads_a_file_of_a_trained_network() -> None:
    blob = min(MODELS.glob("*.mdl")).read_bytes()
    compare(plain_decode(blob), codec.decode(blob))


def check(network: CodedNetwork) -> None:
    compare(plain_decode(codec.encode(network).blob), network)


def compare(read: dict, network: CodedNetwork) -> None:
    assert [read["family"], read["shape"]] == [network.family, list(network.shape)]
    assert [read["pixel_mean"], read["pixel_std"]] == [network.pixel_mean, network.pixel_std]
    for plain, tensor in zip(read["tensors"], network.tensors, strict=True):
        assert plain["shape"] == list(tensor.shape)
        if isinstance(tensor, PlainTensor):
            assert plain["values"] == tensor.values.ravel().view(np.uint16).tolist()
        else:
            assert plain["codebook"] == tensor.codebook.view(np.uint16).tolist()
            assert plain["symbols"] == tensor.symbols.ravel().tolist()
