"""Ids of 5,000 random trials are those of the code before the rooms moved (commit 16c16be), so rows are found again."""

import hashlib
import random
from typing import Any

from mdlray.spec import TrialSpec, replace_fields


def random_fields(draw: random.Random) -> dict[str, Any]:
    """Fields of one valid trial; about half of them keep their defaults."""
    method = draw.choice(["none", "magnitude", "obd"])
    epochs = draw.randint(1, 200)
    last = draw.randint(0, epochs)
    student_round = draw.choice([0, 0, 0, draw.randint(1, 15)])
    levels = draw.choice([(), (), (4, 16)])
    strength = draw.choice([0.0, 10 ** draw.uniform(-6, -2)])
    fields = {
        "data.dataset": draw.choice(["mnist", "mnist5k", "fashion_mnist_rotation", "my_pictures"]),
        "data.split": draw.choice(["study", "usual"]),
        "data.label_randomization_fraction": draw.choice([0.0, 1.0, draw.random()]),
        "data.pixel_randomization": draw.choice(["none", "shuffled", "random", "gaussian"]),
        "model.family": draw.choice(["dense", "convnet", "hashed", "lenet5"]),
        "model.hidden_units": tuple(draw.randint(1, 600) for _ in range(draw.randint(0, 3))),
        "model.kernel_size": draw.randint(1, 9),
        "model.bucket_fraction": draw.choice([1.0, draw.uniform(0.001, 1)]),
        "model.hash_seed": draw.choice([0, draw.randint(0, 2**28 - 1)]),
        "training.num_epochs": epochs,
        "training.batch_size": draw.randint(1, 512),
        "training.optimizer": draw.choice(["sgd", "adam"]),
        "training.learning_rate": 10 ** draw.uniform(-4, 0),
        "training.learning_rate_schedule": draw.choice(["constant", "cosine", "step"]),
        "training.regularizer": draw.choice(["l1", "l2"]) if strength else "none",
        "training.regularizer_strength": strength,
        "training.dropout": draw.choice([0.0, draw.random() * 0.9]),
        "training.max_shift": draw.choice([0, draw.randint(1, 8)]),
        "compression.method": method,
        "compression.pruning_ratio": 0.0 if method == "none" or student_round else draw.random(),
        "compression.scope": draw.choice(["global", "per_layer"]),
        "compression.num_pruning_steps": draw.randint(1, 200),
        "compression.pruning_exponent": draw.uniform(1, 128),
        "compression.first_pruning_epoch": draw.randint(0, last),
        "compression.last_pruning_epoch": last,
        "compression.levels_per_layer": levels,
        "compression.quantization_levels": 16 if levels else draw.randint(1, 4096),
        "compression.quantization_grid": draw.choice(["kmeans", "uniform"]),
        "compression.rate_distortion": draw.choice([0.0, 10 ** draw.uniform(-7, -4)]),
        "compression.bias_mantissa_bits": draw.randint(0, 10),
        "compression.remove_dead_units": draw.random() < 0.5,
        "student.round": student_round,
        "student.shrink_factor": draw.uniform(0.5, 1) if student_round else 0.8,
        "seeds.initialization": draw.randint(0, 2**31 - 1),
        "seeds.data_order": draw.randint(0, 9),
        "seeds.randomization": draw.randint(0, 9),
    }
    # Drawn for every field, so that a field that is added here later does not move the others.
    return {name: value for name, value in fields.items() if name in NEVER_LEFT or draw.random() < 0.5}


NEVER_LEFT = {
    "training.num_epochs",
    "training.regularizer",
    "training.regularizer_strength",
    "compression.method",
    "compression.pruning_ratio",
    "compression.first_pruning_epoch",
    "compression.last_pruning_epoch",
    "compression.levels_per_layer",
    "compression.quantization_levels",
    "student.round",
    "student.shrink_factor",
}
"""Fields that are valid only together."""


def random_specs(count: int = 5000) -> list[TrialSpec]:
    """The same trials for every version."""
    draw = random.Random(20261125)
    return [replace_fields(TrialSpec(), random_fields(draw)) for _ in range(count)]


def digest(specs: list[TrialSpec]) -> str:
    """One hash over all ids: trial, cell, training, lineage and stack."""
    ids = [
        f"{spec.trial_id}{spec.cell_id}{spec.training_key}{spec.lineage_key}{spec.stack_key}{spec.images_key}"
        for spec in specs
    ]
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def test_ids_of_five_thousand_random_trials_have_not_changed() -> None:
    """The digest was printed by this file's functions at commit 16c16be; change it only together with SPEC_VERSION."""
    assert digest(random_specs()) == "8f0a61bc16a3a56130f4ec3fea5e4bce15ec2454e72fef95dd00b3ae9cb3f7e3"
