"""How good is a dense network of few units that is trained fairly, at the bytes of a pruned one?

`compare_pruning` trains its dense networks of few units with SGD at rate 0.01, and a part of them is dead from the
start: 3 of 10 networks with one or two hidden units stay at 11.1 % (the share of the most frequent digit). Such a
network is no fair rival of a pruned one. Adam with rate 1e-3 had no dead start among 5 seeds of one unit (30 epochs on
MNIST), so this sweep trains the same networks with it, with and without the L2 penalty that pruned networks have.
"""

from mdlray.planning import Option, Sweep, cross, vary, vary_seeds
from mdlray.spec import replace_fields
from mdlray.studies.baktash_2019.protocol import BASE, QUICK_BASE, dense

UNITS = (1, 2, 3, 5, 10, 20, 50)
ADAM = {"training.optimizer": "adam", "training.learning_rate": 1e-3}
L2 = {"training.regularizer": "l2", "training.regularizer_strength": 1e-3}


def fair(*units: int) -> tuple[Option, ...]:
    """Unpruned dense networks of so many hidden units, with and without penalty."""
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
