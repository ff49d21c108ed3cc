"""How much do results depend on what the papers leave open: learning-rate schedule, scope and pace of pruning?

Baktash et al. (2019) leave three choices open: the schedule of the learning rate; whether the weights of all layers
compete when weights are removed (`global`), or each layer loses the same fraction (`per_layer`); and the exponent c of
their pruning schedule. Our protocol chooses cosine, global and c = 96. This sweep changes one choice at a time, at four
ratios with three repetitions each, and so shows how far a result depends on it.
"""

from mdlray.planning import Sweep, vary, vary_seeds
from mdlray.spec import replace_fields
from mdlray.studies.baktash_2019.protocol import BASE, MAGNITUDE_L2, QUICK_BASE

RATIOS = (0.9, 0.97, 0.99, 0.998)
CHOICES = (
    {},
    *vary("training.learning_rate_schedule", "constant", "step"),
    *vary("compression.scope", "per_layer"),
    *vary("compression.pruning_exponent", 3.0, 12.0),
)

SWEEP = Sweep(
    name="protocol_choices",
    question="How much hangs on what the papers leave open: learning-rate schedule, scope and pace of pruning?",
    base=replace_fields(BASE, MAGNITUDE_L2),
    grids=(
        {
            "repetition": vary_seeds(3),
            "ratio": vary("compression.pruning_ratio", *RATIOS),
            "choice": CHOICES,
        },
    ),
    quick=Sweep(
        name="protocol_choices",
        question="The same on the 5,000 embedded digits, smaller and shorter.",
        base=replace_fields(QUICK_BASE, MAGNITUDE_L2),
        grids=({"ratio": vary("compression.pruning_ratio", 0.9, 0.97), "choice": CHOICES},),
    ),
)
