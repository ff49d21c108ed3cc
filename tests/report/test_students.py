import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest

from mdlray.report.students import has_students, lineages, students

PLAIN = {"compression.method": "none", "compression.pruning_ratio": 0.0}
NOISY = {"data.label_randomization_fraction": 1.0}


def lineage(make_row, num_rounds, fields=None, seeds=(0, 1)):
    fields = PLAIN | (fields or {})
    strategy = {name: value for name, value in fields.items() if name.startswith("student.")}
    plain = {name: value for name, value in fields.items() if name not in strategy}
    return [
        make_row(
            plain | ({"student.round": number} | strategy if number else {}) | {"seeds.initialization": seed},
            compressed_bytes=int(10_000 * 0.8**number),
            train_accuracy=0.99 - number / 50,
        )
        for number in range(num_rounds + 1)
        for seed in seeds
    ]


def curves_of(trials):
    return pd.concat(
        pd.DataFrame(
            {"trial_id": trial_id, "epoch": np.arange(1, 11), "train_nats_per_example": 2.3 / np.arange(1, 11)}
        )
        for trial_id in trials["trial_id"]
    )


def num_axes(picture):
    nodes = ElementTree.fromstring(picture.svg).iter()
    return sum(1 for node in nodes if node.get("id", "").startswith("axes_"))


def test_a_first_network_belongs_to_every_strategy_of_its_students(make_row, as_trials):
    soft = lineage(make_row, 2)
    hard = [row for row in lineage(make_row, 2, {"student.targets": "logits"}) if row["student_round"]]
    found = lineages(as_trials([*soft, *hard]))
    assert found.groupby("strategy")["student_round"].apply(sorted).to_dict() == {
        "noise logits random": [0, 0, 1, 1, 2, 2],
        "noise soft_labels random": [0, 0, 1, 1, 2, 2],
    }
    assert found["panel"].nunique() == 2 and (found["ancestor"] == "dense-100").all()


def test_labels_share_a_panel_and_networks_do_not(make_row, as_trials):
    rows = [*lineage(make_row, 1), *lineage(make_row, 1, NOISY), *lineage(make_row, 1, {"model.hidden_units": (30,)})]
    found = lineages(as_trials(rows))
    assert found.groupby("panel").size().sort_values().tolist() == [4, 8]


def test_networks_without_students_and_failures_are_left_out(make_row, as_trials):
    rows = [*lineage(make_row, 1, seeds=(0,)), make_row(PLAIN | {"seeds.initialization": 7}), make_row()]
    rows.append(make_row(PLAIN | {"student.round": 2}, status="failed"))
    assert lineages(as_trials(rows))["student_round"].tolist() == [0, 1]


@pytest.mark.parametrize("with_curves", [True, False])
def test_two_axes_and_one_for_bytes_per_panel(make_row, as_trials, with_curves):
    trials = as_trials([*lineage(make_row, 3), *lineage(make_row, 3, NOISY | {"student.targets": "logits"})])
    curves = curves_of(trials)
    picture = students(trials, curves if with_curves else curves.iloc[:0])
    assert num_axes(picture) == 6
    assert picture == students(trials, curves if with_curves else curves.iloc[:0])
    text = picture.svg.decode()
    assert "#2e8b57" in text and "#c0392b" in text


def test_a_student_whose_first_network_is_missing_is_drawn(make_row, as_trials):
    trials = as_trials([row for row in lineage(make_row, 2) if row["student_round"]])
    assert num_axes(students(trials, curves_of(trials))) == 3


def test_whether_there_is_a_student(make_row, as_trials):
    assert has_students(as_trials(lineage(make_row, 1)))
    assert not has_students(as_trials([make_row(), make_row(PLAIN | {"student.round": 1}, status="failed")]))
