"""Which compression is best at equal bytes: pruning, hashing, a convolution, or a smaller network from the start?

The protocol is that of Baktash, Natale and Viennot (2019), as `baktash_2019.protocol` has it: one hidden layer of 100
or 30 units pruned by magnitude (L1 or L2 in training) or Optimal Brain Damage, MNIST and its three variants, their
pruning ratios, 5 repetitions; HashedNets and convolutional networks; and what its abstract promises and its text does
not show, dense networks of so few hidden units that they are as small as the pruned ones. Added to the paper: unpruned
networks without penalty, pruned convolutional networks, random labels, and sizes in bytes of files that decode.
"""

from mdlray.planning import Sweep, cross, vary, vary_seeds
from mdlray.planning.space import usual_space
from mdlray.studies.baktash_2019.protocol import (
    BASE,
    CONVNETS,
    DATASETS,
    MAGNITUDE_L1,
    MAGNITUDE_L2,
    PRUNED,
    QUICK_BASE,
    RATIOS_30,
    RATIOS_100,
    UNPRUNED,
    convnet,
    dense,
    hashed,
)

TRUE_LABELS = vary("data.label_randomization_fraction", 0.0)
RANDOM_LABELS = vary("data.label_randomization_fraction", 0.5, 1.0)
DENSE_100 = tuple(
    {"model.hidden_units": (100,), **setting}
    for setting in (UNPRUNED, *cross(PRUNED, vary("compression.pruning_ratio", *RATIOS_100)))
)
DENSE_30 = tuple(
    {"model.hidden_units": (30,), **setting}
    for setting in (UNPRUNED, *cross(PRUNED, vary("compression.pruning_ratio", *RATIOS_30)))
)
# One hidden unit has 1 % of the weights of 100: fewer there cannot be. At the others' rate of 0.1 networks of few units
# die (results/LOG.md).
SMALL_DENSE = tuple({**dense(units), "training.learning_rate": 0.01} for units in (1, 2, 3, 5, 10, 20, 50))
# Two networks whose weights around the last pruning step the paper shows: 50 hidden units, 4 % of the edges kept.
FIGURE_6 = tuple(
    {"model.hidden_units": (50,), "compression.pruning_ratio": 0.96, **way} for way in (MAGNITUDE_L1, MAGNITUDE_L2)
)
HASHED = tuple(hashed(100, fraction) for fraction in (0.1, 0.03, 0.01, 0.002))
PRUNED_CONVNETS = tuple(
    {**convnet(12, 7, 1, 2), "compression.method": MAGNITUDE_L2["compression.method"], "compression.pruning_ratio": r}
    for r in (0.8, 0.9, 0.95, 0.98)
)

SWEEP = Sweep(
    name="compare_pruning",
    question="Which compression is best at equal bytes: pruning, hashing, a convolution, or fewer units?",
    study="baktash_2019",
    base=BASE,
    # With --dataset mnist the first 215 trials are tables 1, 3 and 5 of the paper (100 units), the next 125 tables 2, 4
    # and 6 (30 units), then come small dense and Figure 6 (45), pruned convolutional (20) and the other families (60),
    # which hashednet_vs_conv has more of; random labels are last.
    grids=tuple(
        {
            "dataset": vary("data.dataset", *DATASETS),
            "random labels": labels,
            "repetition": vary_seeds(5),
            "setting": settings,
        }
        for labels in (TRUE_LABELS, RANDOM_LABELS)
        for settings in (DENSE_100, DENSE_30, (*SMALL_DENSE, *FIGURE_6), PRUNED_CONVNETS, (*HASHED, *CONVNETS))
    ),
    # A search goes over pruned dense networks only, of any width.
    space=usual_space(
        methods=("none", "magnitude", "obd"),
        regularizers=("none", "l1", "l2"),
        strata=cross(vary("data.dataset", *DATASETS), (*TRUE_LABELS, *RANDOM_LABELS)),
    ),
    quick=Sweep(
        name="compare_pruning",
        question="The same on the 5,000 embedded digits, smaller and shorter.",
        base=QUICK_BASE,
        grids=(
            {
                "random labels": vary("data.label_randomization_fraction", 0.0, 1.0),
                "repetition": vary_seeds(2),
                "setting": (UNPRUNED, *cross(PRUNED, vary("compression.pruning_ratio", 0.0, 0.9, 0.97, 0.99))),
            },
            {
                "repetition": vary_seeds(2),
                "setting": (SMALL_DENSE[1], hashed(30, 0.1), {**convnet(4, 5, 2, 4), "training.num_epochs": 22}),
            },
        ),
        space=usual_space(
            methods=("none", "magnitude", "obd"),
            regularizers=("none", "l1", "l2"),
            strata=vary("data.label_randomization_fraction", 0.0, 1.0),
        ),
    ),
)
