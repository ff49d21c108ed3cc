"""Does what holds on MNIST hold where digits are rotated, or have noise or photographs behind them?

Figures 2 to 5 of Baktash, Natale and Viennot (2019): 100 hidden units, magnitude pruning with L1 and L2 in training and
Optimal Brain Damage, on MNIST and its three variants, 5 repetitions. The settings are those of `compare_pruning`, so
that equal trials have equal ids; here the sparse end comes first, because that is where the paper's tables contradict
its text (Optimal Brain Damage overtakes magnitude beyond 99.3 % on both noisy backgrounds).
"""

from mdlray.plan import Sweep, vary, vary_seeds
from mdlray.spec import CompressionSpec, DataSpec, ModelSpec, TrainingSpec, TrialSpec

DATASETS = ("mnist_background_random", "mnist_background_images", "mnist_rotation", "mnist")
SPARSE = (0.998, 0.997, 0.995, 0.993, 0.99, 0.98, 0.95, 0.9)
OTHERS = (0.989, 0.988, 0.985, 0.97, 0.5, 0.0)


def method(name: str, penalty: str, strength: float) -> dict[str, object]:
    """One option of the axis `method`."""
    return {
        "compression.method": name,
        "training.regularizer": penalty,
        "training.regularizer_strength": strength,
    }


PRUNED = (method("magnitude", "l1", 1e-4), method("magnitude", "l2", 1e-3), method("obd", "l2", 1e-3))

SWEEP = Sweep(
    name="pruning_variants",
    question="Does what holds on MNIST hold where digits are rotated, or have noise or photographs behind them?",
    base=TrialSpec(
        training=TrainingSpec(num_epochs=100, batch_size=128, learning_rate=0.1),
        compression=CompressionSpec(
            num_pruning_steps=74, pruning_exponent=96.0, first_pruning_epoch=2, last_pruning_epoch=75
        ),
    ),
    # With --dataset NAME the first 120 trials are the sparse end of that data set.
    grids=tuple(
        {
            "dataset": vary("data.dataset", *DATASETS),
            "ratio": vary("compression.pruning_ratio", *ratios),
            "method": PRUNED,
            "repetition": vary_seeds(5),
        }
        for ratios in (SPARSE, OTHERS)
    ),
    quick=Sweep(
        name="pruning_variants",
        question="The same on the 5,000 embedded digits and their variants, smaller and shorter.",
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
                "dataset": vary("data.dataset", "mnist5k_background_random", "mnist5k"),
                "ratio": vary("compression.pruning_ratio", 0.99, 0.9),
                "method": PRUNED,
                "repetition": vary_seeds(2),
            },
        ),
    ),
)
