"""How small can a network be, at which accuracy? Optuna looks for the front over everything at once.

Depth and width, method, pruning ratio and its schedule, penalty and its strength, learning rate and quantization
levels, on MNIST and its three variants: one search and one front for each. `--search random` is what it has to beat,
with the same number of trials.
"""

from mdlray.planning import Sweep, usual_space, vary
from mdlray.spec import CompressionSpec, DataSpec, TrainingSpec, TrialSpec

DATASETS = ("mnist", "mnist_rotation", "mnist_background_random", "mnist_background_images")
METHODS = ("none", "magnitude", "obd")
REGULARIZERS = ("none", "l1", "l2")

SWEEP = Sweep(
    name="pareto_search",
    question="How small can a network be, at which accuracy? Optuna looks for the front over everything at once.",
    base=TrialSpec(
        training=TrainingSpec(num_epochs=20, batch_size=128),
        compression=CompressionSpec(first_pruning_epoch=1, last_pruning_epoch=15),
    ),
    space=usual_space(
        methods=METHODS,
        regularizers=REGULARIZERS,
        depths=(1, 2),
        log2_units=(3, 7),
        strata=vary("data.dataset", *DATASETS),
        num_trials=300,
        trials_per_batch=15,
    ),
    quick=Sweep(
        name="pareto_search",
        question="The same on the 5,000 embedded digits, smaller and shorter.",
        base=TrialSpec(
            data=DataSpec(dataset="mnist5k"),
            training=TrainingSpec(num_epochs=20, batch_size=32),
            compression=CompressionSpec(first_pruning_epoch=2, last_pruning_epoch=15),
        ),
        space=usual_space(
            methods=METHODS, regularizers=REGULARIZERS, log2_units=(3, 6), num_trials=48, trials_per_batch=16
        ),
    ),
)
