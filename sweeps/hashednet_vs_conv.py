"""Is a HashedNet better than a small convolutional network of as many weights?

Figure 1 of Baktash, Natale and Viennot (2019). HashedNet (Chen et al. 2015): 100 hidden units whose virtual weights
share buckets by a seeded hash, compressed by 0 to 99.8 %. Convolutional networks of shapes along the front that the
paper describes (`convnet_grid` looks at all shapes). `mdlray.studies.baktash_2019.protocol` says how both are trained.

Added to the paper: 30 hidden units, since biases weigh in small files; other hashes, which repetitions share otherwise;
inflation (Chen et al. 2015, §6), as many buckets behind wider virtual layers; and sizes in bytes.
"""

from mdlray.planning import Sweep, vary, vary_seeds
from mdlray.studies.baktash_2019.protocol import BASE, CONVNETS, DATASETS, QUICK_BASE, hashed

FRACTIONS = (1.0, 0.5, 0.1, 0.05, 0.03, 0.02, 0.01, 0.002)
BUDGETS = (0.1, 0.01)
INFLATIONS = (2, 4, 8)

SWEEP = Sweep(
    name="hashednet_vs_conv",
    question="Is a HashedNet better than a small convolutional network of as many weights?",
    study="baktash_2019",
    base=BASE,
    # With --dataset mnist the first 40 trials are the paper's HashedNets, the next 40 the convolutional networks, then
    # come 30 units (40), other hashes (8) and inflation (30).
    grids=tuple(
        {"dataset": vary("data.dataset", *DATASETS), "setting": settings, "repetition": repetitions}
        for settings, repetitions in (
            (tuple(hashed(100, fraction) for fraction in FRACTIONS), vary_seeds(5)),
            (CONVNETS, vary_seeds(5)),
            (tuple(hashed(30, fraction) for fraction in FRACTIONS), vary_seeds(5)),
            (tuple(hashed(100, budget) for budget in BUDGETS), vary("model.hash_seed", 1, 2, 3, 4)),
            (tuple(hashed(100 * by, budget / by) for budget in BUDGETS for by in INFLATIONS), vary_seeds(5)),
        )
    ),
    quick=Sweep(
        name="hashednet_vs_conv",
        question="The same on the 5,000 embedded digits, shorter.",
        base=QUICK_BASE,
        grids=(
            {
                "setting": (
                    *(hashed(30, fraction) for fraction in (1.0, 0.1, 0.02)),
                    hashed(120, 0.025),
                    *(shape | {"training.num_epochs": 22} for shape in (CONVNETS[1], CONVNETS[4])),
                ),
                "repetition": vary_seeds(2),
            },
        ),
    ),
)
