"""Trained networks become rows of what their files decode to; who diverged or lost its teacher becomes a failed row."""

import numpy as np
import pytest
import torch

from mdlray import codec
from mdlray.codec.stack import build_decoded
from mdlray.data import load_images
from mdlray.models import get_family
from mdlray.models.family import initialize
from mdlray.planning import Pack
from mdlray.results.pack_result import model_file
from mdlray.spec import TrialSpec, replace_fields
from mdlray.training import Fitted, place_splits
from mdlray.training.curves import Curves
from mdlray.worker.measure import Stack, failed_trials, measure

SIZES = (784, 6, 10)
BASE = replace_fields(
    TrialSpec(), {"data.dataset": "mnist5k", "model.hidden_units": (6,), "compression.centroid_epochs": 0}
)


def stack_of(specs: list[TrialSpec], diverged: list[int | None]) -> Stack:
    """Networks as they are before the first step."""
    images, family = load_images(BASE.data, 0, None), get_family("dense")
    splits, changed = place_splits(images, specs, torch.device("cpu"))
    generators = [torch.Generator().manual_seed(spec.seeds.initialization) for spec in specs]
    parameters = initialize(family.shapes(SIZES), generators)
    fitted = Fitted(parameters, Curves(), diverged, [0 for _ in specs], 3600, [[] for _ in specs])
    return Stack(specs, family, SIZES, fitted, [], splits, changed)


def test_a_row_is_what_the_file_decodes_to() -> None:
    learner = replace_fields(BASE, {"seeds.initialization": 1})
    coarse = replace_fields(learner, {"compression.quantization_levels": 2})
    images = load_images(BASE.data, 0, None)
    result = measure(Pack("sweep", (learner, coarse)), stack_of([learner], [None]), images)
    assert [row["trial_id"] for row in result.rows] == [learner.trial_id, coarse.trial_id]
    for row, levels in zip(result.rows, (16, 2), strict=True):
        blob = result.files[model_file(row["trial_id"])]
        assert row["status"] == "ok" and row["compressed_bytes"] == len(blob)
        assert max(len(np.unique(t.weights)) for t in codec.decode(blob).tensors[::2]) <= levels
        with torch.no_grad():
            logits = build_decoded(blob)(torch.tensor(images.pixels_NP[images.test]))
        right = float((logits.argmax(-1).numpy() == images.labels_N[images.test]).mean())
        assert row["test_accuracy"] == pytest.approx(right, abs=1e-9)
    assert result.rows[1]["compressed_bytes"] < result.rows[0]["compressed_bytes"]


def test_a_diverged_member_fails_alone() -> None:
    specs = [replace_fields(BASE, {"seeds.initialization": seed}) for seed in (0, 1)]
    result = measure(Pack("sweep", tuple(specs)), stack_of(specs, [3, None]), load_images(BASE.data, 0, None))
    rows = {row["trial_id"]: row for row in result.rows}
    assert rows[specs[0].trial_id]["status"] == "failed"
    assert "out of range in epoch 3" in rows[specs[0].trial_id]["error"]
    assert rows[specs[1].trial_id]["status"] == "ok" and set(result.files) == {model_file(specs[1].trial_id)}


def test_students_without_a_teacher_say_why() -> None:
    students = [replace_fields(BASE, {"student.round": 2, "seeds.initialization": seed}) for seed in (0, 1)]
    result = failed_trials(Pack("sweep", tuple(students)), students, {students[1].lineage_key: "round 1 diverged"})
    assert [(row["trial_id"], row["error"]) for row in result.rows] == [(students[1].trial_id, "round 1 diverged")]
