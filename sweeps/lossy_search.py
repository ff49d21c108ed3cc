"""Does a search find a better front when it also chooses what is lost between training and the file?

Two searches by Optuna over the same pruned dense networks on the 5,000 embedded digits. The second one (`--quick`)
stays with 2^k values per layer; this one also moves in the grid of values, in rate-distortion quantization and in short
mantissas, and it stops the worse half of each pack after a quarter and after a half of the epochs (`Halving`), so that
its budget of trials costs about half of the steps.
"""

from mdlray.planning import Halving, LossySpace, Sweep, usual_space
from mdlray.studies.baktash_2019.protocol import QUICK_BASE

METHODS, REGULARIZERS = ("magnitude", "obd"), ("none", "l2")

SWEEP = Sweep(
    name="lossy_search",
    question="Does a search find a better front when it also chooses what is lost between training and the file?",
    base=QUICK_BASE,
    halving=Halving(),
    space=usual_space(
        methods=METHODS,
        regularizers=REGULARIZERS,
        log2_units=(4, 7),
        num_trials=90,
        trials_per_batch=30,
        lossy=LossySpace(
            grids=("kmeans", "uniform"),
            rate_distortion=(1e-6, 1e-4),
            codebook_mantissa_bits=(2, 10),
            bias_mantissa_bits=(2, 10),
            remove_dead_units=(True,),
            unit_orders=("sorted",),
        ),
    ),
    quick=Sweep(
        name="lossy_search",
        question="The same budget without lossy choices and without early stopping, to compare.",
        base=QUICK_BASE,
        space=usual_space(
            methods=METHODS, regularizers=REGULARIZERS, log2_units=(4, 7), num_trials=90, trials_per_batch=30
        ),
    ),
)
