"""Do ever smaller students keep what a network has learned, and lose what it has only memorized?

A network is trained on MNIST. Then a student with 20 % fewer hidden units is fitted to its outputs on random noise, a
smaller student to the outputs of the first, and so on: 15 rounds, from 784-512-512-10 to 784-18-18-10. This is done for
a network trained on true labels and one trained on random labels, which begin with the same weights and see the images
in the same order. The expectation is that students keep what was learned, and lose what was only memorized.

The first 96 trials ask the question of a blog post: 512-512 units, batches of 128, 100 epochs, noise as inputs, 20 %
fewer units per round. They have 3 repetitions and report accuracies on the original data; the post left both open.
Where the post is silent, the choices are ours. The optimizer is Adam with a learning rate that falls from 0.0005 along
a cosine, because the squared error of logits on noise is too steep for SGD at learning rates that fit random labels.
Targets are soft labels at temperature 1.

The other trials follow the post's "future directions" and further strategies, with one change at a time: training
images instead of noise as inputs; initial weights from the teacher's largest units; logits as targets; temperature 4;
fits of 300 epochs.

    trials         question                                                        repetitions
    1 to 96        the question of the post                                        3
    97 to 206      all strategies but 300 epochs, for 128-128 units and 2          5, with 22 trials each
                   rounds, at a fifth of the effort per round
    207 to 270     the question of the post, more repetitions                      2 more, 5 in all
    271 to 720     all other strategies, for 512-512 units and 15 rounds           3
    721 to 1008    other sizes, Fashion-MNIST                                      3

For a shorter run, `--trials N` asks for the first N trials. Run `--trials 206` before `--trials 270`, because otherwise
packs of 512-512 units run before those of 128-128 units.

Files have 256 levels, and codebooks are not trained, because a codebook is trained on labels, which a student must not
see.
"""

from mdlray.planning import Grid, Sweep, vary, vary_seeds
from mdlray.spec import CompressionSpec, DataSpec, ModelSpec, TrainingSpec, TrialSpec

NUM_ROUNDS = 15
LABELS = vary("data.label_randomization_fraction", 0.0, 1.0)
ROUND_0 = {"student.round": 0}


def chain(num_rounds: int, **strategy: object) -> tuple[dict[str, object], ...]:
    """Rounds 1, 2, ..., `num_rounds` of one strategy; round 0, which has no strategy, is added by the caller."""
    fields = {f"student.{name}": value for name, value in strategy.items()}
    return tuple({**fields, "student.round": number} for number in range(1, num_rounds + 1))


def grid(rounds: tuple[dict[str, object], ...], repetitions: int = 3, **fields: object) -> Grid:
    """A grid of true and random labels over these rounds; the rounds of one lineage are neighbors in its order."""
    setting = {name.replace("__", "."): value for name, value in fields.items()}
    return {
        "setting": (setting,),
        "repetition": vary_seeds(repetitions),
        "random labels": LABELS,
        "round": rounds,
    }


BLOG = (ROUND_0, *chain(NUM_ROUNDS))
STRATEGIES = (
    {"inputs": "true"},
    {"start": "largest"},
    {"targets": "logits"},
    {"temperature": 4.0},
    {"num_epochs": 300},
)
CHEAP_WAYS = tuple(student for strategy in STRATEGIES[:4] for student in chain(2, **strategy))
COMPRESSION = CompressionSpec(quantization_levels=256, centroid_epochs=0)

SWEEP = Sweep(
    name="shrink_students",
    question="Does what a network learned survive in ever smaller students, and what it stored not?",
    base=TrialSpec(
        model=ModelSpec(hidden_units=(512, 512)),
        training=TrainingSpec(num_epochs=100, batch_size=128, optimizer="adam", learning_rate=5e-4),
        compression=COMPRESSION,
    ),
    grids=(
        grid(BLOG),
        grid((ROUND_0, *chain(2), *CHEAP_WAYS), repetitions=5, model__hidden_units=(128, 128)),
        grid(BLOG, repetitions=5),  # repetitions 0 to 2 are trials 1 to 96 again, and a trial counts once
        *(grid(chain(NUM_ROUNDS, **strategy)) for strategy in STRATEGIES),
        *(grid(BLOG, model__hidden_units=units) for units in ((256, 256), (1024, 1024))),
        grid(BLOG, data__dataset="fashion_mnist"),
    ),
    # A pack has the true and the random labels of one repetition, so that two workers have work from the start.
    networks_per_pack_cpu=2,
    quick=Sweep(
        name="shrink_students",
        question="The same on the 5,000 embedded digits: 64 x 64 units, 6 rounds, shorter.",
        base=TrialSpec(
            data=DataSpec(dataset="mnist5k"),
            model=ModelSpec(hidden_units=(64, 64)),
            training=TrainingSpec(num_epochs=60, batch_size=64, optimizer="adam", learning_rate=2e-3),
            compression=COMPRESSION,
        ),
        grids=(
            grid((ROUND_0, *chain(6, num_epochs=15)), repetitions=2),
            grid(chain(6, num_epochs=15, inputs="true"), repetitions=2),
        ),
        networks_per_pack_cpu=2,
    ),
)
