"""The parts of a trial: what is seen, by which network, how it is trained, how compressed, and from which seeds.

Each is a frozen value whose fields have a type and a range, checked where it is made. Names (data set, method, ...) are
checked by the registry that knows them.
"""

import math
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """Which pictures and labels a network sees."""

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
    """Which network, before compression; what stands behind another family's name has no effect and must be left."""

    family: str = "dense"
    """A name in `mdlray.models.MODELS`."""
    hidden_units: tuple[int, ...] = (100,)
    """Units of each hidden layer, input side first; `lenet5`: two numbers of filters before those of the dense part;
    `convnet`: its number of filters (output channels)."""
    kernel_size: int = 5
    """`convnet`: pixels along an edge of its square kernels."""
    stride: int = 1
    """`convnet`: pixels between two places of a kernel."""
    pool_size: int = 2
    """`convnet`: edge, and stride, of the squares whose maximum is taken."""
    bucket_fraction: float = 1.0
    """`hashed`: weights that are stored per virtual weight: a layer of n virtual weights has `round(fraction · n)`
    buckets, at least one."""
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
        """The name in tables: the family, its units, and what else is unusual: `dense-100`, `convnet-8-k7-p3`."""
        letters = {"kernel_size": "k", "stride": "s", "pool_size": "p", "bucket_fraction": "f", "hash_seed": "h"}
        unusual = {name: getattr(self, name) for name in letters if getattr(self, name) != getattr(ModelSpec, name)}
        parts = [f"{letters[name]}{short(value)}" for name, value in unusual.items()]
        return "-".join([self.family, *map(str, self.hidden_units), *parts])


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """How the weights are found."""

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
    """Probability that a hidden unit is silent in one training step."""
    max_shift: int = 0
    """In each training step every picture is moved by up to this many pixels in each direction, black coming in."""

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
    """How the trained weights become few symbols."""

    method: str = "none"
    """A name in `mdlray.compression.SALIENCIES`."""
    pruning_ratio: float = 0.0
    """Fraction of the prunable weights that pruning removes: exactly `round(ratio · n)` of n. Quantization may turn
    more of them into zeros (`rate_distortion`, a `uniform` grid, `remove_dead_units`), never fewer."""
    scope: str = "global"
    """`global`: one ranking over all layers; `per_layer`: the ratio holds in every layer."""
    num_pruning_steps: int = 60
    pruning_exponent: float = 12.0
    """c in: sparsity after step i of k is ratio · (i/k)^(1/c) (Baktash et al. 2019, §3.2)."""
    first_pruning_epoch: int = 5
    """Epochs of dense training before the first step."""
    last_pruning_epoch: int = 70
    """The last step happens after this many epochs; what is left of `num_epochs` is retraining."""
    saliency_examples: int = 4096
    """How many training examples estimate the curvature of Optimal Brain Damage and of `rate_distortion`."""
    quantization_levels: int = 16
    """Non-zero values a layer may use (its codebook); pruned weights are an exact zero beside them."""
    levels_per_layer: tuple[int, ...] = ()
    """In place of `quantization_levels`, one number per weight tensor in the family's order; empty: not used."""
    quantization_grid: str = "kmeans"
    """A name in `mdlray.compression.GRIDS`: `kmeans`, or `uniform`: multiples of one step, zero among them."""
    rate_distortion: float = 0.0
    """Loss that a saved bit is worth, in nats per training example and bit: weights go to a neighboring level or to
    zero where that pays (`mdlray.compression.rate_distortion`). 0: to the nearest level."""
    codebook_mantissa_bits: int = 10
    """Bits behind the leading one that a codebook entry, or the step of a uniform grid, may use; 10: all of float16."""
    bias_mantissa_bits: int = 10
    """The same of biases."""
    remove_dead_units: bool = False
    """Fold hidden units without incoming weights into the next biases and zero those without outgoing ones."""
    unit_order: str = "trained"
    """A name in `mdlray.compression.UNIT_ORDERS`: `trained`, or `sorted` by falling number of incoming weights."""
    centroid_epochs: int = 2
    """Epochs in which the codebooks are trained after k-means (0: not at all)."""

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
    """Order of the training examples; members of a pack that share it share the first layer's product."""
    randomization: int = 0
    """Which labels and pixels are randomized, and to what."""

    def __post_init__(self) -> None:
        settle_types(self)
        for name in ("initialization", "data_order", "randomization"):
            require(0 <= getattr(self, name) < 2**31, self, name, "from 0 to 2^31 - 1")


def settle_types(part: object) -> None:
    """Numbers get the type of their field, so that 0, 0.0 and NumPy's 0.0 name the same trial; the rest is refused."""
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
    """NumPy's numbers as Python's, its arrays as tuples, also inside a tuple; everything else as it is.

    `numpy.linspace(0.5, 0.9, 3)` gives `numpy.float64`, which names the same trial as the `float` of equal value.
    """
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        plain = value.tolist()
        return tuple(plain) if type(plain) is list else plain
    if type(value) is tuple and any(type(part).__module__ == "numpy" for part in value):
        return tuple(map(to_python, value))
    return value


def short(value: float) -> str:
    """A number in a name: fractions with six digits, whole numbers with all of theirs."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def require(holds: bool, part: object, name: str, allowed: str) -> None:
    """ValueError that says what was given and what is allowed, unless it holds."""
    if not holds:
        raise ValueError(f"{_path(part, name)} is {getattr(part, name)!r}, it must be {allowed}.")


def _path(part: object, name: str) -> str:
    """A field as sweeps name it, e.g. `training.num_epochs`."""
    kind = type(part).__name__.removesuffix("Spec").lower()
    return f"{'seeds' if kind == 'seed' else kind}.{name}"
