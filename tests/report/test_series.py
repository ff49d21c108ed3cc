import pandas as pd
import pytest

from mdlray.report.series import METHOD_STYLES, lines, method_label, series_labels, styles
from mdlray.results.derived.front import front_table


def labels(*cells):
    return series_labels(pd.DataFrame(cells, columns=["architecture", "method", "regularizer"]))


@pytest.mark.parametrize(
    ("way", "label"),
    [
        (("magnitude", "l2"), "Mag-L2"),
        (("magnitude", "l1"), "Mag-L1"),
        (("magnitude", "none"), "Mag"),
        (("obd", "l2"), "OBD"),
        (("none", "l1"), "none"),
        (("hashing", "none"), "hashing"),
        (("hashing", "l2"), "hashing-L2"),
    ],
)
def test_ways_of_pruning(way, label):
    assert method_label(*way) == label


def test_series_of_a_task():
    assert labels(
        ("dense-100", "magnitude", "l1"),
        ("dense-30", "obd", "l2"),
        ("hashed-100-f0.1", "none", "none"),
        ("convnet-8-k7-p3", "none", "l2"),
        ("dense-17", "none", "l2"),
        ("lenet5", "none", "none"),
    ) == ["Mag-L1 (dense-100)", "OBD (dense-30)", "HashedNet", "convnet", "dense, unpruned", "lenet5, unpruned"]


def test_many_pruned_widths_are_one_series():
    found = labels(*((f"dense-{width}", "magnitude", "l2") for width in range(10, 14)), ("lenet5", "obd", "l2"))
    assert found == ["Mag-L2 (dense)"] * 4 + ["OBD (lenet5)"]
    assert labels() == []


def test_a_method_keeps_its_color_and_is_paler_in_another_network():
    found = styles(["Mag-L2 (dense-30)", "Mag-L2 (dense-100)", "convnet", "never heard of"])
    assert found["Mag-L2 (dense-100)"][0].upper() == METHOD_STYLES["Mag-L2"][0]
    assert len({color for color, _ in found.values()}) == 4 and set(found) >= {"never heard of", "convnet"}
    assert styles(["Mag-L2"]) == {"Mag-L2": METHOD_STYLES["Mag-L2"]}


def test_a_line_joins_what_differs_in_its_ratio_only(make_row, as_trials):
    """Any other field, also one that no column of the front has, begins another line."""
    ratios = [{"compression.pruning_ratio": ratio} for ratio in (0.99, 0.5)]
    ways = [{}, {"training.max_shift": 1}, {"compression.remove_dead_units": True}, {"training.learning_rate": 0.03}]
    cells = front_table(as_trials([make_row(way | ratio) for ratio in ratios for way in ways]))
    assert sorted(line["pruning_ratio"].tolist() for line in lines(cells)) == [[0.5, 0.99]] * 4
