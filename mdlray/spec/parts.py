"""The parts of a trial: its data, its network, its training, its compression, and its seeds.

Each part is a frozen value. Every field has a type and a range, which are checked when the value is made. A name (of a
data set, a saliency, ...) is checked by the registry of such names.
"""

import math
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """Which images and labels a network sees."""

    dataset: str = "mnist"
    """A name in `mdlray.data.DATASETS`, e.g. `mnist`, `mnist5k`, `fashion_mnist_rotation`."""
    split: str = "study"
    """`study`: 45,000 train, 5,000 validation, 12,000 test out of all 70,000; `usual`: 55,000, 5,000, 10,000."""
    label_randomization_fraction: float = 0.0
    """Fraction of the training labels that are drawn anew, uniformly; a drawn label may equal the true one."""
    pixel_randomization: str = "none"
    """`none`, `shuffled`, `random` or `gaussian` (Zhang et al. 2017)."""
    backgrounds: str = "sample"
    """Photographs behind `*_background_images`: `sample` (scikit-learn's two) or the digest of a user's folder."""

    def __post_init__(self) -> None:
        settle_types(self)
        require(0 <= self.label_randomization_fraction <= 1, self, "label_randomization_fraction", "in [0, 1]")
        require(self.split in ("study", "usual"), self, "split", "'study' or 'usual'")


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """The network before compression. A field of another family has no effect, and must be left at its default."""

    family: str = "dense"
    """A name in `mdlray.models.MODELS`."""
    hidden_units: tuple[int, ...] = (100,)
    """The number of units of each hidden layer, input side first. `lenet5`: two numbers of filters, then the units of
    the dense part. `convnet`: the number of filters (output channels)."""
    kernel_size: int = 5
    """`convnet`: pixels along an edge of its square kernels."""
    stride: int = 1
    """`convnet`: pixels between two neighboring positions of a kernel."""
    pool_size: int = 2
    """`convnet`: edge, and stride, of the squares over which the maximum is taken."""
    bucket_fraction: float = 1.0
    """`hashed`: stored weights (buckets) per virtual weight. A layer of n virtual weights has `round(fraction · n)`
    buckets, and at least one."""
    hash_seed: int = 0
    """`hashed`: which virtual weight shares which bucket."""

    def __post_init__(self) -> None:
        settle_types(self)
        require(
            all(isinstance(units, int) and units > 0 for units in self.hidden_units),
            self,
            "hidden_units",
            "positive whole numbers, e.g. (100,)",
        )
        for name in ("kernel_size", "stride", "pool_size"):
            require(getattr(self, name) > 0, self, name, "at least 1")
        require(0 < self.bucket_fraction <= 1, self, "bucket_fraction", "in (0, 1]")
        require(0 <= self.hash_seed < 2**28, self, "hash_seed", "from 0 to 2^28 - 1")

    @property
    def architecture(self) -> str:
        """The name in tables: family, units, and the fields that differ from their defaults: `convnet-8-k7-p3`."""
        letters = {"kernel_size": "k", "stride": "s", "pool_size": "p", "bucket_fraction": "f", "hash_seed": "h"}
        unusual = {name: getattr(self, name) for name in letters if getattr(self, name) != getattr(ModelSpec, name)}
        parts = [f"{letters[name]}{short(value)}" for name, value in unusual.items()]
        return "-".join([self.family, *map(str, self.hidden_units), *parts])


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """How the network is trained."""

    num_epochs: int = 100
    batch_size: int = 128
    optimizer: str = "sgd"
    """A name in `mdlray.training.OPTIMIZERS`."""
    learning_rate: float = 0.1
    learning_rate_schedule: str = "cosine"
    """A name in `mdlray.training.LEARNING_RATE_SCHEDULES`."""
    momentum: float = 0.9
    """Momentum of SGD; the first-moment decay of Adam."""
    regularizer: str = "none"
    """A name in `mdlray.training.REGULARIZERS`."""
    regularizer_strength: float = 0.0
    """Factor in front of the penalty, in nats per example: strength · sum |w| (l1) or strength/2 · sum w² (l2)."""
    dropout: float = 0.0
    """The probability that a hidden unit is set to zero in one training step."""
    max_shift: int = 0
    """In each training step every image is shifted by at most this many pixels in each direction; the gap is black."""

    def __post_init__(self) -> None:
        settle_types(self)
        require(self.num_epochs > 0, self, "num_epochs", "at least 1")
        require(self.batch_size > 0, self, "batch_size", "at least 1")
        require(0 < self.learning_rate < math.inf, self, "learning_rate", "positive and finite")
        require(0 <= self.momentum < 1, self, "momentum", "in [0, 1)")
        require(0 <= self.regularizer_strength < math.inf, self, "regularizer_strength", "zero or more, finite")
        require(0 <= self.dropout < 1, self, "dropout", "in [0, 1)")
        require(0 <= self.max_shift <= 8, self, "max_shift", "from 0 to 8")
        require(
            (self.regularizer == "none") == (self.regularizer_strength == 0),
            self,
            "regularizer_strength",
            "zero exactly when the regularizer is 'none' (otherwise one of the two would have no effect)",
        )


@dataclass(frozen=True, kw_only=True)
class CompressionSpec:
    """How the network is pruned and quantized."""

    method: str = "none"
    """A name in `mdlray.compression.SALIENCIES`."""
    pruning_ratio: float = 0.0
    """The fraction of the weights that pruning removes: exactly `round(ratio · n)` of n. After quantization there may
    be more zeros (with `rate_distortion`, a `uniform` grid or `remove_dead_units`), but never fewer."""
    scope: str = "global"
    """`global`: one ranking over all layers; `per_layer`: the ratio holds in every layer."""
    num_pruning_steps: int = 60
    pruning_exponent: float = 12.0
    """c in: sparsity after step i of k is ratio · (i/k)^(1/c) (Baktash et al. 2019, §3.2)."""
    first_pruning_epoch: int = 5
    """Epochs of training before the first pruning step."""
    last_pruning_epoch: int = 70
    """The last pruning step happens after this many epochs; the remaining epochs retrain the network."""
    saliency_examples: int = 4096
    """The number of training examples from which Optimal Brain Damage and `rate_distortion` estimate the curvature."""
    quantization_levels: int = 16
    """The largest number of non-zero values in a layer's codebook. Removed weights are exact zeros beside them."""
    levels_per_layer: tuple[int, ...] = ()
    """One number per weight tensor in the family's order, instead of `quantization_levels`; empty: not used."""
    quantization_grid: str = "kmeans"
    """A name in `mdlray.compression.GRIDS`: `kmeans`, or `uniform`: multiples of one step, zero among them."""
    rate_distortion: float = 0.0
    """The loss that a saved bit is worth, in nats per training example and bit. Above 0, a weight moves to a
    neighboring level or to zero if the bits saved are worth the loss (`mdlray.compression.rate_distortion`). At 0,
    every weight gets the nearest level."""
    codebook_mantissa_bits: int = 10
    """Mantissa bits (after the leading one) that a codebook entry or a uniform step may use; 10: no rounding."""
    bias_mantissa_bits: int = 10
    """Mantissa bits that a bias may use; 10: no rounding."""
    remove_dead_units: bool = False
    """Whether dead hidden units are removed. A unit without incoming weights is a constant, which is added to the next
    layer's biases; a unit without outgoing weights is set to zero."""
    unit_order: str = "trained"
    """A name in `mdlray.compression.UNIT_ORDERS`: `trained`, or `sorted`: most incoming weights first."""
    centroid_epochs: int = 2
    """Epochs in which codebooks and biases are trained after quantization (0: they are not)."""

    def __post_init__(self) -> None:
        settle_types(self)
        require(0 <= self.pruning_ratio <= 1, self, "pruning_ratio", "in [0, 1]")
        require(
            self.method != "none" or self.pruning_ratio == 0,
            self,
            "pruning_ratio",
            "0 when the method is 'none'; choose a method such as 'magnitude' or set the ratio to 0",
        )
        require(self.scope in ("global", "per_layer"), self, "scope", "'global' or 'per_layer'")
        require(self.num_pruning_steps > 0, self, "num_pruning_steps", "at least 1")
        require(self.pruning_exponent >= 1, self, "pruning_exponent", "at least 1")
        require(self.saliency_examples > 0, self, "saliency_examples", "at least 1")
        require(1 <= self.quantization_levels <= 4096, self, "quantization_levels", "from 1 to 4096")
        require(
            all(type(levels) is int and 1 <= levels <= 4096 for levels in self.levels_per_layer),
            self,
            "levels_per_layer",
            "whole numbers from 1 to 4096, one per weight tensor, e.g. (4, 16), or empty",
        )
        require(
            not self.levels_per_layer or self.quantization_levels == CompressionSpec.quantization_levels,
            self,
            "quantization_levels",
            f"left at {CompressionSpec.quantization_levels} beside levels_per_layer, which takes its place",
        )
        require(0 <= self.rate_distortion < math.inf, self, "rate_distortion", "zero or more, finite")
        for name in ("codebook_mantissa_bits", "bias_mantissa_bits"):
            require(0 <= getattr(self, name) <= 10, self, name, "from 0 to 10 (float16)")
        require(self.centroid_epochs >= 0, self, "centroid_epochs", "zero or more")
        require(
            0 <= self.first_pruning_epoch <= self.last_pruning_epoch,
            self,
            "first_pruning_epoch",
            f"from 0 to last_pruning_epoch ({self.last_pruning_epoch})",
        )


@dataclass(frozen=True, kw_only=True)
class SeedSpec:
    """One seed per source of chance, so that any of them can be held fixed."""

    initialization: int = 0
    """Initial weights and dropout."""
    data_order: int = 0
    """Order of the training examples. Members that share it see the same batches, which makes training faster."""
    randomization: int = 0
    """Which labels and pixels are drawn anew, and their new values."""

    def __post_init__(self) -> None:
        settle_types(self)
        for name in ("initialization", "data_order", "randomization"):
            require(0 <= getattr(self, name) < 2**31, self, name, "from 0 to 2^31 - 1")


def settle_types(part: object) -> None:
    """Give numbers the type of their field, so that 0, 0.0 and NumPy's 0.0 name the same trial; refuse other types."""
    for f in fields(part):  # type: ignore[arg-type]
        given, wanted = getattr(part, f.name), type(f.default)
        if type(given) is wanted and wanted is not tuple:
            continue
        value = to_python(given)
        if wanted is float and type(value) is int:
            value = float(value)
        if value is not given:
            object.__setattr__(part, f.name, value)
        if type(value) is not wanted:
            raise ValueError(f"{_path(part, f.name)} is {value!r}, it must be a {wanted.__name__}, e.g. {f.default!r}.")


def to_python(value: Any) -> Any:
    """NumPy's numbers as Python's and NumPy's arrays as tuples, also inside a tuple; everything else is unchanged.

    `numpy.linspace(0.5, 0.9, 3)` gives `numpy.float64`, which names the same trial as the `float` of equal value.
    """
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        plain = value.tolist()
        return tuple(plain) if type(plain) is list else plain
    if type(value) is tuple and any(type(part).__module__ == "numpy" for part in value):
        return tuple(map(to_python, value))
    return value


def short(value: float) -> str:
    """A number as part of a name: a float has six significant digits, a whole number has all its digits."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def require(holds: bool, part: object, name: str, allowed: str) -> None:
    """Raise a ValueError that says what was given and what is allowed, unless `holds`."""
    if not holds:
        raise ValueError(f"{_path(part, name)} is {getattr(part, name)!r}, it must be {allowed}.")


def _path(part: object, name: str) -> str:
    """The path of a field as sweeps write it, e.g. `training.num_epochs`."""
    kind = type(part).__name__.removesuffix("Spec").lower()
    return f"{'seeds' if kind == 'seed' else kind}.{name}"
