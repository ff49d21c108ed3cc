import pytest

from mdlray.report.joined import joined, joined_curves, joined_weights
from mdlray.results import Store
from mdlray.results.pack_result import PackResult


def points(trial_id, value):
    blank = {"validation_nats_per_example": None, "train_accuracy": None, "validation_accuracy": None, "sparsity": None}
    return [{"trial_id": trial_id, "epoch": 1, "train_nats_per_example": value} | blank]


def keep(folder, rows, value):
    curves = [point for row in rows for point in points(row["trial_id"], value)]
    Store(folder).write_pack("p0", PackResult({"trials": rows, "curves": curves}))


def test_every_trial_counts_once_and_ok_wins(tmp_path, make_row):
    both = {"seeds.initialization": 1}
    keep(tmp_path / "a", [make_row(test_accuracy=0.1), make_row(both, status="failed")], 1.0)
    keep(tmp_path / "b", [make_row(test_accuracy=0.2), make_row(both, test_accuracy=0.3)], 2.0)
    keep(tmp_path / "c", [make_row({"seeds.initialization": 2}, test_accuracy=0.4)], 3.0)
    folders = [tmp_path / name for name in "abc"]
    trials, source = joined(folders)
    assert trials.sort_values("seed")["test_accuracy"].tolist() == [0.1, 0.3, 0.4]
    assert sorted(source) == [0, 1, 2] and trials["trial_id"].is_unique
    curves = joined_curves(folders, trials, source).set_index("trial_id")["train_nats_per_example"]
    assert [curves[trial_id] for trial_id in trials.sort_values("seed")["trial_id"]] == [1.0, 2.0, 3.0]


def test_histograms_of_weights_are_those_of_the_folder_that_the_row_is_from(tmp_path, make_row):
    both, own = make_row(), make_row({"seeds.initialization": 1})
    for folder, rows, high in (("a", [both], 1.0), ("b", [both, own], 2.0)):
        about = {"layer": "output.weight", "moment": "trained", "epoch": 9.0, "num_zero": 0, "low": -high, "high": high}
        weights = [about | {"trial_id": row["trial_id"], "counts": [1] * 64} for row in rows]
        Store(tmp_path / folder).write_pack("p0", PackResult({"trials": rows, "weights": weights}))
    Store(tmp_path / "c").write_pack("p0", PackResult({"trials": [make_row({"seeds.initialization": 2})]}))
    folders = [tmp_path / name for name in "abc"]
    found = joined_weights(folders, *joined(folders)).set_index("trial_id")["high"]
    assert found.to_dict() == {both["trial_id"]: 1.0, own["trial_id"]: 2.0}


def test_one_folder_is_itself_and_none_is_an_error(tmp_path, make_row):
    keep(tmp_path / "a", [make_row()], 1.0)
    trials, source = joined([tmp_path / "a"])
    assert len(trials) == 1 and source.tolist() == [0]
    with pytest.raises(FileNotFoundError, match="there are no results in"):
        joined([tmp_path / "a", tmp_path / "nothing"])
