"""How accurate is a network of one convolution, one max pool and one linear layer, at which size?

The grid of Baktash, Natale and Viennot (2019, §4.1): kernels of 5 to 10 pixels, 4 to 12 channels, strides 1 to 3, pools
of 2 to 4, dropout 0 to 0.2 before the linear layer; batch 16, rate 1e-2, weight decay 1e-3, 30 epochs, 5 runs, on four
data sets: 29,160 trainings. The paper reports what nothing else beats in accuracy and number of weights. So does this
sweep, in bytes; and with `--search tpe` Optuna looks for the same front in far fewer trainings, one front per data set.

`mdlray.studies.baktash_2019.protocol` says what the paper leaves open.
"""

from typing import Any

from mdlray.planning import Sweep, vary, vary_seeds
from mdlray.planning.space import Space
from mdlray.spec import replace_fields
from mdlray.studies.baktash_2019.protocol import BASE, DATASETS, convnet

DROPOUTS = (0.0, 0.1, 0.2)


def suggest(trial: Any) -> dict[str, Any]:
    """One configuration of the grid."""
    return {
        "model.hidden_units": (trial.suggest_int("channels", 4, 12),),
        "model.kernel_size": trial.suggest_int("kernel_size", 5, 10),
        "model.stride": trial.suggest_int("stride", 1, 3),
        "model.pool_size": trial.suggest_int("pool_size", 2, 4),
        "training.dropout": trial.suggest_categorical("dropout", list(DROPOUTS)),
    }


SMALLEST = {"channels": 4, "kernel_size": 5, "stride": 3, "pool_size": 4, "dropout": 0.0}
LARGEST = {"channels": 12, "kernel_size": 7, "stride": 1, "pool_size": 2, "dropout": 0.2}
CONVNET = replace_fields(BASE, convnet(8, 5, 1, 2))

SWEEP = Sweep(
    name="convnet_grid",
    question="How accurate is one convolution, one max pool and one linear layer, at which size?",
    study="baktash_2019",
    base=CONVNET,
    grids=(
        {
            "dataset": vary("data.dataset", *DATASETS),
            "channels": vary("model.hidden_units", *((channels,) for channels in range(4, 13))),
            "kernel": vary("model.kernel_size", *range(5, 11)),
            "stride": vary("model.stride", 1, 2, 3),
            "pool": vary("model.pool_size", 2, 3, 4),
            "dropout": vary("training.dropout", *DROPOUTS),
            "repetition": vary_seeds(5),
        },
    ),
    space=Space(
        suggest=suggest,
        strata=vary("data.dataset", *DATASETS),
        first_points=(SMALLEST, LARGEST),
        num_trials=400,
        trials_per_batch=8,
    ),
    quick=Sweep(
        name="convnet_grid",
        question="Four of its shapes on the 5,000 embedded digits, shorter.",
        base=replace_fields(CONVNET, {"data.dataset": "mnist5k", "training.num_epochs": 22}),
        grids=(
            {
                "channels": vary("model.hidden_units", (4,), (8,)),
                "pool": vary("model.pool_size", 2, 4),
                "repetition": vary_seeds(2),
            },
        ),
        space=Space(suggest=suggest, first_points=(SMALLEST, LARGEST), num_trials=16, trials_per_batch=8),
    ),
)
