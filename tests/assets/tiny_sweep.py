"""Twelve trials of a second each, in packs of two, for tests of the command."""

from mdlray.planning import Sweep, vary, vary_seeds
from mdlray.spec import CompressionSpec, DataSpec, ModelSpec, TrainingSpec, TrialSpec

SWEEP = Sweep(
    name="tiny_sweep",
    question="Does the command work?",
    base=TrialSpec(
        data=DataSpec(dataset="mnist5k"),
        model=ModelSpec(hidden_units=(6,)),
        training=TrainingSpec(num_epochs=4, batch_size=64),
        compression=CompressionSpec(
            method="magnitude",
            num_pruning_steps=3,
            first_pruning_epoch=1,
            last_pruning_epoch=3,
            centroid_epochs=1,
        ),
    ),
    grids=({"repetition": vary_seeds(6), "ratio": vary("compression.pruning_ratio", 0.5, 0.9)},),
    networks_per_pack_cpu=2,
)
