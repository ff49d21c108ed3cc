"""Is a HashedNet better than a small convolutional network of as many weights?

This is figure 1 of Baktash, Natale and Viennot (2019). A HashedNet (Chen et al. 2015) has 100 hidden units, and a
seeded hash assigns each of its virtual weights to a bucket; weights of a bucket share one value. The number of buckets
is 0.2 % to 100 % of the number of weights. The convolutional networks have shapes along the front that the paper
describes; the sweep `convnet_grid` covers all shapes. `mdlray.studies.baktash_2019.protocol` says how both kinds are
trained.

This sweep adds four things to the paper: 30 hidden units, since biases take a large part of small files; other hash
seeds, since all repetitions of a setting share one; inflation (Chen et al. 2015, §6), which is the same number of
buckets for wider virtual layers; and sizes in bytes.
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
    # With --dataset mnist, the first 40 trials are the paper's HashedNets, and the next 40 the convolutional networks.
    # Then follow HashedNets with 30 units (40 trials), with other hash seeds (8) and with inflation (30).
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
