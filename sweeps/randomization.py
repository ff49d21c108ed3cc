"""How small can a network be that has learned, and how small can one be that has memorized?

Networks are pruned by magnitude after training on true labels, on labels of which 25 % to 100 % are drawn at random
(Zhang et al. 2017), and on images whose pixels are shuffled or replaced by noise. The training accuracy of the decoded
network, plotted against the bytes of its file, distinguishes the two cases: a network that memorizes needs bytes for
every example, and one that has learned does not (Zhou et al. 2019, figure 1, for ResNet-56 on CIFAR-10).

The L2 penalty is 1e-4 instead of the 1e-3 of `compare_pruning`, because with 1e-3 networks cannot memorize. A network
with 100 hidden units cannot memorize 45,000 random labels (24 % training accuracy), so the same networks are also
trained on the 5,000 digits of `mnist5k`, which they can memorize. A convolutional network with 3,080 weights is an
example of a small network that shares weights.
"""

from mdlray.planning import Sweep, cross, vary, vary_seeds
from mdlray.spec import replace_fields
from mdlray.studies.baktash_2019.protocol import BASE, QUICK_BASE, convnet

LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
RATIOS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.995)
PIXEL_RATIOS = (0.0, 0.8, 0.95, 0.98)
CONVNET_RATIOS = (0.0, 0.8, 0.95)

PRUNED = {"compression.method": "magnitude", "training.regularizer": "l2", "training.regularizer_strength": 1e-4}
DENSE = {**PRUNED, "model.hidden_units": (100,)}
CONVNET = {**convnet(8, 5, 1, 4), **PRUNED}
# The batch size and learning rate of `compare_pruning --quick`, which has the same 3,600 training digits.
MNIST5K = {"data.dataset": "mnist5k", "training.batch_size": 32, "training.learning_rate": 0.05}

ALL_LEVELS = vary("data.label_randomization_fraction", *LEVELS)
RANDOM_PIXELS = vary("data.pixel_randomization", "shuffled", "random")


def pruned(network: dict[str, object], ratios: tuple[float, ...]) -> tuple[dict[str, object], ...]:
    """The network at each pruning ratio."""
    return tuple({**network, "compression.pruning_ratio": ratio} for ratio in ratios)


SWEEP = Sweep(
    name="randomization",
    question="How small can a network be that has learned, and how small one that has memorized?",
    base=replace_fields(BASE, {"data.dataset": "mnist"}),
    # The first 35 trials are one repetition of dense networks on MNIST, and the next 70 are the other two repetitions.
    grids=(
        {"repetition": vary_seeds(3), "labels": ALL_LEVELS, "setting": pruned(DENSE, RATIOS)},
        {"repetition": vary_seeds(3), "labels": ALL_LEVELS, "setting": pruned({**DENSE, **MNIST5K}, RATIOS)},
        {"repetition": vary_seeds(3), "pixels": RANDOM_PIXELS, "setting": pruned(DENSE, PIXEL_RATIOS)},
        {"repetition": vary_seeds(3), "labels": ALL_LEVELS, "setting": pruned(CONVNET, CONVNET_RATIOS)},
    ),
    quick=Sweep(
        name="randomization",
        question="The same on the 5,000 embedded digits, shorter.",
        base=QUICK_BASE,
        grids=(
            {
                "randomization": (
                    *vary("data.label_randomization_fraction", 0.0, 0.5, 1.0),
                    *vary("data.pixel_randomization", "shuffled", "random"),
                ),
                "setting": cross((DENSE,), vary("compression.pruning_ratio", 0.0, 0.9, 0.97)),
            },
        ),
    ),
)
