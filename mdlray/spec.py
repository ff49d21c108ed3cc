"""A trial as a value: `TrialSpec` and its parts, their canonical JSON, and the keys derived from it.

    trial_id     = sha256(canonical JSON of all fields and SPEC_VERSION), 16 hex digits    "is this done?"
    cell_id      = the same without the seeds                                             "repetitions of one setting"
    training_key = the same without what happens after training                           "train once, quantize often"
    stack_key    = architecture, images, batch size, epochs                               "may share a pack"

The id is derived, never drawn: a changed default or a new field cannot make an old row answer for a new setting.
Names (data set, method, ...) are checked by the registry that knows them, ranges are checked here.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from typing import Any

SPEC_VERSION = 1


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
        _settle_types(self)
        _require(0 <= self.label_randomization_fraction <= 1, self, "label_randomization_fraction", "in [0, 1]")
        _require(self.split in ("study", "usual"), self, "split", "'study' or 'usual'")


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Which network, before compression."""

    family: str = "dense"
    """A name in `mdlray.models.MODELS`."""
    hidden_units: tuple[int, ...] = (100,)
    """Units of each hidden layer, input side first; `lenet5`: two numbers of filters before those of the dense part."""

    def __post_init__(self) -> None:
        _settle_types(self)
        _require(
            all(isinstance(units, int) and units > 0 for units in self.hidden_units),
            self,
            "hidden_units",
            "positive whole numbers, e.g. (100,)",
        )

    @property
    def architecture(self) -> str:
        """The name in tables, e.g. `dense-100`."""
        return "-".join([self.family, *map(str, self.hidden_units)])


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

    def __post_init__(self) -> None:
        _settle_types(self)
        _require(self.num_epochs > 0, self, "num_epochs", "at least 1")
        _require(self.batch_size > 0, self, "batch_size", "at least 1")
        _require(0 < self.learning_rate < math.inf, self, "learning_rate", "positive and finite")
        _require(0 <= self.momentum < 1, self, "momentum", "in [0, 1)")
        _require(0 <= self.regularizer_strength < math.inf, self, "regularizer_strength", "zero or more, finite")
        _require(0 <= self.dropout < 1, self, "dropout", "in [0, 1)")
        _require(
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
    """Fraction of the prunable weights that is removed: exactly `round(ratio · n)` of n."""
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
    """How many training examples estimate the curvature of Optimal Brain Damage."""
    quantization_levels: int = 16
    """Non-zero values a layer may use (its codebook); pruned weights are an exact zero beside them."""
    centroid_epochs: int = 2
    """Epochs in which the codebooks are trained after k-means (0: not at all)."""

    def __post_init__(self) -> None:
        _settle_types(self)
        _require(0 <= self.pruning_ratio <= 1, self, "pruning_ratio", "in [0, 1]")
        _require(
            self.method != "none" or self.pruning_ratio == 0,
            self,
            "pruning_ratio",
            "0 when the method is 'none'; choose a method such as 'magnitude' or set the ratio to 0",
        )
        _require(self.scope in ("global", "per_layer"), self, "scope", "'global' or 'per_layer'")
        _require(self.num_pruning_steps > 0, self, "num_pruning_steps", "at least 1")
        _require(self.pruning_exponent >= 1, self, "pruning_exponent", "at least 1")
        _require(self.saliency_examples > 0, self, "saliency_examples", "at least 1")
        _require(1 <= self.quantization_levels <= 4096, self, "quantization_levels", "from 1 to 4096")
        _require(self.centroid_epochs >= 0, self, "centroid_epochs", "zero or more")
        _require(
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
        _settle_types(self)
        for name in ("initialization", "data_order", "randomization"):
            _require(0 <= getattr(self, name) < 2**31, self, name, "from 0 to 2^31 - 1")


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """One network to train and compress: everything its row depends on."""

    data: DataSpec = field(default_factory=DataSpec)
    model: ModelSpec = field(default_factory=ModelSpec)
    training: TrainingSpec = field(default_factory=TrainingSpec)
    compression: CompressionSpec = field(default_factory=CompressionSpec)
    seeds: SeedSpec = field(default_factory=SeedSpec)

    def __post_init__(self) -> None:
        last, epochs = self.compression.last_pruning_epoch, self.training.num_epochs
        _require(
            self.compression.pruning_ratio == 0 or last <= epochs,
            self.compression,
            "last_pruning_epoch",
            f"at most training.num_epochs ({epochs}), or the network would never reach its ratio",
        )

    @cached_property
    def trial_id(self) -> str:
        """Name of the trial in every table and file."""
        return _digest(to_dict(self))

    @cached_property
    def cell_id(self) -> str:
        """Name of the setting that repetitions (seeds) share."""
        return _digest({key: part for key, part in to_dict(self).items() if key != "seeds"})

    @cached_property
    def training_key(self) -> str:
        """Trials with equal keys have the same trained network and differ in quantization only."""
        after = {"quantization_levels", "centroid_epochs"}
        parts = to_dict(self)
        return _digest(parts | {"compression": {k: v for k, v in parts["compression"].items() if k not in after}})

    @cached_property
    def images_key(self) -> str:
        """Trials with equal keys see the same pictures; their labels may differ."""
        images = {k: v for k, v in to_dict(self.data).items() if k != "label_randomization_fraction"}
        pixel_seed = self.seeds.randomization if self.data.pixel_randomization != "none" else None
        return _digest({"images": images, "pixel_seed": pixel_seed})

    @cached_property
    def stack_key(self) -> str:
        """Trials with equal keys have equal shapes and numbers of steps, and may be trained as one stacked model."""
        steps = [self.training.batch_size, self.training.num_epochs, self.training.optimizer]
        return _digest({"images": self.images_key, "model": to_dict(self.model), "steps": steps})


_FIELDS = {part.name: [f.name for f in fields(part.default_factory)] for part in fields(TrialSpec)}  # type: ignore[arg-type]


def to_dict(value: Any) -> dict[str, Any]:
    """A spec or a part of it as plain nested dictionaries and lists (what its JSON says)."""
    # dataclasses.asdict copies every leaf; ids of 10,000 trials are asked for at once, and this is five times faster.
    return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}


def from_dict(parts: Mapping[str, Mapping[str, Any]]) -> TrialSpec:
    """The inverse of `to_dict` for a whole trial; raises ValueError for a field this version does not know."""
    built = {}
    for part in fields(TrialSpec):
        kind: Any = part.default_factory
        given = dict(parts.get(part.name, {}))
        unknown = sorted(set(given) - {f.name for f in fields(kind)})
        if unknown:
            known = ", ".join(f.name for f in fields(kind))
            raise ValueError(f"{part.name} has no field {unknown[0]!r}; its fields are: {known}.")
        built[part.name] = kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})
    return TrialSpec(**built)


def replace_fields(spec: TrialSpec, changes: Mapping[str, Any]) -> TrialSpec:
    """A copy with some fields changed, each named by its path: `{"compression.pruning_ratio": 0.9}`."""
    by_part: dict[str, dict[str, Any]] = {}
    for path, value in changes.items():
        part, _, name = path.partition(".")
        if part not in _FIELDS or name not in _FIELDS[part]:
            known = ", ".join(f"{p}.{n}" for p, names in _FIELDS.items() for n in names)
            raise ValueError(f"a trial has no field {path!r}; its fields are: {known}.")
        by_part.setdefault(part, {})[name] = tuple(value) if isinstance(value, list) else value
    return replace(spec, **{part: replace(getattr(spec, part), **fields) for part, fields in by_part.items()})


def canonical_json(spec: TrialSpec) -> str:
    """All fields and the spec version, sorted keys, no spaces: equal text exactly for equal trials."""
    return _json(to_dict(spec))


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_dict(value)
    return list(value) if isinstance(value, tuple) else value


def _json(parts: Mapping[str, Any]) -> str:
    return json.dumps({**parts, "spec_version": SPEC_VERSION}, sort_keys=True, separators=(",", ":"))


def _digest(parts: Mapping[str, Any]) -> str:
    return hashlib.sha256(_json(parts).encode()).hexdigest()[:16]


def _settle_types(part: object) -> None:
    """Numbers get the type of their field, so that 0 and 0.0 name the same trial; anything else is refused."""
    for f in fields(part):  # type: ignore[arg-type]
        value, wanted = getattr(part, f.name), type(f.default)
        if wanted is float and type(value) is int:
            object.__setattr__(part, f.name, float(value))
        elif type(value) is not wanted:
            raise ValueError(f"{f.name} is {value!r}, it must be a {wanted.__name__}, e.g. {f.default!r}.")


def _require(holds: bool, part: object, name: str, allowed: str) -> None:
    if not holds:
        raise ValueError(f"{name} is {getattr(part, name)!r}, it must be {allowed}.")
