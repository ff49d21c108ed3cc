"""Which choices between training and the file save bytes, and what do they cost?

Networks 784-100-10 are trained on MNIST, once per repetition and pruning ratio. Each trained network is then quantized
and encoded in many ways: dead hidden units are removed; units are sorted; biases and codebooks have short mantissas;
the levels come from k-means or are a uniform grid; there are few levels, or different numbers of levels per layer; and
rate-distortion quantization moves a weight to a neighboring level, or to zero, if the saved bits are worth more than
the loss.

The choices from `FREE` cost no accuracy. Every later choice is added to them, so that rows differ in one choice only.
"""

from mdlray.planning import Sweep, vary, vary_seeds
from mdlray.spec import replace_fields
from mdlray.studies.baktash_2019.protocol import BASE, MAGNITUDE_L2, QUICK_BASE

RATIOS = (0.9, 0.97, 0.99, 0.998)


def choice(**fields: object) -> dict[str, object]:
    """An option of an axis from fields of `CompressionSpec`."""
    return {f"compression.{name}": value for name, value in fields.items()}


REMOVED = choice(remove_dead_units=True)
SORTED = REMOVED | choice(unit_order="sorted")
FREE = SORTED | choice(bias_mantissa_bits=3, codebook_mantissa_bits=4)
FEW_LEVELS = tuple(
    FREE | choice(quantization_grid=grid, quantization_levels=levels)
    for levels in (2, 4, 8, 16)
    for grid in ("kmeans", "uniform")
    if (grid, levels) != ("kmeans", 16)
)
PER_LAYER = (FREE | choice(levels_per_layer=(4, 16)), FREE | choice(levels_per_layer=(16, 4)))
RATE_DISTORTION = tuple(
    FREE | levels | choice(rate_distortion=price)
    for levels in ({}, choice(quantization_levels=8), choice(levels_per_layer=(4, 16)))
    for price in (1e-6, 3e-6, 1e-5, 3e-5)
)
CHOICES = (
    {},
    REMOVED,
    SORTED,
    *(SORTED | choice(bias_mantissa_bits=bits) for bits in (4, 3, 2)),
    FREE,
    choice(centroid_epochs=0),
    *FEW_LEVELS,
    *PER_LAYER,
    *RATE_DISTORTION,
)

SWEEP = Sweep(
    name="lossy_choices",
    question="Which choices between training and the file save bytes, and what do they cost?",
    base=replace_fields(BASE, MAGNITUDE_L2),
    grids=(
        {
            "repetition": vary_seeds(3),
            "ratio": vary("compression.pruning_ratio", *RATIOS),
            "choice": CHOICES,
        },
    ),
    quick=Sweep(
        name="lossy_choices",
        question="The same on the 5,000 embedded digits, with half of the ratios.",
        base=replace_fields(QUICK_BASE, MAGNITUDE_L2),
        grids=({"ratio": vary("compression.pruning_ratio", 0.9, 0.97), "choice": CHOICES},),
    ),
)
