"""Students beside constant answers: definitions by hand, networks that are known, and a pack of the sweep."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from mdlray.planning import Pack
from mdlray.results.pack_result import PackResult, model_file
from mdlray.results.store import Store
from mdlray.spec import TrialSpec, replace_fields
from mdlray.worker.run_pack import WorkerConfig, run_pack

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FIELDS = {
    "data.dataset": "mnist5k",
    "model.hidden_units": (16,),
    "training.num_epochs": 2,
    "training.optimizer": "adam",
    "training.learning_rate": 3e-3,
    "compression.centroid_epochs": 0,
    "compression.quantization_levels": 64,
}
WAYS = ({"student.inputs": "noise"}, {"student.inputs": "true"}, {"student.start": "largest"})


@pytest.fixture
def script(monkeypatch):
    """The module `students_on_noise`."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import students_on_noise

    return students_on_noise


def student(number: int, **fields: object) -> TrialSpec:
    rounds = {"student.round": number, "student.num_epochs": 1} if number else {}
    return replace_fields(TrialSpec(), FIELDS | rounds | fields)


@pytest.fixture(scope="module")
def result() -> PackResult:
    """True and random labels, two rounds on noise and one of other ways; a round that nobody asked for has no row."""
    asked = [(0, {}), (1, WAYS[0]), (2, WAYS[0]), (1, WAYS[1]), (1, WAYS[2])]
    trials = [
        student(number, **{"data.label_randomization_fraction": fraction}, **way)
        for fraction in (0.0, 1.0)
        for number, way in asked
    ]
    return run_pack(Pack("made", (*trials, student(2, **{"student.temperature": 3.0}))), WorkerConfig())


def written(result: PackResult, folder: Path) -> Path:
    """The folder with the pack's rows and files in it."""
    store = Store(folder)
    with store.writing():
        store.write_pack("made", result)
    return folder


def test_a_student_that_repeats_its_teacher_misses_nothing(script):
    logits_NC = torch.randn(500, 10, generator=torch.Generator().manual_seed(0))
    found = script.compare(logits_NC, logits_NC + 3.0)
    assert (found["agreement"], found["agreement_above_constant"]) == (1.0, 1.0)
    assert found["nats"] == pytest.approx(0.0, abs=1e-12) and found["nats_ratio"] == pytest.approx(0.0, abs=1e-12)


def test_the_best_constant_student_is_the_zero_of_both_scales(script):
    teacher_NC = torch.randn(500, 10, generator=torch.Generator().manual_seed(0)) * 2
    mean_C = teacher_NC.double().softmax(1).mean(0)
    most = int(torch.bincount(teacher_NC.argmax(1)).argmax())
    constant = script.compare(teacher_NC, mean_C.log().expand(500, 10))
    assert constant["nats_ratio"] == pytest.approx(1.0)
    named = script.compare(teacher_NC, torch.eye(10)[most].expand(500, 10))
    assert named["agreement_above_constant"] == pytest.approx(0.0)


def test_a_constant_teacher_leaves_nothing_to_compare(script):
    teacher_NC = torch.tensor([[0.3, 1.7, -2.0]]).expand(40, 3)
    found = script.compare(teacher_NC, torch.randn(40, 3, generator=torch.Generator().manual_seed(0)))
    assert found["constant_agreement"] == 1.0
    assert np.isnan(found["agreement_above_constant"]) and np.isnan(found["nats_ratio"])
    assert found["nats"] > 0


def test_agreement_by_hand(script):
    """92 of 100 answers are one class, and the student gets 4 of these wrong: (0.96 - 0.92) / (1 - 0.92) = 0.5."""
    answers = torch.tensor([0] * 92 + [1] * 8)
    said = torch.tensor([0] * 88 + [1] * 12)
    found = script.compare(torch.eye(2)[answers], torch.eye(2)[said])
    assert found["agreement"] == pytest.approx(0.96) and found["constant_agreement"] == pytest.approx(0.92)
    assert found["agreement_above_constant"] == pytest.approx(0.5)


def test_a_pack_of_students_agrees_with_what_training_wrote_down(script, result, tmp_path):
    table, classes = script.measure(written(result, tmp_path), None)
    trials = pd.DataFrame(result.rows).set_index("trial_id")
    assert len(table) == 8, "a student whose teacher has no row is left out"
    curves = pd.DataFrame(result.tables["curves"]).sort_values("epoch").groupby("trial_id").last()
    for row in table.itertuples():
        known = trials.loc[row.trial_id]
        assert row.test_accuracy == pytest.approx(known.test_accuracy, abs=1e-9)
        assert row.train_accuracy == pytest.approx(known.train_accuracy, abs=1e-9)
        # Written down: means over the last epoch, in which the float32 networks still became better.
        fitted = curves.loc[row.trial_id]
        assert row.agreement > fitted.train_accuracy - 0.05
        assert row.nats < 1.15 * fitted.train_nats_per_example + 0.01
        own = classes[classes.trial_id == row.trial_id]
        assert own.teacher_share.sum() == pytest.approx(1) and own.student_share.sum() == pytest.approx(1)
        assert own.teacher_share.max() == pytest.approx(row.constant_agreement)
        assert (own.test_share * own.test_accuracy).sum() == pytest.approx(row.test_accuracy)
        within = own[own.teacher_share > 0.01]
        assert within.test_share.sum() == pytest.approx(row.elicited_digits)
        expected = (within.test_share * within.test_accuracy).sum() / within.test_share.sum()
        assert row.test_accuracy_elicited == pytest.approx(expected)
    largest = table.student_strategy.str.contains("largest")
    assert table.start_test_accuracy.notna().equals(largest) and (table.start_test_accuracy[largest] > 0.1).all()
    assert "repetition, no test" in script.summary(table)


def test_a_student_with_its_teachers_file_is_its_teacher(script, result, tmp_path):
    """Every student's file is that of round 0, whose test accuracy then stands in the rows too."""
    first = {row["label_randomization_fraction"]: row for row in result.rows if row["student_round"] == 0}
    rows, files = [], {}
    for row in result.rows:
        own = first[row["label_randomization_fraction"]]
        rows.append(row | {"test_accuracy": own["test_accuracy"]})
        files[model_file(row["trial_id"])] = result.files[model_file(own["trial_id"])]
    table, _ = script.measure(written(PackResult({"trials": rows}, files), tmp_path), None)
    assert (table.agreement == 1).all() and (table.agreement_above_constant == 1).all()
    assert (table.nats == 0).all() and (table.nats_ratio == 0).all()
    assert table.train_kept.to_numpy() == pytest.approx(1)


def test_rows_of_other_pictures_are_refused(script, result, tmp_path):
    """A student whose file holds another network than its row stands for rows that were made with other pictures."""
    first, second = student(0).trial_id, student(2, **WAYS[0]).trial_id
    files = dict(result.files) | {model_file(second): result.files[model_file(first)]}
    with pytest.raises(ValueError, match=f"trial {second} has another test accuracy .*--data DIR"):
        script.measure(written(replace(result, files=files), tmp_path), None)


def test_a_folder_without_students_says_so(script, result, tmp_path):
    rows = [row for row in result.rows if row["student_round"] == 0]
    with pytest.raises(ValueError, match="no student with its teacher"):
        script.measure(written(PackResult({"trials": rows}), tmp_path), None)
