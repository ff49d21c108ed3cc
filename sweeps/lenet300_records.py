"""How few bytes does LeNet-300-100 need at 1.9 % test error on MNIST?

LeNet-300-100 is the dense network 784-300-100-10 with 266,200 weights. Published results are 27 kB at 1.58 % test error
(Han et al. 2016) and 8.56 kB at 1.9 % (Oktay et al. 2020). This sweep compresses it as `lenet5_records` does. Images
are moved by up to one pixel in training, or not; the papers did not move them.
"""

from mdlray.planning import Sweep, vary
from mdlray.spec import CompressionSpec, DataSpec, ModelSpec, TrainingSpec, TrialSpec

SMALL = {"remove_dead_units": True, "unit_order": "sorted", "bias_mantissa_bits": 3, "codebook_mantissa_bits": 4}

SWEEP = Sweep(
    name="lenet300_records",
    question="How few bytes does LeNet-300-100 need at 1.9 % test error on MNIST?",
    base=TrialSpec(
        data=DataSpec(dataset="mnist", split="usual"),
        model=ModelSpec(hidden_units=(300, 100)),
        training=TrainingSpec(
            num_epochs=40,
            batch_size=128,
            optimizer="adam",
            learning_rate=0.002,
            regularizer="l2",
            regularizer_strength=1e-4,
        ),
        compression=CompressionSpec(
            method="magnitude",
            num_pruning_steps=100,
            pruning_exponent=96.0,
            first_pruning_epoch=1,
            last_pruning_epoch=22,
            centroid_epochs=4,
            **SMALL,
        ),
    ),
    grids=(
        {
            "shift": vary("training.max_shift", 0, 1),
            "ratio": vary("compression.pruning_ratio", 0.975, 0.985),
            "levels": vary("compression.quantization_levels", 16, 6),
        },
    ),
    quick=Sweep(
        name="lenet300_records",
        question="The same on the 5,000 embedded digits, shorter.",
        base=TrialSpec(
            data=DataSpec(dataset="mnist5k"),
            model=ModelSpec(hidden_units=(100, 30)),
            training=TrainingSpec(num_epochs=20, batch_size=32, optimizer="adam", learning_rate=0.002),
            compression=CompressionSpec(
                method="magnitude",
                num_pruning_steps=20,
                pruning_exponent=24.0,
                first_pruning_epoch=1,
                last_pruning_epoch=12,
                **SMALL,
            ),
        ),
        grids=(
            {
                "shift": vary("training.max_shift", 0, 1),
                "ratio": vary("compression.pruning_ratio", 0.95, 0.98),
                "levels": vary("compression.quantization_levels", 16, 6),
            },
        ),
    ),
)
