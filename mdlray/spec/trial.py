"""A trial as a value: `TrialSpec` and its parts, their canonical JSON, and the keys that are derived from them.

    trial_id     = sha256 of the canonical JSON with SPEC_VERSION, 16 hex digits          "is this done?"
    cell_id      = the same without the seeds                                             "repetitions of one setting"
    training_key = the same without the fields that matter after training only            "train once, quantize often"
    lineage_key  = the training_key without `student`                                     "whose students"
    stack_key    = architecture, images, batch size, epochs, optimizer, shifts            "may share a pack"

The id is derived, never drawn, so that after a change of a default an old row is not taken for a new setting. A field
that was added after version 1 is in the JSON only if it differs from its neutral value in `ADDED_FIELDS`. The neutral
value means what version 1 did. So a row from before the field keeps its id, and every other value of the field gives a
new id.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from typing import Any

from mdlray.spec.parts import CompressionSpec, DataSpec, ModelSpec, SeedSpec, TrainingSpec, require
from mdlray.spec.student import StudentSpec

SPEC_VERSION = 1

ADDED_FIELDS: dict[str, dict[str, Any]] = {
    "model": {"kernel_size": 5, "stride": 1, "pool_size": 2, "bucket_fraction": 1.0, "hash_seed": 0},
    "training": {"max_shift": 0},
    "compression": {
        "levels_per_layer": (),
        "quantization_grid": "kmeans",
        "rate_distortion": 0.0,
        "codebook_mantissa_bits": 10,
        "bias_mantissa_bits": 10,
        "remove_dead_units": False,
        "unit_order": "trained",
    },
    "student": {
        "round": 0,
        "shrink_factor": 0.8,
        "num_epochs": 100,
        "inputs": "noise",
        "noise_seed": 0,
        "targets": "soft_labels",
        "temperature": 1.0,
        "start": "random",
    },
}
"""Fields of each part that version 1 did not have, with their neutral values: what version 1 did. Never change a value
here, even if the field's default changes: rows without the field were made with this value."""


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """One network to train and compress: everything that its row depends on."""

    data: DataSpec = field(default_factory=DataSpec)
    model: ModelSpec = field(default_factory=ModelSpec)
    training: TrainingSpec = field(default_factory=TrainingSpec)
    compression: CompressionSpec = field(default_factory=CompressionSpec)
    student: StudentSpec = field(default_factory=StudentSpec)
    seeds: SeedSpec = field(default_factory=SeedSpec)

    def __post_init__(self) -> None:
        last, epochs = self.compression.last_pruning_epoch, self.training.num_epochs
        require(
            self.compression.pruning_ratio == 0 or last <= epochs,
            self.compression,
            "last_pruning_epoch",
            f"at most training.num_epochs ({epochs}), or the network would never reach its ratio",
        )
        require(
            self.compression.pruning_ratio == 0 or self.student.round == 0,
            self.compression,
            "pruning_ratio",
            "0 where student.round is above 0: a student is smaller, not pruned",
        )

    @cached_property
    def network(self) -> ModelSpec:
        """The network that is measured: `model`, or for a student its smaller version."""
        return replace(self.model, hidden_units=self.student.shrunk(self.model.hidden_units))

    @cached_property
    def ancestor(self) -> "TrialSpec":
        """The network of round 0 from which this student descends; the trial itself if it is not a student."""
        return replace(self, student=StudentSpec()) if self.student.round else self

    @property
    def num_epochs(self) -> int:
        """The number of epochs in which this network is trained, or fitted if it is a student."""
        return self.student.num_epochs if self.student.round else self.training.num_epochs

    @cached_property
    def trial_id(self) -> str:
        """The name of the trial in every table and file."""
        return _digest(_part_texts(self))

    @cached_property
    def cell_id(self) -> str:
        """The name of the setting; trials that differ in their seeds only (repetitions) share it."""
        return _digest({name: text for name, text in _part_texts(self).items() if name != "seeds"})

    @cached_property
    def training_key(self) -> str:
        """Trials with equal keys have the same trained network; they differ only in what happens after training."""
        before = {k: v for k, v in _part(self, "compression").items() if k not in AFTER_TRAINING}
        return _digest(_part_texts(self) | {"compression": _json(before)})

    @cached_property
    def lineage_key(self) -> str:
        """Trials with equal keys are one trained network of round 0 and its students of all rounds."""
        return self.ancestor.training_key

    @cached_property
    def images_key(self) -> str:
        """Trials with equal keys see the same images; their labels may differ."""
        images = {k: v for k, v in to_dict(self.data).items() if k != "label_randomization_fraction"}
        pixel_seed = self.seeds.randomization if self.data.pixel_randomization != "none" else None
        return _digest({"images": _json(images), "pixel_seed": _json(pixel_seed)})

    @cached_property
    def stack_key(self) -> str:
        """Trials with equal keys have equal shapes and equal numbers of steps, so they may be trained as one stack."""
        steps = [self.training.batch_size, self.training.num_epochs, self.training.optimizer]
        parts: dict[str, Any] = {"images": self.images_key, "model": _part(self, "model"), "steps": steps}
        parts |= {"max_shift": self.training.max_shift} if self.training.max_shift else {}
        return _digest({name: _json(part) for name, part in parts.items()})


AFTER_TRAINING = {
    "quantization_levels",
    "levels_per_layer",
    "quantization_grid",
    "rate_distortion",
    "centroid_epochs",
    "codebook_mantissa_bits",
    "bias_mantissa_bits",
    "remove_dead_units",
    "unit_order",
}
"""Fields of `CompressionSpec` that training does not see: one training serves all their values."""

_FIELDS = {part.name: [f.name for f in fields(part.default_factory)] for part in fields(TrialSpec)}  # type: ignore[arg-type]


def to_dict(value: Any) -> dict[str, Any]:
    """All fields of a spec or of a part of it as plain nested dictionaries and lists."""
    # This is five times as fast as dataclasses.asdict, which copies every leaf: a sweep may need 10,000 ids at once.
    return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}


def from_dict(parts: Mapping[str, Mapping[str, Any]]) -> TrialSpec:
    """The inverse of `to_dict` and of the canonical JSON; ValueError for a field that this version does not know."""
    built = {}
    for part in fields(TrialSpec):
        kind: Any = part.default_factory
        given = ADDED_FIELDS.get(part.name, {}) | dict(parts.get(part.name, {}))
        unknown = sorted(set(given) - {f.name for f in fields(kind)})
        if unknown:
            known = ", ".join(f.name for f in fields(kind))
            raise ValueError(f"{part.name} has no field {unknown[0]!r}; its fields are: {known}.")
        built[part.name] = kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})
    return TrialSpec(**built)


SharedParts = dict[tuple[Any, ...], tuple[Any, list[Any], Any]]
"""Parts that `replace_fields` has made: a part, values and the part with these, by the `id` of each of the former."""


def replace_fields(spec: TrialSpec, changes: Mapping[str, Any], shared: SharedParts | None = None) -> TrialSpec:
    """A copy with some fields changed, each named by its path: `{"compression.pruning_ratio": 0.9}`.

    Calls with one `shared`, at first `{}`, use the same part wherever they change the same one to the same objects,
    which makes the 29,160 trials of a grid four times as fast as one by one.
    """
    by_part: dict[str, dict[str, Any]] = {}
    for path, value in changes.items():
        part, _, name = path.partition(".")
        if part not in _FIELDS or name not in _FIELDS[part]:
            known = ", ".join(f"{p}.{n}" for p, names in _FIELDS.items() for n in names)
            raise ValueError(f"a trial has no field {path!r}; its fields are: {known}.")
        by_part.setdefault(part, {})[name] = value
    made = {part: _replace_part(getattr(spec, part), values, shared) for part, values in by_part.items()}
    return replace(spec, **made)


def _replace_part(part: Any, values: dict[str, Any], shared: SharedParts | None) -> Any:
    # By identity: 0.0, -0.0 and False are equal and do not name the same trial.
    key = (id(part), *((name, id(value)) for name, value in values.items()))
    if shared is not None and key in shared:
        return shared[key][2]
    made = replace(part, **{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
    if shared is not None:
        # The part and the values are kept with it, so that no other object gets their ids meanwhile.
        shared[key] = (part, list(values.values()), made)
    return made


def canonical_json(spec: TrialSpec) -> str:
    """The spec version and all fields but neutral `ADDED_FIELDS`, as JSON with sorted keys and no spaces.

    Two texts are equal exactly if the trials are equal.
    """
    return _object(_part_texts(spec))


def _part_texts(spec: TrialSpec) -> dict[str, str]:
    """Each part's name and its canonical JSON."""
    texts = {name: _part_text(spec, name) for name in _FIELDS}
    # Version 1 had no part `student`, so it is left out if it is empty; all other parts are always in the JSON.
    return {name: text for name, text in texts.items() if text != "{}" or name != "student"}


def _part_text(spec: TrialSpec, name: str) -> str:
    # Kept in the part itself, which never changes and which many trials of a sweep share. A cache by value would take
    # 0.0 and -0.0 for one, whose texts differ.
    kept = getattr(spec, name).__dict__
    if "_text" not in kept:
        kept["_text"] = _json(_part(spec, name))
    text: str = kept["_text"]
    return text


def _part(spec: TrialSpec, name: str) -> dict[str, Any]:
    """The part's fields, without `ADDED_FIELDS` that are neutral."""
    part, added = getattr(spec, name), ADDED_FIELDS.get(name, {})
    return {key: value for key, value in to_dict(part).items() if key not in added or getattr(part, key) != added[key]}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_dict(value)
    return list(value) if isinstance(value, tuple) else value


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _object(texts: Mapping[str, str]) -> str:
    """One JSON object of these values, which are JSON, and of the spec version."""
    members = {**texts, "spec_version": _json(SPEC_VERSION)}
    return "{" + ",".join(f'"{name}":{members[name]}' for name in sorted(members)) + "}"


def _digest(texts: Mapping[str, str]) -> str:
    return hashlib.sha256(_object(texts).encode()).hexdigest()[:16]
