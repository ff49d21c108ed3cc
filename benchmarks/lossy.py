"""Bytes and accuracy of what is lost between training and the file: one pack is trained once and quantized many ways.

784-100-10 networks on MNIST, magnitude pruning with L2, as in `sweeps/compare_pruning.py` but for half as many epochs:

    python benchmarks/lossy.py --data DIR [--epochs 50] [--only removed 4-bit ...]

prints a Markdown table with bytes, validation and test accuracy in % of the decoded networks, means over the seeds. On
one core training takes about 3 minutes, and every line of the table 10 to 20 seconds.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mdlray.planning import Pack
from mdlray.spec import CompressionSpec, TrainingSpec, TrialSpec, replace_fields
from mdlray.worker.run_pack import WorkerConfig, run_pack

RATIOS = (0.9, 0.97, 0.99, 0.998)
SEEDS = (0, 1)

REMOVED = {"remove_dead_units": True}
SORTED = REMOVED | {"unit_order": "sorted"}
FEW_BITS = SORTED | {"bias_mantissa_bits": 3, "codebook_mantissa_bits": 4}

CHOICES: dict[str, Mapping[str, Any]] = {
    "as before": {},
    "dead units removed": REMOVED,
    "removed, biases 4-bit": REMOVED | {"bias_mantissa_bits": 4},
    "removed, biases 3-bit": REMOVED | {"bias_mantissa_bits": 3},
    "removed, biases 2-bit": REMOVED | {"bias_mantissa_bits": 2},
    "removed, sorted": SORTED,
    "removed, sorted, biases 3-bit, codebooks 4-bit (base)": FEW_BITS,
    **{f"base, λ = {price:g}": FEW_BITS | {"rate_distortion": price} for price in (1e-6, 3e-6, 1e-5, 3e-5, 1e-4)},
    **{
        f"base, {grid}, {levels} levels": FEW_BITS | {"quantization_grid": grid, "quantization_levels": levels}
        for levels in (2, 3, 4, 8, 16)
        for grid in ("kmeans", "uniform")
        if (grid, levels) != ("kmeans", 16)
    },
    "base, levels 4-16": FEW_BITS | {"levels_per_layer": (4, 16)},
    "base, levels 16-4": FEW_BITS | {"levels_per_layer": (16, 4)},
    **{
        f"base, {levels} levels, λ = {price:g}": FEW_BITS | {"quantization_levels": levels, "rate_distortion": price}
        for levels in (4, 8)
        for price in (3e-6, 1e-5, 3e-5)
    },
    **{
        f"base, levels 4-16, λ = {price:g}": FEW_BITS | {"levels_per_layer": (4, 16), "rate_distortion": price}
        for price in (1e-6, 3e-6, 1e-5, 3e-5)
    },
    "base, uniform, 8 levels, λ = 1e-05": FEW_BITS
    | {"quantization_grid": "uniform", "quantization_levels": 8, "rate_distortion": 1e-5},
}


def learners(num_epochs: int) -> list[TrialSpec]:
    """The networks to train."""
    last = num_epochs * 3 // 4
    base = TrialSpec(
        training=TrainingSpec(num_epochs=num_epochs, regularizer="l2", regularizer_strength=1e-3),
        compression=CompressionSpec(
            method="magnitude",
            num_pruning_steps=74,
            pruning_exponent=96.0,
            first_pruning_epoch=2,
            last_pruning_epoch=last,
        ),
    )
    return [
        replace_fields(base, {"compression.pruning_ratio": ratio, "seeds.initialization": seed})
        for ratio in RATIOS
        for seed in SEEDS
    ]


def main() -> None:
    """Train, quantize, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="root of the data sets in torchvision's layout")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--only", nargs="*", default=[""], help="only choices whose names contain one of these")
    options = parser.parse_args()
    choices = {name: fields for name, fields in CHOICES.items() if any(part in name for part in options.only)}
    trials = {
        (name, spec.compression.pruning_ratio, spec.seeds.initialization): replace_fields(
            spec, {f"compression.{field}": value for field, value in fields.items()}
        )
        for name, fields in choices.items()
        for spec in learners(options.epochs)
    }
    result = run_pack(Pack("lossy", tuple(trials.values())), WorkerConfig(data=options.data))
    rows = {row["trial_id"]: row for row in result.rows}
    print("| choice | " + " | ".join(f"{ratio:.1%} removed" for ratio in RATIOS) + " |")
    print("| --- |" + " ---: |" * len(RATIOS))
    for name in choices:
        cells = []
        for ratio in RATIOS:
            mine = [rows[trials[name, ratio, seed].trial_id] for seed in SEEDS]
            if failed := [row["error"] for row in mine if row["status"] != "ok"]:
                raise SystemExit(failed[0])
            columns = ("compressed_bytes", "validation_accuracy", "test_accuracy")
            size, validation, test = (float(np.mean([row[column] for row in mine])) for column in columns)
            cells.append(f"{size:,.0f}: {validation:.2%} / {test:.2%}".replace("%", ""))
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
