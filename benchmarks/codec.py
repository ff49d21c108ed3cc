"""How small are our files beside other coders', and how fast? The same integers, codebooks and float16 numbers for all.

    python benchmarks/codec.py [--nncodec /path/to/its/python] [--network FILE.mdl ...] [--throughput]

Trained networks of the reference runs, of `codec_networks.NETWORKS`, of --network, and synthetic tensors, coded by us,
by NNCodec and by general compressors over the sparse layout of `mdlray.codec.estimates`. Ours and NNCodec's are decoded
and compared. NNCodec (ISO/IEC 15938-17; it pins old packages and its license grants no patents) is no dependency:
without --nncodec its columns are left out. An environment for it, which needs a C++ compiler and three minutes:

    python3.11 -m venv nnc && nnc/bin/pip install "numpy<2" torch torchvision
    nnc/bin/pip freeze | grep -E "^(numpy|torch|torchvision)==" > nnc/constraints.txt
    nnc/bin/pip install -c nnc/constraints.txt nncodec==2.1.3

Aims, against the smallest file that NNCodec makes: at most 0.95 of it on every trained network, 0.85 in their geometric
mean, smaller on every synthetic tensor, and no slower. The same is said against its bare coder, which is C++ alone, and
whose stream needs what is counted here at the least (`its payload`). Times are CPU seconds of one thread, so that other
work on the machine counts little.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse  # noqa: E402
import json  # noqa: E402
import platform  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import pandas as pd  # noqa: E402
from codec_networks import large_network, synthetic_networks, trained_networks, write_integers  # noqa: E402

from mdlray import codec  # noqa: E402
from mdlray.codec import CodedNetwork  # noqa: E402
from mdlray.codec.columns import size_columns  # noqa: E402

Row = dict[str, Any]

MOST_OF_NNCODEC, MEAN_OF_NNCODEC = 0.95, 0.85
LARGE = {
    "5.0 M, 95 % zeros": (0.42, False),
    "5.0 M, dense, 16 levels": (0.42, True),
    "25.5 M, 95 % zeros": (1.0, False),
    "25.5 M, dense, 16 levels": (1.0, True),
}
"""Networks of ResNet-50's shapes: share of its channels, and whether dense."""


def timed(network: CodedNetwork, repeat: int) -> tuple[codec.EncodedNetwork, float, float]:
    """The file, and medians of the CPU seconds to encode and decode it; RuntimeError if that gives something else."""
    spent: list[tuple[float, float]] = []
    for _ in range(repeat + 1):  # the first warms up
        begun = time.process_time()
        file = codec.encode(network)
        encoded = time.process_time()
        decoded = codec.decode(file.blob)
        spent.append((encoded - begun, time.process_time() - encoded))
    if not codec.identical(decoded, network):
        raise RuntimeError("our file does not decode to the network")
    encode, decode = zip(*spent[1:] or spent, strict=True)
    return file, statistics.median(encode), statistics.median(decode)


def our_row(name: str, kind: str, network: CodedNetwork, repeat: int) -> Row:
    """Sizes of our file and of the estimates, and our times."""
    file, encode, decode = timed(network, repeat)
    row = {"network": name, "kind": kind} | size_columns(file, network)
    return row | {"encode_seconds": encode, "decode_seconds": decode}


def nncodec_rows(python: str, networks: list[CodedNetwork], words: list[str]) -> list[Row]:
    """What nncodec_sizes.py finds, in its own Python."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.npz" for number in range(len(networks))]
        for path, network in zip(paths, networks, strict=True):
            write_integers(path, network)
        script = str(Path(__file__).with_name("nncodec_sizes.py"))
        plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [python, "-P", script, *words, *map(str, paths)], stdout=subprocess.PIPE, text=True, check=True, env=plain
        )
    found: list[Row] = json.loads(done.stdout.splitlines()[-1])
    return found


def size_table(more: list[Path], nncodec: str | None, repeat: int) -> pd.DataFrame:
    """One row per network."""
    sets = {"trained": list(trained_networks(more)), "synthetic": list(synthetic_networks())}
    rows = [our_row(name, kind, network, repeat) for kind, named in sets.items() for name, network in named]
    if nncodec:
        networks = [network for named in sets.values() for _, network in named]
        found = nncodec_rows(nncodec, networks, ["--repeat", str(repeat)])
        for row, its in zip(rows, found, strict=True):
            row |= {f"nncodec_{key}": its[key] for key in its if key.endswith(("_bytes", "_seconds"))}
            row["nncodec_file_options"] = json.dumps(its["file_options"])
            row["of_nncodec"] = row["compressed_bytes"] / its["file_bytes"]
            row["of_nncodec_payload"] = row["compressed_bytes"] / its["payload_bytes"]
            row["of_nncodec_bare"] = row["compressed_bytes"] / its["bare_bytes"]
    return pd.DataFrame(rows)


def markdown(rows: list[list[str]]) -> str:
    """A table whose first row is its head; columns but the first are numbers."""
    head, *body = rows
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def print_sizes(table: pd.DataFrame) -> None:
    """Bytes of every coder, then seconds."""
    coders = {"compressed_bytes": "ours"}
    if "of_nncodec" in table:
        coders |= {
            "nncodec_file_bytes": "NNCodec",
            "nncodec_payload_bytes": "its payload",
            "nncodec_bare_bytes": "bare",
        }
    coders |= {"lzma_csr_bytes": "lzma", "zstd_csr_bytes": "zstd", "zlib_csr_bytes": "zlib"}
    ratios = [name for name in ("of_nncodec", "of_nncodec_payload") if name in table]
    head = [
        "network",
        "weights",
        "non-zeros",
        *coders.values(),
        "entropy",
        *(["of NNCodec", "of its payload"] if ratios else []),
    ]
    rows = [head]
    for _, row in table.iterrows():
        counts = [f"{row[name]:,}" for name in ("num_weights", "num_nonzero", *coders)]
        counts.append(f"{row['ideal_entropy_bits'] / 8:,.0f}")
        rows.append([row["network"], *counts, *(f"{row[name]:.3f}" for name in ratios)])
    print("Bytes; entropy is of order 0 and counts neither codebooks nor biases:\n\n" + markdown(rows) + "\n")
    times = {"encode_seconds": "encode", "decode_seconds": "decode"}
    if ratios:
        times |= {f"nncodec_file_{what}_seconds": f"NNCodec {what}" for what in ("encode", "decode")}
        times |= {f"nncodec_{what}_seconds": f"its bare coder {what}" for what in ("encode", "decode")}
    rows = [["milliseconds", *times.values()]]
    for _, row in table.iterrows():
        rows.append([row["network"], *(f"{1000 * row[name]:.1f}" for name in times)])
    print(markdown(rows) + "\n")


def print_aims(table: pd.DataFrame) -> None:
    """Which aims are met."""
    trained, synthetic = table[table["kind"] == "trained"], table[table["kind"] == "synthetic"]
    for against, name in (("its smallest file", "of_nncodec"), ("its payload", "of_nncodec_payload")):
        worst, mean = trained[name].max(), statistics.geometric_mean(trained[name])
        print(f"Against NNCodec, {against}:")
        print(f"- {MOST_OF_NNCODEC} on every trained network: {met(worst <= MOST_OF_NNCODEC)} (worst {worst:.3f})")
        print(f"- {MEAN_OF_NNCODEC} in their geometric mean: {met(mean <= MEAN_OF_NNCODEC)} ({mean:.3f})")
        worst = synthetic[name].max()
        print(f"- smaller on every synthetic tensor: {met(worst < 1)} (worst {worst:.3f})")
    for whom, prefix in (("NNCodec", "nncodec_file_"), ("its bare coder", "nncodec_")):
        for what in ("encode", "decode"):
            slower = (table[f"{what}_seconds"] / table[f"{prefix}{what}_seconds"]).max()
            print(f"- {what} no slower than {whom}: {met(slower <= 1)} (worst {slower:.2f} times)")


def met(holds: bool) -> str:
    """The word for an aim."""
    return "yes" if holds else "no"


def measure_large(name: str) -> Row:
    """Our bytes and seconds for one of LARGE, and this process's memory: its peak, and by how much that grew."""
    network = large_network(*LARGE[name])
    codec.decode(codec.encode(large_network(0.05, LARGE[name][1])).blob)  # warms up
    forget_peak()
    before = memory("VmRSS")
    file, encode, decode = timed(network, repeat=0)
    peak = memory("VmHWM")
    weights = sum(tensor.symbols.size for tensor in network.tensors)
    found = {"network": name, "weights": weights, "bytes": len(file.blob), "encode": encode, "decode": decode}
    return found | {"peak_megabytes": peak, "added_megabytes": peak - before}


def memory(what: str) -> float:
    """Megabytes of this process, of Linux's `VmRSS` (now) or `VmHWM` (the most since the peak was forgotten).

    Not getrusage: what it calls the peak is handed down from the process that started this one.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what + ":"))


def forget_peak() -> None:
    """Let `VmHWM` begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


def throughput_table(nncodec: str | None, names: list[str]) -> pd.DataFrame:
    """One row per large network, each in a process of its own."""
    rows = []
    for name in names:
        words = [sys.executable, __file__, "--measure", name]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        row = json.loads(done.stdout)
        if nncodec:
            words = ["--no-search", "--repeat", "1"]
            (its,) = nncodec_rows(nncodec, [large_network(*LARGE[name])], words)
            row |= {"nncodec_bytes": its["file_bytes"]}
            row |= {f"nncodec_{name}": its[name] for name in ("peak_megabytes", "added_megabytes")}
            row |= {f"nncodec_{what}": its[f"{what}_seconds"] for what in ("encode", "decode")}
        rows.append(row)
        print(f"{row}", file=sys.stderr, flush=True)
    return pd.DataFrame(rows)


def print_throughput(table: pd.DataFrame) -> None:
    """Millions of weights per second and memory."""
    whose = ["", "nncodec_"] if "nncodec_bytes" in table else [""]
    titles = {"": "ours", "nncodec_": "NNCodec"}
    head = ["network"]
    for who in whose:
        head += [
            f"{titles[who]} {what}"
            for what in ("(bytes)", "encode (M/s)", "decode (M/s)", "peak (MB)", "of it added (MB)")
        ]
    rows = [head]
    for _, row in table.iterrows():
        line = [row["network"]]
        for who in whose:
            line += [
                f"{row[who + 'bytes']:,}",
                *(f"{row['weights'] / row[who + w] / 1e6:.2f}" for w in ("encode", "decode")),
            ]
            line += [f"{row[who + name]:,.0f}" for name in ("peak_megabytes", "added_megabytes")]
        rows.append(line)
    print("\n" + markdown(rows))


def main() -> None:
    """Code, decode, compare, print Markdown, write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--nncodec", metavar="PYTHON", help="the interpreter of an environment with NNCodec")
    parser.add_argument("--network", type=Path, nargs="*", default=[], help="further .mdl files")
    parser.add_argument("--repeat", type=int, default=7, help="times that each time is measured")
    parser.add_argument("--throughput", nargs="?", const="all", help="also large networks: all, or part of their names")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/tables"))
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure_large(arguments.measure)))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, one thread\n")
    table = size_table(arguments.network, arguments.nncodec, arguments.repeat)
    print_sizes(table)
    if arguments.nncodec:
        print_aims(table)
    else:
        print("Without --nncodec its columns are left out, and no aim is judged.")
    arguments.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(arguments.out / "codec.csv", index=False)
    if arguments.throughput:
        names = [name for name in LARGE if arguments.throughput == "all" or arguments.throughput in name]
        large = throughput_table(arguments.nncodec, names)
        print_throughput(large)
        large.to_csv(arguments.out / "codec_throughput.csv", index=False)


if __name__ == "__main__":
    main()
