"""A trial as a frozen value, its parts, and the ids derived from it (`mdlray.spec.trial` says how)."""

from mdlray.spec.parts import CompressionSpec, DataSpec, ModelSpec, SeedSpec, TrainingSpec, to_python
from mdlray.spec.student import StudentSpec
from mdlray.spec.trial import (
    ADDED_FIELDS,
    AFTER_TRAINING,
    SPEC_VERSION,
    SharedParts,
    TrialSpec,
    canonical_json,
    from_dict,
    replace_fields,
    to_dict,
)

__all__ = [
    "ADDED_FIELDS",
    "AFTER_TRAINING",
    "SPEC_VERSION",
    "CompressionSpec",
    "DataSpec",
    "ModelSpec",
    "SeedSpec",
    "SharedParts",
    "StudentSpec",
    "TrainingSpec",
    "TrialSpec",
    "canonical_json",
    "from_dict",
    "replace_fields",
    "to_dict",
    "to_python",
]
