"""How accurate is a dense network with few hidden units that is trained well, at the bytes of a pruned network?

`compare_pruning` trains its small dense networks by SGD with learning rate 0.01, and some of them are dead from the
start: 3 of 10 networks with one or two hidden units stay at 11.1 % accuracy, the share of the most frequent digit. Such
a network is not a fair comparison for a pruned one. With Adam and learning rate 1e-3, none of 5 networks with one
hidden unit was dead (30 epochs on MNIST). So this sweep trains the same networks with Adam, with and without the L2
penalty of the pruned networks.
"""

from mdlray.planning import Option, Sweep, cross, vary, vary_seeds
from mdlray.spec import replace_fields
from mdlray.studies.baktash_2019.protocol import BASE, QUICK_BASE, dense

UNITS = (1, 2, 3, 5, 10, 20, 50)
ADAM = {"training.optimizer": "adam", "training.learning_rate": 1e-3}
L2 = {"training.regularizer": "l2", "training.regularizer_strength": 1e-3}


def fair(*units: int) -> tuple[Option, ...]:
    """Unpruned dense networks with these numbers of hidden units, each with and without the L2 penalty."""
    return cross(tuple(dense(number) for number in units), ({**ADAM}, {**ADAM, **L2}))


SWEEP = Sweep(
    name="small_dense",
    question="How good is a dense network of few units that is trained fairly, at the bytes of a pruned one?",
    study="baktash_2019",
    base=replace_fields(BASE, {"data.dataset": "mnist"}),
    grids=({"repetition": vary_seeds(5), "setting": fair(*UNITS)},),
    quick=Sweep(
        name="small_dense",
        question="The same on the 5,000 embedded digits, shorter.",
        base=QUICK_BASE,
        grids=({"repetition": vary("seeds.initialization", 0, 1), "setting": fair(1, 3, 10)},),
    ),
)
