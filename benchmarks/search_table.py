"""A grid of several thousand trials, whose finished rows `benchmarks/search.py` looks up instead of training.

    python -m mdlray.sweep benchmarks/search_table.py --results benchmarks/tables --gpus 0

Small networks on the embedded digits, so that the whole grid takes about ten minutes on two CPU cores. Every axis is
one that a search moves as well.
"""

from mdlray.planning import Sweep, vary
from mdlray.spec import CompressionSpec, DataSpec, TrainingSpec, TrialSpec


def penalty(name: str, strength: float) -> dict[str, object]:
    """One option of the axis `penalty`."""
    return {"training.regularizer": name, "training.regularizer_strength": strength}


SWEEP = Sweep(
    name="search_table",
    question="Which of 3,456 settings are on the front? All of them are trained, so that searches can be compared.",
    base=TrialSpec(
        data=DataSpec(dataset="mnist5k"),
        training=TrainingSpec(num_epochs=30, batch_size=64),
        compression=CompressionSpec(
            num_pruning_steps=20, first_pruning_epoch=2, last_pruning_epoch=22, saliency_examples=1024
        ),
    ),
    grids=(
        {
            "units": vary("model.hidden_units", (10,), (30,), (100,)),
            "method": vary("compression.method", "magnitude", "obd"),
            "penalty": (penalty("none", 0.0), penalty("l1", 1e-4), penalty("l2", 1e-3)),
            "learning_rate": vary("training.learning_rate", 0.05, 0.1, 0.2),
            "exponent": vary("compression.pruning_exponent", 12.0, 96.0),
            "ratio": vary("compression.pruning_ratio", 0.5, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995),
            "levels": vary("compression.quantization_levels", 2, 4, 8, 16),
        },
    ),
)
