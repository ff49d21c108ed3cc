from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from mdlray.results.conversion import to_frame, to_table
from mdlray.results.schema import TRIALS, failed_row
from mdlray.spec import TrialSpec, replace_fields

Row = dict[str, Any]


@pytest.fixture
def make_row() -> Callable[..., Row]:
    """A complete row of a network pruned by magnitude with L2; `fields` change the trial, keywords change columns."""

    def make(fields: dict[str, Any] | None = None, status: str = "ok", **changes: Any) -> Row:
        usual = {"compression.method": "magnitude", "compression.pruning_ratio": 0.9, "training.regularizer": "l2"}
        usual |= {"training.regularizer_strength": 1e-4}
        known = {"sweep": "made", "pack_id": "p0", "num_members_in_pack": 3}
        row = failed_row(replace_fields(TrialSpec(), usual | (fields or {})), error="made to fail", **known)
        measured = {"validation_accuracy": 0.9, "test_accuracy": 0.89, "train_accuracy": 0.95, "train_nats": 12.5}
        measured |= {"trained_test_accuracy": 0.9}
        counted = {"compressed_bytes": 1000, "num_weights": 79510, "num_nonzero": 7951, "decoded_ok": True}
        ok = {"status": "ok", "error": None} | measured | counted
        return row | (ok if status == "ok" else {}) | changes

    return make


@pytest.fixture
def as_trials() -> Callable[[list[Row]], pd.DataFrame]:
    """Rows as `load` would give them."""
    return lambda rows: to_frame(to_table(rows, TRIALS))
