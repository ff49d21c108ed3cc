"""Does what holds on MNIST hold where digits are rotated, or have noise or photographs behind them?

Figures 2 to 5 of Baktash, Natale and Viennot (2019): 100 hidden units, magnitude pruning with L1 and L2 in training and
Optimal Brain Damage, beside convolutional networks, on MNIST and its three variants, 5 repetitions. The settings are
those of `compare_pruning`, so that equal trials have equal ids; here the sparse end comes first, because that is where
the paper's tables contradict its text (Optimal Brain Damage overtakes magnitude beyond 99.3 % on noisy backgrounds).
"""

from mdlray.planning import Sweep, vary, vary_seeds
from mdlray.studies.baktash_2019.protocol import BASE, CONVNETS, PRUNED, QUICK_BASE

DATASETS = ("mnist_background_random", "mnist_background_images", "mnist_rotation", "mnist")
SPARSE = (0.998, 0.997, 0.995, 0.993, 0.99, 0.98, 0.95, 0.9)
OTHERS = (0.989, 0.988, 0.985, 0.97, 0.5, 0.0)

SWEEP = Sweep(
    name="pruning_variants",
    question="Does what holds on MNIST hold where digits are rotated, or have noise or photographs behind them?",
    study="baktash_2019",
    base=BASE,
    # With --dataset NAME the first 120 trials are the sparse end of that data set.
    grids=tuple(
        {
            "dataset": vary("data.dataset", *DATASETS),
            "ratio": vary("compression.pruning_ratio", *ratios),
            "method": PRUNED,
            "repetition": vary_seeds(5),
        }
        for ratios in (SPARSE, OTHERS)
    )
    + ({"dataset": vary("data.dataset", *DATASETS), "convnet": CONVNETS, "repetition": vary_seeds(5)},),
    quick=Sweep(
        name="pruning_variants",
        question="The same on the 5,000 embedded digits and their variants, smaller and shorter.",
        base=QUICK_BASE,
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
