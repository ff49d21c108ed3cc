"""Trained networks become rows of what their files decode to; who diverged or lost its teacher becomes a failed row."""

import numpy as np
import pytest
import torch

from mdlray import codec
from mdlray.codec.stack import build_decoded
from mdlray.data import load_images
from mdlray.models import get_family
from mdlray.models.family import initialize
from mdlray.results.pack_result import PackResult, model_file
from mdlray.spec import TrialSpec, replace_fields
from mdlray.training import Fitted
from mdlray.training.curves import Curves
from mdlray.worker.compress import compress
from mdlray.worker.measure import failed_networks, measure
from mdlray.worker.train import TrainedStack, load_data

SIZES = (784, 6, 10)
BASE = replace_fields(
    TrialSpec(), {"data.dataset": "mnist5k", "model.hidden_units": (6,), "compression.centroid_epochs": 0}
)


def stack_of(specs: list[TrialSpec], diverged: list[int | None]) -> TrainedStack:
    """Networks as they are before the first step."""
    images, family = load_images(BASE.data, 0, None), get_family("dense")
    generators = [torch.Generator().manual_seed(spec.seeds.initialization) for spec in specs]
    parameters = initialize(family.shapes(SIZES), generators)
    fitted = Fitted(parameters, Curves(), diverged, [0 for _ in specs], 3600, [[] for _ in specs])
    return TrainedStack(specs, family, SIZES, fitted, [], load_data(images, specs, torch.device("cpu")))


def measured(specs: list[TrialSpec], stack: TrainedStack) -> PackResult:
    return measure(stack, *compress(stack, specs))


def test_a_row_is_what_the_file_decodes_to() -> None:
    network = replace_fields(BASE, {"seeds.initialization": 1})
    coarse = replace_fields(network, {"compression.quantization_levels": 2})
    images = load_images(BASE.data, 0, None)
    result = measured([network, coarse], stack_of([network], [None]))
    assert [row["trial_id"] for row in result.rows] == [network.trial_id, coarse.trial_id]
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
    result = measured(specs, stack_of(specs, [3, None]))
    rows = {row["trial_id"]: row for row in result.rows}
    assert rows[specs[0].trial_id]["status"] == "failed"
    assert "out of range in epoch 3" in rows[specs[0].trial_id]["error"]
    assert rows[specs[1].trial_id]["status"] == "ok" and set(result.files) == {model_file(specs[1].trial_id)}


def test_students_without_a_teacher_say_why() -> None:
    students = [replace_fields(BASE, {"student.round": 2, "seeds.initialization": seed}) for seed in (0, 1)]
    result = failed_networks(students, students, {students[1].lineage_key: "round 1 diverged"})
    assert [(row["trial_id"], row["error"]) for row in result.rows] == [(students[1].trial_id, "round 1 diverged")]
