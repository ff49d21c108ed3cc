from collections.abc import Callable
from typing import Any

import pytest

from mdlray.results.schema import failed_row
from mdlray.spec import TrialSpec, replace_fields

Row = dict[str, Any]


@pytest.fixture
def make_row() -> Callable[..., Row]:
    """A complete row; keywords change its columns."""

    def make(seed: int = 0, ratio: float = 0.9, status: str = "ok", **changes: Any) -> Row:
        fields = {"compression.method": "magnitude", "compression.pruning_ratio": ratio, "seeds.initialization": seed}
        known = {"sweep": "made", "pack_id": "p0", "num_members_in_pack": 3}
        row = failed_row(replace_fields(TrialSpec(), fields), error="RuntimeError: made to fail", **known)
        measured = {"validation_accuracy": 0.9, "test_accuracy": 0.89, "train_accuracy": 0.95, "train_nats": 12.5}
        counted = {"compressed_bytes": 1000, "num_weights": 79510, "num_nonzero": 7951, "decoded_ok": True}
        ok = {"status": "ok", "error": None} | measured | counted
        return row | (ok if status == "ok" else {}) | changes

    return make
