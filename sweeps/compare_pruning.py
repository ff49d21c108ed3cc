"""Which weights should go? Magnitude pruning with L1 or L2 in training against Optimal Brain Damage, at equal bytes.

The protocol is that of Baktash, Natale and Viennot (2019): one hidden layer of 100 or 30 units, MNIST and its three
variants, their pruning ratios, 5 repetitions. What the paper leaves open is our choice (results/LOG.md says how it
was made): SGD with momentum 0.9, rate 0.1 falling along a cosine over 100 epochs of batches of 128; pruning in 74 steps
from epoch 2 to 75 with c = 96, so that no step is large and the last quarter of the run is retraining; the strengths
below. Added to the paper: unpruned networks without penalty, random labels, and sizes in bytes of files that decode.
"""

from mdlray.plan import Sweep, cross, vary, vary_seeds
from mdlray.spec import CompressionSpec, DataSpec, ModelSpec, TrainingSpec, TrialSpec

RATIOS_100 = (0.0, 0.5, 0.9, 0.95, 0.97, 0.98, 0.985, 0.988, 0.989, 0.99, 0.993, 0.995, 0.997, 0.998)
RATIOS_30 = (0.9, 0.95, 0.97, 0.98, 0.985, 0.988, 0.989, 0.99)
DATASETS = ("mnist", "mnist_rotation", "mnist_background_random", "mnist_background_images")
TRUE_LABELS = vary("data.label_randomization_fraction", 0.0)
RANDOM_LABELS = vary("data.label_randomization_fraction", 0.5, 1.0)


def method(name: str, penalty: str, strength: float) -> dict[str, object]:
    """One option of the axis `method`."""
    return {
        "compression.method": name,
        "training.regularizer": penalty,
        "training.regularizer_strength": strength,
    }


DENSE = method("none", "none", 0.0)
PRUNED = (method("magnitude", "l1", 1e-4), method("magnitude", "l2", 1e-3), method("obd", "l2", 1e-3))
SETTINGS_100 = (DENSE, *cross(PRUNED, vary("compression.pruning_ratio", *RATIOS_100)))
SETTINGS_30 = (DENSE, *cross(PRUNED, vary("compression.pruning_ratio", *RATIOS_30)))

SWEEP = Sweep(
    name="compare_pruning",
    question="Which weights should go: magnitude with L1 or L2 against Optimal Brain Damage, at equal bytes?",
    base=TrialSpec(
        training=TrainingSpec(num_epochs=100, batch_size=128, learning_rate=0.1),
        compression=CompressionSpec(
            num_pruning_steps=74, pruning_exponent=96.0, first_pruning_epoch=2, last_pruning_epoch=75
        ),
    ),
    # With --dataset mnist the first 215 trials are tables 1, 3 and 5 of the paper (100 units), the next 125 tables 2, 4
    # and 6 (30 units); random labels come last.
    grids=tuple(
        {
            "dataset": vary("data.dataset", *DATASETS),
            "units": vary("model.hidden_units", units),
            "random labels": labels,
            "repetition": vary_seeds(5),
            "setting": settings,
        }
        for labels in (TRUE_LABELS, RANDOM_LABELS)
        for units, settings in (((100,), SETTINGS_100), ((30,), SETTINGS_30))
    ),
    quick=Sweep(
        name="compare_pruning",
        question="The same on the 5,000 embedded digits, smaller and shorter.",
        base=TrialSpec(
            data=DataSpec(dataset="mnist5k"),
            model=ModelSpec(hidden_units=(30,)),
            training=TrainingSpec(num_epochs=40, batch_size=32, learning_rate=0.05),
            compression=CompressionSpec(
                num_pruning_steps=29, pruning_exponent=96.0, first_pruning_epoch=2, last_pruning_epoch=30
            ),
        ),
        grids=(
            {
                "random labels": vary("data.label_randomization_fraction", 0.0, 1.0),
                "repetition": vary_seeds(2),
                "setting": (DENSE, *cross(PRUNED, vary("compression.pruning_ratio", 0.0, 0.9, 0.97, 0.99))),
            },
        ),
    ),
)
