"""Did a network learn anything, if a smaller one can take over what it does? True against random labels.

A network is trained on MNIST, then a network with 20 % fewer hidden units is fitted to its outputs on random noise, and
so on: 15 rounds from 784-512-512-10 to 784-18-18-10. A network with true labels and one with random labels begin with
the same weights and see the pictures in the same order. The expectation is that what was learned survives being
handed on, and what was merely stored does not.

The first 96 trials are the question as it was asked in a blog (512 x 512 units, batches of 128, 100 epochs, noise, 20 %
fewer units per round), with 3 repetitions and accuracies on the original data, which it left open. What it does not
say is our choice: Adam with a rate falling from 0.0005 along a cosine, because the squared error of logits on noise
is too steep for SGD at rates that fit random labels; soft labels at temperature 1. Then its future directions and other
ways to hand on, one change at a time: the training pictures in place of noise; initial weights of the largest units;
logits as targets; temperature 4; fits of 300 epochs.

    trials         question                                                              repetitions
    1 to 96        the blog's                                                            3
    97 to 206      all ways but 300 epochs, for 128 x 128 units and 2 rounds: a fifth    5 of 22 trials each
                   of the effort per round
    207 to 270     the blog's again                                                      2 more, 5 in all
    271 to 720     the blog's, in all other ways                                         3
    721 to 1008    other sizes, Fashion-MNIST                                            3

A shorter run asks for the first of them with `--trials`. Ask for 206 before 270: packs of 512 x 512 units go first.

256 levels and no training of codebooks: a codebook is trained on labels, and a student must not see any.
"""

from mdlray.planning import Grid, Sweep, vary, vary_seeds
from mdlray.spec import CompressionSpec, DataSpec, ModelSpec, TrainingSpec, TrialSpec

NUM_ROUNDS = 15
LABELS = vary("data.label_randomization_fraction", 0.0, 1.0)
ROUND_0 = {"student.round": 0}


def chain(num_rounds: int, **strategy: object) -> tuple[dict[str, object], ...]:
    """Rounds 1, 2, ... of one strategy; round 0 knows none and is added where it is wanted."""
    fields = {f"student.{name}": value for name, value in strategy.items()}
    return tuple({**fields, "student.round": number} for number in range(1, num_rounds + 1))


def grid(rounds: tuple[dict[str, object], ...], repetitions: int = 3, **fields: object) -> Grid:
    """True and random labels through these rounds; neighbors in the order share a lineage."""
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
        grid(BLOG, repetitions=5),  # the first three are trials 1 to 96, and a trial counts once
        *(grid(chain(NUM_ROUNDS, **strategy)) for strategy in STRATEGIES),
        *(grid(BLOG, model__hidden_units=units) for units in ((256, 256), (1024, 1024))),
        grid(BLOG, data__dataset="fashion_mnist"),
    ),
    # A pack is the true and the random labels of one repetition: with two workers, both have work from the start.
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
