import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlray.results.conversion import to_frame, to_table
from mdlray.results.derived.front import GROUP, REFERENCE_BYTES, front_table, groups, hypervolume, pareto_mask
from mdlray.results.schema import FRONT, TRIALS

# Few values, so that duplicates and ties in one of the two are common.
value = st.sampled_from([0.0, -0.0, 1.0, 2.0, 3.0, math.inf, -math.inf, math.nan])
points = st.lists(st.tuples(value, value), max_size=30)


def naive_mask(accuracy, size):
    """Word by word: nobody is at least as good in both and better in one."""

    def beats(a, b):
        return accuracy[a] >= accuracy[b] and size[a] <= size[b] and (accuracy[a] > accuracy[b] or size[a] < size[b])

    everyone = [i for i in range(len(size)) if not (math.isnan(accuracy[i]) or math.isnan(size[i]))]
    return [i in everyone and not any(beats(j, i) for j in everyone) for i in range(len(size))]


@settings(deadline=None)
@given(points)
def test_the_mask_is_the_naive_one(pairs):
    accuracy, size = [a for a, _ in pairs], [b for _, b in pairs]
    assert pareto_mask(accuracy, size).tolist() == naive_mask(accuracy, size)


@settings(deadline=None)
@given(points, st.randoms())
def test_the_order_of_points_does_not_matter(pairs, chance):
    order = list(range(len(pairs)))
    chance.shuffle(order)
    mask = pareto_mask([a for a, _ in pairs], [b for _, b in pairs])
    shuffled = pareto_mask([pairs[i][0] for i in order], [pairs[i][1] for i in order])
    assert shuffled.tolist() == [mask[i] for i in order]


def test_the_mask_of_a_hundred_thousand_random_points_is_a_staircase():
    chance = np.random.default_rng(0)
    accuracy, size = chance.random(100_000).round(4), chance.integers(1, 100_000, 100_000)
    mask = pareto_mask(accuracy, size)
    order = np.argsort(size[mask], kind="stable")
    assert (np.diff(accuracy[mask][order]) >= 0).all() and 0 < mask.sum() < 1000


def test_hypervolume_of_a_known_staircase():
    assert hypervolume([0.5, 0.9], [1.0, 2.0], (0.0, 4.0)) == pytest.approx(0.5 * 1 + 0.9 * 2)
    assert hypervolume([0.5, 0.9, 0.4, 0.5, math.nan], [1.0, 2.0, 3.0, 1.0, 0.0], (0.0, 4.0)) == pytest.approx(2.3)
    assert hypervolume([], [], (0.0, 4.0)) == 0.0
    assert hypervolume([0.0, 0.9], [1.0, 4.0], (0.0, 4.0)) == 0.0
    assert hypervolume([0.5, 0.0], [-math.inf, -math.inf], (0.0, 4.0)) == math.inf


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-2, 12), st.integers(-2, 12)), max_size=12))
def test_hypervolume_counts_the_unit_squares_below_the_front(pairs):
    covered = {(x, y) for a, b in pairs for x in range(b, 10) for y in range(0, a)}
    assert hypervolume([a for a, _ in pairs], [b for _, b in pairs], (0.0, 10.0)) == len(covered)


def make_trials(make_row, settings):
    """Rows of cells given as (ratio, validation accuracies, bytes, changes)."""
    rows = [
        make_row(seed=seed, ratio=ratio, validation_accuracy=a, compressed_bytes=b, **changes)
        for ratio, accuracies, sizes, changes in settings
        for seed, (a, b) in enumerate(zip(accuracies, sizes, strict=True))
    ]
    return to_frame(to_table(rows, TRIALS))


def test_repetitions_become_mean_std_and_count(make_row):
    trials = make_trials(make_row, [(0.9, [0.9, 0.8, 0.7], [100, 110, 120], {}), (0.95, [0.6], [50], {})])
    front = front_table(trials)
    assert list(front.columns) == FRONT.names
    assert front["num_trials"].tolist() == [1, 3]
    assert front["compressed_bytes_mean"].tolist() == [50, 110]
    assert front["validation_accuracy_mean"].tolist() == pytest.approx([0.6, 0.8])
    assert front["validation_accuracy_std"][1] == pytest.approx(0.1) and front["compressed_bytes_std"][1] == 10
    assert math.isnan(front["validation_accuracy_std"][0])
    assert front["on_front"].tolist() == [True, True]
    edge = math.log10(4 * 79510)
    width = math.log10(110) - math.log10(50)
    area = 0.6 * width + 0.8 * (edge - math.log10(110))
    assert front["hypervolume"].tolist() == pytest.approx([area, area])


def test_means_and_deviations_are_those_of_pandas(make_row):
    chance = np.random.default_rng(0)
    settings = [(r, chance.random(4).tolist(), chance.integers(1, 9000, 4).tolist(), {}) for r in (0.5, 0.9, 0.99)]
    trials = make_trials(make_row, settings).sample(frac=1, random_state=0)
    front = front_table(trials).set_index("cell_id")
    for column in ("validation_accuracy", "compressed_bytes", "test_accuracy"):
        grouped = trials[column].astype(float).groupby(trials["cell_id"])
        for what, expected in (("mean", grouped.mean()), ("std", grouped.std())):
            found = front[f"{column}_{what}"].loc[expected.index]
            np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_test_split_decides_nothing(make_row):
    settings = [(0.9, [0.9], [100], {"test_accuracy": 0.1}), (0.5, [0.8], [200], {"test_accuracy": 0.99})]
    front = front_table(make_trials(make_row, settings))
    assert front["on_front"].tolist() == [True, False]


def test_each_task_has_its_own_front(make_row):
    settings = [(0.9, [0.9], [100], {}), (0.5, [0.2], [200], {"label_randomization_fraction": 0.5})]
    front = front_table(make_trials(make_row, settings))
    assert front["on_front"].all() and front["hypervolume"].nunique() == 2
    assert front[list(GROUP)].drop_duplicates().shape[0] == 2


def test_students_compete_among_themselves(make_row):
    """What a student costs its teacher is not in its bytes: it takes no network that saw the data off its front."""
    students = [
        (0.7, [0.94], [50], {"student_round": 1}),
        (0.6, [0.92], [60], {"student_round": 2}),
        (0.5, [0.95], [60], {"student_round": 2}),
    ]
    networks = [(0.9, [0.9], [100], {"student_round": None}), (0.8, [0.8], [200], {})]
    front = front_table(make_trials(make_row, [*networks, *students])).set_index("pruning_ratio")
    assert front["on_front"].sort_index().tolist() == [True, False, True, False, True]
    alone = front_table(make_trials(make_row, networks)).set_index("pruning_ratio")
    assert front.loc[[0.9, 0.8], "hypervolume"].tolist() == alone.loc[[0.9, 0.8], "hypervolume"].tolist()
    assert [len(group) for group in groups(front)] == [3, 2]


def test_failed_and_unmeasured_rows_are_not_on_the_front(make_row):
    rows = [make_row(), make_row(seed=1, status="failed"), make_row(ratio=0.5, validation_accuracy=None)]
    front = front_table(to_frame(to_table(rows, TRIALS))).set_index("pruning_ratio")
    assert front.loc[0.9, "num_trials"] == 1 and front.loc[0.9, "on_front"]
    assert not front.loc[0.5, "on_front"]
    only_failed = front_table(to_frame(to_table([rows[1]], TRIALS)))
    assert only_failed.empty and list(only_failed.columns) == FRONT.names


def test_the_order_of_rows_leaves_no_trace(make_row):
    chance = np.random.default_rng(1)
    settings = [(r, chance.random(3).tolist(), [100, 100, 100], {}) for r in (0.5, 0.6, 0.7, 0.8)]
    trials = make_trials(make_row, settings)
    shuffled = front_table(trials.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(shuffled, front_table(trials))


def test_the_setting_is_the_spec_without_its_seeds(make_row):
    trials = make_trials(make_row, [(0.9, [0.9, 0.8], [100, 110], {}), (0.95, [0.6], [50], {})])
    for cell in front_table(trials).to_dict("records"):
        spec = json.loads(trials.set_index("cell_id").loc[[cell["cell_id"]], "spec"].iloc[0])
        del spec["seeds"]
        assert cell["setting"] == json.dumps(spec, sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize(
    ("fraction", "ranked_by", "on_front"), [(0.0, "validation", 0.9), (0.25, "train", 0.5), (1.0, "train", 0.5)]
)
def test_random_labels_are_ranked_by_how_many_of_them_are_memorized(make_row, fraction, ranked_by, on_front):
    """Of two equally small networks one has the better validation accuracy, the other the better training accuracy."""
    labels = {"label_randomization_fraction": fraction}
    cells = [
        (0.9, [0.12], [100], {"train_accuracy": 0.2} | labels),
        (0.5, [0.08], [100], {"train_accuracy": 0.4} | labels),
    ]
    front = front_table(make_trials(make_row, cells))
    assert set(front["ranked_by"]) == {ranked_by}
    assert front.loc[front["on_front"], "pruning_ratio"].tolist() == [on_front]
    best = {"validation": 0.12, "train": 0.4}[ranked_by]
    assert front["hypervolume"].tolist() == pytest.approx([best * (math.log10(4 * 79510) - 2)] * 2)


def test_two_tables_of_one_task_have_hypervolumes_that_compare(make_row):
    """The same front beside a large network and without it: only the fixed reference calls both equal."""
    small = (0.9, [0.9], [100], {"num_weights": 1000})
    large = (0.5, [0.5], [5000], {"num_weights": 500_000})
    alone, beside = (front_table(make_trials(make_row, cells)) for cells in ([small], [small, large]))
    expected = 0.9 * (math.log10(REFERENCE_BYTES) - 2)
    assert alone["hypervolume_fixed_reference"].tolist() == pytest.approx([expected])
    assert beside["hypervolume_fixed_reference"].tolist() == pytest.approx([expected] * 2)
    assert alone["hypervolume"].iloc[0] < beside["hypervolume"].iloc[0]
    huge = (0.5, [0.99], [REFERENCE_BYTES], {})
    with_huge = front_table(make_trials(make_row, [small, huge]))
    assert with_huge["hypervolume_fixed_reference"].tolist() == pytest.approx([expected] * 2)


def nothing_removed(make_row, methods, **changes):
    rows = [
        make_row({"compression.method": method}, seed=seed, ratio=0.0, **changes.get(method, {}))
        for method in methods
        for seed in range(2)
    ]
    return front_table(to_frame(to_table(rows, TRIALS))).set_index("method")


def test_one_training_under_several_names_counts_once(make_row):
    front = nothing_removed(make_row, ["obd", "none", "magnitude"])
    assert front["on_front"].to_dict() == {"none": True, "obd": False, "magnitude": False}
    assert front.loc[["obd", "magnitude"], "same_training_as"].tolist() == [front.loc["none", "cell_id"]] * 2
    assert front["same_training_as"].isna()["none"]
    two = nothing_removed(make_row, ["obd", "magnitude"])
    assert two["on_front"].sum() == 1 and two["same_training_as"].dropna().tolist() == [two["cell_id"].min()]


def test_equal_results_of_two_trainings_are_on_the_front_together(make_row):
    """Another penalty, another ratio, or other results: each cell stands for itself."""
    other = nothing_removed(make_row, ["obd", "magnitude"], obd={"compressed_bytes": 1001})
    assert other["same_training_as"].isna().all()
    rows = [make_row({"compression.method": method}) for method in ("obd", "magnitude")]
    rows += [make_row({"training.regularizer": "l1"}, ratio=0.0), make_row(ratio=0.0)]
    front = front_table(to_frame(to_table(rows, TRIALS)))
    assert front["on_front"].all() and front["same_training_as"].isna().all() and len(front) == 4
