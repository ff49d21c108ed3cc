"""Do results on MNIST also hold for rotated digits, and for digits in front of noise or photographs?

These are figures 2 to 5 of Baktash, Natale and Viennot (2019): networks with 100 hidden units, pruned by magnitude
(with an L1 or L2 penalty in training) or by Optimal Brain Damage, and convolutional networks, on MNIST and its three
variants, with 5 repetitions. The settings are those of `compare_pruning`, so equal trials have equal ids. Here the
highest ratios come first, because there the paper's tables contradict its text: on noisy backgrounds, Optimal Brain
Damage is better than magnitude pruning from a ratio of 99.3 % on.
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
    # With --dataset NAME, the first 120 trials are those with the ratios of SPARSE on that data set.
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
