"""What NNCodec (ISO/IEC 15938-17, package nncodec) makes of tensors of integers. codec.py runs it in NNCodec's Python.

    python -P benchmarks/nncodec_sizes.py [--repeat 5] [--no-search] NETWORK.npz ...     -> JSON on standard output

A file holds `weights_0`, `weights_1` … (int32: 0 for zero, -1, -2 … and 1, 2 … by rank from zero) and `floats_0` …
(the bit patterns of codebooks and plain float16 tensors, uint16). Everything that is counted is decoded and compared.

file_bytes      what `nncodec.nnc.compress` writes for all weights, with its start and unit headers
payload_bytes   the stream of its bare arithmetic coder (`nncodec.extensions.deepCABAC`), all tensors in one stream, and
                one byte of options and the dimensions as varints for each tensor
bare_bytes      that stream alone, which nobody could decode: the strictest comparison
floats_bytes    part of each of the three: two bytes per number, or less where the coder makes less of the patterns

Options are searched and the smallest kept: for the bare coder per tensor (order of the axes, scan order, number of
greater-than flags, optimized initial states, skipped rows, bounded levels), for the file per network (the same without
bounds, which its interface does not offer for integers); for both also all tensors end to end as one, with options and
dimensions as above beside it. Turned axes of a file are not counted. `--no-search` takes the defaults. Seconds are
CPU time, medians under the options kept: `encode_seconds` and `decode_seconds` of the bare coder, tensor by tensor,
`file_encode_seconds` and `file_decode_seconds` of the interface around it.
"""

import argparse
import itertools
import json
import statistics
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from nncodec import nnc
from nncodec.extensions import deepCABAC
from nncodec.nnc_core.hdsp.hdsp_tool import HDSP_OPTS_OFF

PROFILE = 1
AXES = {1: [(0,)], 2: [(0, 1), (1, 0)]}
AXES[4] = [(0, 1, 2, 3), (1, 0, 2, 3), (0, 2, 3, 1), (1, 2, 3, 0), (2, 3, 0, 1), (2, 3, 1, 0)]
GREATER_FLAGS = (1, 2, 3, 5, 8, 11, 16)
SCAN_ORDERS = (0, 1, 2, 3, 4)

FileOptions = dict[str, int]
"""Arguments of `nnc.compress`."""


@dataclass(frozen=True)
class Options:
    """How the bare coder treats one tensor."""

    axes: tuple[int, ...]
    optimized: int = 1
    skip_rows: int = 0
    greater_flags: int = 11
    scan_order: int = 0
    bounded: int = 0
    """Whether the coder is told the least and the greatest level, as it is for codebooks of its own."""


def bounds(tensor: np.ndarray, options: Options) -> tuple[int, int]:
    """NNCodec's size of the codebook and place of its zero; (0, 0) for none."""
    if not options.bounded:
        return 0, 0
    low, high = min(int(tensor.min()), 0), max(int(tensor.max()), 0)
    return high - low + 1, -low


def encode(tensors: list[np.ndarray], options: list[Options]) -> np.ndarray:
    """One stream of the bare coder."""
    encoder = deepCABAC.Encoder()
    for tensor, chosen in zip(tensors, options, strict=True):
        turned = np.ascontiguousarray(tensor.transpose(chosen.axes))
        empty = ~turned.reshape(len(turned), -1).any(1) if turned.ndim > 1 else np.zeros(len(turned))
        encoder.initCtxModels(chosen.greater_flags, chosen.optimized)
        book, switches = bounds(tensor, chosen), (chosen.scan_order, PROFILE, 0, chosen.skip_rows)
        encoder.encodeLayer(turned, 0, *switches, empty.astype(np.int32), *HDSP_OPTS_OFF(), *book)
    return encoder.finish()


def decode(stream: np.ndarray, like: list[np.ndarray], options: list[Options]) -> list[np.ndarray]:
    """The inverse; of `like` only shapes and bounds are used."""
    decoder, decoded = deepCABAC.Decoder(), []
    decoder.setStream(stream)
    for tensor, chosen in zip(like, options, strict=True):
        turned = np.zeros([tensor.shape[axis] for axis in chosen.axes], np.int32)
        decoder.initCtxModels(chosen.greater_flags)
        # With a scan order, `decodeLayer` wants entry points, which only decoding in parallel needs.
        call = decoder.decodeLayerAndCreateEPs if chosen.scan_order else decoder.decodeLayer
        call(turned, 0, chosen.scan_order, PROFILE, 0, *HDSP_OPTS_OFF(), *bounds(tensor, chosen))
        decoded.append(turned.transpose(np.argsort(chosen.axes)))
    decoder.finish()
    return decoded


def agrees(decoded: list[np.ndarray], tensors: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(decoded, tensors, strict=True))


def checked_length(tensors: list[np.ndarray], options: list[Options]) -> int:
    """Length of the stream in bytes; RuntimeError if it does not decode to the tensors."""
    stream = encode(tensors, options)
    if not agrees(decode(stream, tensors, options), tensors):
        raise RuntimeError(f"NNCodec does not give back what it was given, with {options}")
    return len(stream)


def best_options(tensor: np.ndarray) -> Options:
    """The options of the shortest stream: axes, start and rows together, then flags, scan order and bounds in turn."""
    flat = tensor.ndim == 1

    def shortest(candidates: list[Options]) -> Options:
        return min(candidates, key=lambda options: len(encode([tensor], [options])))

    switches = itertools.product(AXES[tensor.ndim], (1, 0), (0,) if flat else (0, 1))
    best = shortest([Options(*chosen) for chosen in switches])
    best = shortest([replace(best, bounded=bounded) for bounded in (0, 1)])
    best = shortest([replace(best, greater_flags=flags) for flags in GREATER_FLAGS])
    if not flat:
        best = shortest([replace(best, scan_order=order) for order in SCAN_ORDERS])
    return shortest([replace(best, optimized=optimized) for optimized in (1, 0)])


def shapes_length(tensors: list[np.ndarray]) -> int:
    """Bytes of all dimensions as varints, and of one byte of options per tensor."""
    return sum(1 + sum(max(1, -(-size.bit_length() // 7)) for size in tensor.shape) for tensor in tensors)


def file_of(tensors: list[np.ndarray], options: FileOptions) -> tuple[int, float, float]:
    """The file of NNCodec's own interface: its length, and the seconds to write and to read it.

    RuntimeError if it does not decode to the tensors.
    """
    given = {str(number): np.ascontiguousarray(tensor) for number, tensor in enumerate(tensors)}
    begun = time.process_time()
    written = nnc.compress(dict(given), bitstream_path=None, return_bitstream=True, use_dq=False, **options)
    encoded = time.process_time()
    decoded = nnc.decompress(written)
    ended = time.process_time()
    if not agrees([decoded[name] for name in given], list(given.values())):
        raise RuntimeError(f"NNCodec's file does not give back what it was given, with {options}")
    return len(written), encoded - begun, ended - encoded


def joined(tensors: list[np.ndarray], chosen: list[Options]) -> np.ndarray:
    """All tensors end to end, their axes turned."""
    pairs = zip(tensors, chosen, strict=True)
    return np.concatenate([tensor.transpose(options.axes).ravel() for tensor, options in pairs])


def best_file(tensors: list[np.ndarray], chosen: list[Options]) -> tuple[str, list[np.ndarray], FileOptions]:
    """What gives the shortest file: a word for the form of the tensors, they in this form, the interface's options."""
    turned = [tensor.transpose(options.axes) for tensor, options in zip(tensors, chosen, strict=True)]
    forms = {"as they are": tensors, "turned": turned, "joined": [joined(tensors, chosen)]}
    beside = {"as they are": 0, "turned": 0, "joined": shapes_length(tensors)}
    candidates = [
        (form, {"param_opt": optimized, "row_skipping": rows, "cabac_unary_length_minus1": flags - 1, "scan_order": 0})
        for form in forms
        for optimized, rows, flags in itertools.product((True, False), (True, False), (1, 3, 8, 11))
    ]
    form, options = min(
        candidates, key=lambda candidate: file_of(forms[candidate[0]], candidate[1])[0] + beside[candidate[0]]
    )
    orders = [options | {"scan_order": order} for order in SCAN_ORDERS]
    return form, forms[form], min(orders, key=lambda candidate: file_of(forms[form], candidate)[0])


def floats_length(patterns: list[np.ndarray]) -> int:
    """Bytes of the float16 numbers: tensor by tensor two each, or coded as signed integers where that is shorter."""
    total = 0
    for pattern in patterns:
        signed = np.where(pattern >> 15, -1, 1) * (pattern & 0x7FFF).astype(np.int32)
        exact = not np.any(pattern == 0x8000)  # minus zero has no integer
        coded = [checked_length([signed.astype(np.int32)], [Options((0,), o)]) for o in (0, 1)] if exact else []
        total += min([2 * pattern.size, *coded])
    return total


def memory(what: str) -> float:
    """Megabytes of this process, of Linux's `VmRSS` (now) or `VmHWM` (the most since the peak was forgotten).

    Not getrusage: what it calls the peak is handed down from the process that started this one.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what + ":"))


def forget_peak() -> None:
    """Let `VmHWM` begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


def measure(path: str, repeat: int, search: bool) -> dict[str, object]:
    """Sizes in bytes, medians in seconds and the options kept, for one file."""
    with np.load(path) as arrays:
        weights = [arrays[name] for name in arrays.files if name.startswith("weights_")]
        floats = [arrays[name] for name in arrays.files if name.startswith("floats_")]
    chosen = [best_options(tensor) if search else Options(AXES[tensor.ndim][0]) for tensor in weights]
    bare = checked_length(weights, chosen)
    if search:
        end_to_end = joined(weights, chosen)
        bare = min(bare, checked_length([end_to_end], [best_options(end_to_end)]))
    form, tensors, file_options = best_file(weights, chosen) if search else ("as they are", weights, {})
    times = []
    forget_peak()
    before = memory("VmRSS")
    for _ in range(repeat):
        begun = time.process_time()
        stream = encode(weights, chosen)
        encoded = time.process_time()
        decode(stream, weights, chosen)
        decoded = time.process_time()
        length, file_encode, file_decode = file_of(tensors, file_options)
        times.append((encoded - begun, decoded - encoded, file_encode, file_decode))
    peak = memory("VmHWM")
    names = ("encode_seconds", "decode_seconds", "file_encode_seconds", "file_decode_seconds")
    found: dict[str, object] = dict(zip(names, map(statistics.median, zip(*times, strict=True)), strict=True))
    shapes = shapes_length(weights)
    numbers = floats_length(floats)
    length += shapes if form == "joined" else 0
    found |= {"file_bytes": length + numbers, "payload_bytes": bare + shapes + numbers, "bare_bytes": bare + numbers}
    found |= {"peak_megabytes": peak, "added_megabytes": peak - before}
    found |= {"floats_bytes": numbers, "file_options": {"form": form} | file_options}
    return found | {"options": [asdict(options) for options in chosen]}


def main() -> None:
    """A list of what was found per file, as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("networks", nargs="+")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--no-search", action="store_true")
    arguments = parser.parse_args()
    found = [measure(path, arguments.repeat, not arguments.no_search) for path in arguments.networks]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
