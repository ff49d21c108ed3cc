import csv
from importlib.resources import files

import numpy as np
import pytest

from mdlray.studies.baktash_2019.published import compare, published_accuracy, published_method


def test_every_printed_cell_is_carried():
    with (files("mdlray.studies.baktash_2019") / "published_tables" / "baktash_2019_tables_1_to_6.csv").open() as file:
        lines = list(csv.DictReader(file))
    printed = published_accuracy()
    assert len(printed) == len(lines) == 264
    assert not printed.duplicated(["architecture", "dataset", "published_method", "pruning_ratio"]).any()
    assert set(printed["architecture"]) == {"dense-100", "dense-30"} and printed["pruning_ratio"].between(0, 1).all()
    # Table 1, first and last cell of MNIST, as printed.
    mnist = printed[(printed["table"] == 1) & (printed["dataset"] == "mnist")].set_index("edges_removed_percent")
    assert mnist.loc[0.0, "published_accuracy_percent_mean"] == 97.65
    assert mnist.loc[99.8, "published_accuracy_percent_std"] == 2.14


@pytest.mark.parametrize(
    ("way", "name"),
    [
        (("magnitude", "l2", 0.9), "MagL2"),
        (("magnitude", "l1", 0.9), "MagL1"),
        (("magnitude", "none", 0.9), None),
        (("obd", "none", 0.9), "OBD"),
        (("obd", "l2", 0.9), "OBD"),
        (("none", "l2", 0.0), "MagL2"),
        (("none", "none", 0.0), None),
        (("hashing", "l2", 0.9), None),
    ],
)
def test_our_names_and_theirs(way, name):
    assert published_method(*way) == name


def test_a_cell_is_compared_with_its_printed_one(make_row, as_trials):
    """Printed for MagL2, 100 hidden units, MNIST, 90 % removed: 96.99 ± 0.18."""
    rows = [make_row({"seeds.initialization": seed}, test_accuracy=a) for seed, a in enumerate([0.969, 0.97, 0.971])]
    (row,) = compare(as_trials(rows)).to_dict("records")
    assert (row["table"], row["published_method"], row["edges_removed_percent"]) == (1, "MagL2", 90.0)
    assert row["test_accuracy_percent_mean"] == pytest.approx(97.0)
    assert row["test_accuracy_percent_std"] == pytest.approx(0.1)
    assert row["trained_test_accuracy_percent_mean"] == pytest.approx(90)
    assert (row["num_trials"], row["num_candidate_cells"], row["at_or_above"]) == (3, 1, True)
    assert (row["published_accuracy_percent_mean"], row["published_accuracy_percent_std"]) == (96.99, 0.18)
    assert row["difference_percent"] == pytest.approx(0.01)


@pytest.mark.parametrize(("accuracy", "above"), [(0.9699, True), (0.969899, False)])
def test_equal_to_the_printed_digit_is_reached(make_row, as_trials, accuracy, above):
    assert compare(as_trials([make_row(test_accuracy=accuracy)]))["at_or_above"].tolist() == [above]


def test_validation_chooses_among_candidates_and_test_does_not(make_row, as_trials):
    good = make_row(validation_accuracy=0.95, test_accuracy=0.94)
    lucky = make_row({"compression.quantization_levels": 4}, validation_accuracy=0.93, test_accuracy=0.99)
    (row,) = compare(as_trials([lucky, good])).to_dict("records")
    assert (row["cell_id"], row["num_candidate_cells"]) == (good["cell_id"], 2)
    assert row["test_accuracy_percent_mean"] == pytest.approx(94)


def test_every_ratio_printed_finds_its_cell(make_row, as_trials):
    """Ratios are written by people as 0.985 or computed as 1 - 0.015; both are the printed 98.5 %."""
    printed = published_accuracy()
    printed = printed[(printed["dataset"] == "mnist") & (printed["published_method"] == "MagL1")]
    rows = [
        make_row(
            {
                "model.hidden_units": (int(cell["architecture"].removeprefix("dense-")),),
                "compression.pruning_ratio": 1 - (1 - cell["pruning_ratio"]),
                "training.regularizer": "l1",
            }
        )
        for cell in printed.to_dict("records")
    ]
    found = compare(as_trials(rows))
    assert len(found) == len(printed) == 22
    np.testing.assert_array_equal(
        found["edges_removed_percent"], printed.sort_values(["table", "pruning_ratio"]).iloc[:, 4]
    )


def test_other_tasks_and_failures_are_not_compared(make_row, as_trials):
    rows = [
        make_row({"data.dataset": "fashion_mnist"}),
        make_row({"data.label_randomization_fraction": 0.1}),
        make_row({"data.pixel_randomization": "shuffled"}),
        make_row({"model.hidden_units": (100, 100)}),
        make_row({"compression.pruning_ratio": 0.91}),
        make_row(status="failed"),
    ]
    none, one = compare(as_trials(rows)), compare(as_trials([make_row()]))
    assert none.empty and list(none.columns) == list(one.columns) and (none.dtypes == one.dtypes).all()


def test_splits_are_kept_apart(make_row, as_trials):
    found = compare(as_trials([make_row(), make_row({"data.split": "usual"})]))
    assert found["split"].tolist() == ["study", "usual"] and found["num_candidate_cells"].tolist() == [1, 1]
