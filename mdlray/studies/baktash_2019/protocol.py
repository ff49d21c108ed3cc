"""The protocol of Baktash, Natale and Viennot (2019) as options of axes, for the sweeps that ask with it.

What the paper leaves open is our choice (results/LOG.md says how it was made): SGD with momentum 0.9, rate 0.1 falling
along a cosine over 100 epochs of batches of 128; pruning in 74 steps from epoch 2 to 75 with c = 96, so that no step is
large and the last quarter of the run is retraining; the strengths below. Convolutional networks are trained as the
paper says: batches of 16, rate 1e-2, weight decay 1e-3, 30 epochs; momentum and cosine are ours there, too. HashedNets
have Adam with rate 1e-2 and the L2 penalty of the pruned networks, for all fractions.

An option is the fields of a `TrialSpec` that it changes (`mdlray.planning.Option`).
"""

from collections.abc import Mapping
from typing import Any

from mdlray.spec import CompressionSpec, DataSpec, ModelSpec, TrainingSpec, TrialSpec

Option = Mapping[str, Any]

DATASETS = ("mnist", "mnist_rotation", "mnist_background_random", "mnist_background_images")
RATIOS_100 = (0.0, 0.5, 0.9, 0.95, 0.97, 0.98, 0.985, 0.988, 0.989, 0.99, 0.993, 0.995, 0.997, 0.998)
"""Edges removed in the paper's tables of 100 hidden units."""
RATIOS_30 = (0.9, 0.95, 0.97, 0.98, 0.985, 0.988, 0.989, 0.99)
"""The same of 30 hidden units."""

BASE = TrialSpec(
    training=TrainingSpec(num_epochs=100, batch_size=128, learning_rate=0.1),
    compression=CompressionSpec(
        num_pruning_steps=74, pruning_exponent=96.0, first_pruning_epoch=2, last_pruning_epoch=75
    ),
)
QUICK_BASE = TrialSpec(
    data=DataSpec(dataset="mnist5k"),
    model=ModelSpec(hidden_units=(30,)),
    training=TrainingSpec(num_epochs=40, batch_size=32, learning_rate=0.05),
    compression=CompressionSpec(
        num_pruning_steps=29, pruning_exponent=96.0, first_pruning_epoch=2, last_pruning_epoch=30
    ),
)
"""The same on the 5,000 embedded digits, smaller and shorter."""


def method(name: str, penalty: str, strength: float) -> Option:
    """A way of pruning, with the penalty of its training."""
    return {
        "compression.method": name,
        "training.regularizer": penalty,
        "training.regularizer_strength": strength,
    }


UNPRUNED = method("none", "none", 0.0)
MAGNITUDE_L1 = method("magnitude", "l1", 1e-4)
MAGNITUDE_L2 = method("magnitude", "l2", 1e-3)
OBD = method("obd", "l2", 1e-3)
PRUNED = (MAGNITUDE_L1, MAGNITUDE_L2, OBD)


def dense(*hidden_units: int) -> Option:
    """An unpruned dense network; with few units it is as small as a pruned one."""
    return {**UNPRUNED, "model.family": "dense", "model.hidden_units": hidden_units}


def hashed(units: int, bucket_fraction: float) -> Option:
    """A HashedNet of one hidden layer (Chen et al. 2015) with so many weights stored per virtual one.

    Their inflation by e is `hashed(e * units, fraction / e)`: as many buckets behind a wider virtual layer. All
    repetitions share the hash (`model.hash_seed`): deviations over seeds do not tell how much hangs on it.
    """
    return {
        **dense(units),
        "model.family": "hashed",
        "model.bucket_fraction": bucket_fraction,
        # A bucket's gradient sums over its virtual weights: SGD's largest stable rate falls with the fraction.
        "training.optimizer": "adam",
        "training.learning_rate": 1e-2,
        "training.regularizer": "l2",
        "training.regularizer_strength": 1e-3,
    }


def convnet(channels: int, kernel_size: int, stride: int, pool_size: int, dropout: float = 0.0) -> Option:
    """Convolution, max pool, linear layer, trained as the paper says."""
    return {
        **UNPRUNED,
        "model.family": "convnet",
        "model.hidden_units": (channels,),
        "model.kernel_size": kernel_size,
        "model.stride": stride,
        "model.pool_size": pool_size,
        "training.dropout": dropout,
        "training.num_epochs": 30,
        "training.batch_size": 16,
        "training.learning_rate": 1e-2,
        "training.regularizer": "l2",
        "training.regularizer_strength": 1e-3,
        "compression.first_pruning_epoch": 2,
        "compression.last_pruning_epoch": 22,
    }


CONVNETS = (
    convnet(4, 5, 3, 4),
    convnet(4, 5, 2, 4),
    convnet(8, 7, 2, 4),
    convnet(6, 5, 2, 3),
    convnet(4, 5, 1, 4),
    convnet(8, 5, 1, 4),
    convnet(12, 10, 1, 3, 0.1),
    convnet(12, 7, 1, 2, 0.2),
)
"""Shapes of 260, 460, 712, 1,110, 1,540, 3,080, 5,520 and 15,108 weights on pictures of 28 x 28, along the front that
the paper describes: larger pools for fewer weights, strides only for very few, channels and dropout for accuracy."""
