import numpy as np
import pytest

from mdlray.studies.baktash_2019.equal_bytes import GRID_BYTES, curves, front_cells


def line(make_row, points, seeds=(0,), shift=0.0):
    """Cells at (bytes, accuracy), for every seed; a seed is better than the one before by `shift`."""
    return [
        make_row(
            {"compression.pruning_ratio": 0.9 - number / 100, "seeds.initialization": seed},
            compressed_bytes=size,
            test_accuracy=accuracy + seed * shift,
            validation_accuracy=accuracy,
        )
        for number, (size, accuracy) in enumerate(points)
        for seed in seeds
    ]


def test_between_two_points_accuracy_is_linear_in_the_logarithm(make_row, as_trials):
    rows = as_trials(line(make_row, [(100, 0.5), (400, 0.9)], seeds=(0, 1), shift=0.01))
    found = curves(rows, set(rows["cell_id"]))
    assert found.at(200) == pytest.approx([70, 71])
    assert found.at(100) == pytest.approx([50, 51]) and found.at(400) == pytest.approx([90, 91])


def test_nothing_is_said_between_points_that_lie_far_apart(make_row, as_trials):
    rows = as_trials(line(make_row, [(100, 0.5), (200, 0.6), (801, 0.9), (1000, 0.9)]))
    found = curves(rows, set(rows["cell_id"]))
    assert all(found.at(size) is not None for size in (100, 150, 200, 801, 900, 1000))
    assert all(found.at(size) is None for size in (99, 201, 400, 800, 1001))


def test_nothing_is_said_beyond_the_ends_of_any_repetition(make_row, as_trials):
    rows = as_trials(line(make_row, [(100, 0.5), (400, 0.9)], seeds=(0, 1)))
    rows.loc[(rows["seed"] == 1) & (rows["compressed_bytes"] == 400), "compressed_bytes"] = 300
    found = curves(rows, set(rows["cell_id"]))
    assert found.at(300) is not None
    for size in (99, 301, 400):  # one of the two knows 301
        assert found.at(size) is None


def test_a_repetition_takes_part_where_it_has_all_cells(make_row, as_trials):
    rows = line(make_row, [(100, 0.5), (200, 0.6), (400, 0.9)], seeds=range(6))
    rows = as_trials([row for row in rows if (row["compressed_bytes"], row["seed"]) != (200, 3)])
    found = curves(rows, set(rows["cell_id"]))
    assert len(found.at(150)) == 5


def test_a_cell_of_too_few_repetitions_does_not_take_the_others_along(make_row, as_trials):
    rows = line(make_row, [(100, 0.5), (200, 0.1), (400, 0.9)], seeds=range(5))
    rows = as_trials([row for row in rows if row["compressed_bytes"] != 200 or row["seed"] == 3])
    found = curves(rows, set(rows["cell_id"]))
    assert found.at(200) == pytest.approx([70] * 5)


def test_one_cell_is_no_curve(make_row, as_trials):
    rows = as_trials(line(make_row, [(100, 0.5)], seeds=(0, 1)))
    assert curves(rows, set(rows["cell_id"])).at(100) is None
    assert curves(rows.iloc[:0], []).at(100) is None


def test_equal_sizes_are_averaged(make_row, as_trials):
    rows = as_trials(line(make_row, [(100, 0.5), (100, 0.7), (400, 0.9)]))
    assert curves(rows, set(rows["cell_id"])).at(100) == pytest.approx([60])


def test_fronts_are_by_validation(make_row, as_trials):
    rows = as_trials(line(make_row, [(100, 0.5), (200, 0.4), (400, 0.9)]))
    rows.loc[rows["compressed_bytes"] == 200, "test_accuracy"] = 0.99
    front = rows[rows["cell_id"].isin(front_cells(rows))]
    assert sorted(front["compressed_bytes"]) == [100, 400]


def test_the_grid_has_two_sizes_per_octave():
    assert GRID_BYTES[0] == 16 and GRID_BYTES[-1] == 2**22
    assert np.allclose(np.diff(np.log2(GRID_BYTES)), 0.5, atol=0.04)
