"""Trials of a tenth of a second, in packs of four: a search in small batches, and a grid."""

from mdlray.planning import Space, Sweep, vary, vary_seeds
from mdlray.spec import CompressionSpec, DataSpec, ModelSpec, TrainingSpec, TrialSpec


def suggest(trial):
    """Two shapes, so that a batch is several packs."""
    return {
        "model.hidden_units": (trial.suggest_int("units", 2, 3),),
        "training.learning_rate": trial.suggest_float("learning_rate", 0.02, 0.4, log=True),
        "compression.pruning_ratio": trial.suggest_float("pruning_ratio", 0.1, 0.95),
        "compression.quantization_levels": 2 ** trial.suggest_int("log2_levels", 2, 5),
    }


SWEEP = Sweep(
    name="chaos_sweep",
    question="Does the command survive?",
    base=TrialSpec(
        data=DataSpec(dataset="mnist5k"),
        model=ModelSpec(hidden_units=(2,)),
        training=TrainingSpec(num_epochs=2, batch_size=128),
        compression=CompressionSpec(
            method="magnitude", num_pruning_steps=2, first_pruning_epoch=0, last_pruning_epoch=1, centroid_epochs=1
        ),
    ),
    grids=(
        {
            "repetition": vary_seeds(10),
            "ratio": vary("compression.pruning_ratio", 0.3, 0.5, 0.7, 0.8, 0.9, 0.95),
            "units": vary("model.hidden_units", (2,), (3,)),
        },
    ),
    space=Space(suggest=suggest, num_trials=208, trials_per_batch=16),
    networks_per_pack=4,
    networks_per_pack_cpu=4,
)
