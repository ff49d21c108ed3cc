from pathlib import Path

import numpy as np
import pytest

from mdlray.results import load
from mdlray.studies.baktash_2019.claims import CLAIMS, judge
from mdlray.studies.baktash_2019.verdicts import sentence

REFERENCE = Path(__file__).parents[3] / "results" / "reference" / "compare_pruning"
WAYS = {
    "MagL2": {},
    "MagL1": {"training.regularizer": "l1"},
    "OBD": {"compression.method": "obd"},
    "unpruned": {"compression.method": "none", "compression.pruning_ratio": 0.0, "training.regularizer": "none"}
    | {"training.regularizer_strength": 0.0},
}
NOISE = np.array([-0.002, -0.001, 0.0, 0.001, 0.002])


@pytest.fixture
def cell(make_row):
    """Five repetitions around an accuracy."""

    def rows(way, ratio, accuracy, size=1000, dataset="mnist_background_random", fields=None, **changes):
        spec = {"compression.pruning_ratio": ratio, "data.dataset": dataset} | WAYS[way] | (fields or {})
        known = {"validation_accuracy": accuracy, "compressed_bytes": size} | changes
        return [
            make_row(spec | {"seeds.initialization": seed}, test_accuracy=accuracy + noise, **known)
            for seed, noise in enumerate(NOISE)
        ]

    return rows


def of(claims, claim, **wanted):
    cells = claims[claims["claim"] == claim]
    for column, value in wanted.items():
        cells = cells[cells[column] == value]
    return cells


def test_without_rows_nothing_is_tested_but_the_printed_numbers_are(as_trials, make_row):
    for rows in ([make_row(status="failed")], [make_row()]):
        claims = judge(as_trials(rows))
        assert set(claims["claim"]) == set(CLAIMS)
        assert (claims["verdict"] == "not tested").all() and claims["holm_p"].isna().all()
        for claim in CLAIMS:
            assert sentence(of(claims, claim)).startswith("not tested: none of ")
        printed = of(claims, "H1")
        assert len(printed) == 16 and (printed["published_verdict"] != "not tested").all()
        # Printed at 99.8 %, background random: OBD 52.03 ± 2.32, Mag-L1 31.08 ± 4.09.
        best = of(claims, "H1", second="MagL1", dataset="mnist_background_random", pruning_ratio=0.998)
        assert best["published_difference_percent"].tolist() == pytest.approx([20.95])
        assert best["published_verdict"].tolist() == ["supported"]
        assert (of(claims, "H4")["published_verdict"] == "not tested").all()


@pytest.mark.parametrize(("obd", "verdict"), [(0.6, "supported"), (0.4, "contradicted"), (0.5001, "not decided")])
def test_the_verdict_follows_the_rows(cell, as_trials, obd, verdict):
    claims = judge(as_trials([*cell("MagL2", 0.995, 0.5), *cell("OBD", 0.995, obd)]))
    (found,) = of(claims, "H1", second="MagL2", dataset="mnist_background_random", pruning_ratio=0.995).to_dict(
        "records"
    )
    assert found["verdict"] == verdict and found["first_num_runs"] == found["second_num_runs"] == 5
    assert found["difference_percent"] == pytest.approx(100 * (obd - 0.5))
    assert found["permutation_p"] == (pytest.approx(2 / 252) if verdict != "not decided" else pytest.approx(1, abs=0.2))
    others = of(claims, "H1").drop(of(claims, "H1", second="MagL2", dataset="mnist_background_random").index)
    assert (others["verdict"] == "not tested").all()


@pytest.mark.parametrize(
    ("ratio", "l1", "verdict"),
    [
        (0.0, 0.4, "supported"),
        (0.0, 0.6, "contradicted"),
        (0.95, 0.6, "supported"),
        (0.99, 0.4, "contradicted"),
        (0.995, 0.6, "supported"),
        (0.997, 0.6, "contradicted"),
        (0.999, 0.4, "supported"),  # not printed: ours alone is a cell too
        (0.999, 0.5, "not decided"),
    ],
)
def test_l1_is_to_be_better_in_the_middle_only(cell, as_trials, ratio, l1, verdict):
    claims = judge(as_trials([*cell("MagL2", ratio, 0.5, dataset="mnist"), *cell("MagL1", ratio, l1, dataset="mnist")]))
    (found,) = of(claims, "H2", dataset="mnist", architecture="dense-100", pruning_ratio=ratio).to_dict("records")
    assert found["verdict"] == verdict
    assert found["expected"] == ("higher" if 0.95 <= ratio <= 0.995 else "not higher")


def test_outside_its_regions_a_claim_has_no_cell(cell, as_trials):
    rows = [row for way in ("MagL2", "MagL1", "OBD") for row in cell(way, 0.9, 0.5)]
    claims = judge(as_trials(rows))
    assert not len(of(claims, "H1", pruning_ratio=0.9)) and not len(of(claims, "H2", pruning_ratio=0.9))


def test_more_cells_ask_for_more(cell, as_trials):
    """p near 0.03 decides alone, and does not among eight of its like."""
    rows = [*cell("MagL2", 0.995, 0.5), *cell("OBD", 0.995, 0.5027)]
    alone = of(judge(as_trials(rows)), "H1", verdict="supported")
    assert len(alone) == 1 and 0.01 < alone["holm_p"].iloc[0] < 0.05
    for ratio in (0.993, 0.997, 0.998):
        rows += [*cell("MagL2", ratio, 0.5), *cell("OBD", ratio, 0.5027)]
    many = of(judge(as_trials(rows)), "H1", second="MagL2", dataset="mnist_background_random")
    assert (many["verdict"] == "not decided").all() and (many["welch_p"] < 0.05).all()


def curve(cell, way, worth, ratios=((0.9, 3000), (0.993, 800), (0.998, 300))):
    """Accuracy grows with log(bytes); `worth` is added at every size."""
    return [
        row for ratio, size in ratios for row in cell(way, ratio, 0.2 + 0.05 * np.log2(size / 300) + worth, size=size)
    ]


def test_at_equal_bytes_the_same_verdict_where_curves_shift(cell, as_trials):
    claims = judge(as_trials([*curve(cell, "MagL2", 0.0), *curve(cell, "OBD", 0.1)]))
    found = of(claims, "H3", first="OBD", second="MagL2", dataset="mnist_background_random", architecture="dense-100")
    # Up to the bytes of 99.3 %, within both curves.
    assert found["num_bytes"].tolist() == [362, 512, 724]
    assert (found["verdict"] == "supported").all() and found["difference_percent"].to_numpy() == pytest.approx(10)
    assert found["pruning_ratio"].isna().all()


def test_an_advantage_per_edge_may_be_none_per_byte(cell, as_trials):
    """OBD is better at equal ratio because its files are twice as large: on the same curve it is no better."""
    wide = ((0.9, 6000), (0.993, 1600), (0.998, 600))
    claims = judge(as_trials([*curve(cell, "MagL2", 0.0), *curve(cell, "OBD", 0.0, wide)]))
    at_ratio = of(claims, "H1", second="MagL2", dataset="mnist_background_random", pruning_ratio=0.993)
    assert at_ratio["verdict"].tolist() == ["supported"]
    at_bytes = of(claims, "H3", first="OBD", second="MagL2", dataset="mnist_background_random", num_bytes=724)
    assert at_bytes["verdict"].tolist() == ["not decided"]


def test_sizes_of_another_version_of_the_format_do_not_take_part(cell, as_trials):
    rows = as_trials([*curve(cell, "MagL2", 0.0), *curve(cell, "OBD", 0.1)])
    rows["mdl_version"] = np.where(rows["method"] == "obd", 1, 2)
    claims = judge(rows)
    assert (of(claims, "H3")["verdict"] == "not tested").all()
    assert (of(claims, "H1", second="MagL2", pruning_ratio=0.993)["verdict"] == "supported").sum() == 1


@pytest.mark.parametrize(("rival", "verdict"), [(0.1, "contradicted"), (-0.1, "supported")])
def test_pruned_against_unpruned_of_equal_bytes(cell, as_trials, rival, verdict):
    rows = curve(cell, "MagL2", 0.0)
    for units, size in ((5, 500), (10, 1000), (20, 2000)):
        accuracy = 0.2 + 0.05 * np.log2(size / 300) + rival
        rows += cell("unpruned", 0.0, accuracy, size=size, fields={"model.hidden_units": (units,)})
    claims = judge(as_trials(rows))
    found = of(claims, "H4", second="dense, unpruned", dataset="mnist_background_random")
    assert found["num_bytes"].tolist() == [512, 724, 1024, 1448] and (found["verdict"] == verdict).all()
    assert (of(claims, "H4", second="convnet")["verdict"] == "not tested").all()


def test_what_a_method_has_removed_nothing_from_is_on_neither_side(cell, as_trials):
    """Mag-L1 at 0 % would be the best of all here."""
    rows = curve(cell, "MagL2", 0.0)
    for size, units in ((500, 5), (2000, 20)):
        fields = {"model.hidden_units": (units,)}
        rows += cell("unpruned", 0.0, 0.1 * units / 20, size=size, fields=fields)
        rows += cell("MagL1", 0.0, 0.8 * (1 + units / 100), size=size, fields=fields)
    found = of(judge(as_trials(rows)), "H4", second="dense, unpruned", dataset="mnist_background_random")
    assert found["num_bytes"].tolist() == [512, 724, 1024, 1448] and (found["verdict"] == "supported").all()
    assert (found["second_percent_mean"] < 11).all() and (found["first_percent_mean"] < 40).all()


def test_a_region_at_equal_bytes_ends_where_the_ratios_of_its_network_do(cell, as_trials):
    """30 units are printed up to 99 % only: that is where the middle ends, and there is nothing beyond."""
    rows = []
    for way, worth in (("MagL2", 0.0), ("MagL1", 0.1)):
        for ratio, size in ((0.9, 4000), (0.95, 2000), (0.99, 500)):
            accuracy = 0.2 + 0.05 * np.log2(size / 300) + worth
            rows += cell(way, ratio, accuracy, size, "mnist", {"model.hidden_units": (30,)})
    claims = judge(as_trials(rows))
    found = of(claims, "H3", architecture="dense-30", dataset="mnist")
    assert found["num_bytes"].tolist() == [512, 724, 1024, 1448] and set(found["expected"]) == {"higher"}
    assert (found["verdict"] == "supported").all()
    # Nothing of H1 is printed for 30 units, so nothing of it is asked at equal bytes.
    assert not len(of(claims, "H3", architecture="dense-30", first="OBD"))
    assert len(of(claims, "H3", architecture="dense-100", first="OBD")) == 4


def test_students_random_labels_and_other_splits_are_not_heard(cell, as_trials):
    rows = cell("MagL2", 0.0, 0.5)
    student = {"student.round": 1, "student.shrink_factor": 1.0}
    for fields in (student, {"data.label_randomization_fraction": 0.5}, {"data.split": "usual"}):
        l1 = {"compression.method": "none"} | fields
        rows += cell("MagL1", 0.0, 0.9, fields=l1)
    assert (judge(as_trials(rows))["verdict"] == "not tested").all()
    heard = judge(as_trials([*rows, *cell("MagL1", 0.0, 0.9, fields={"compression.method": "none"})]))
    assert heard["verdict"].value_counts()["contradicted"] == 1


def widths(cell, accuracy_of, **changes):
    """Unpruned networks of few units at sizes around those of `curve`."""
    rows = []
    for units, size in ((5, 500), (10, 1000), (20, 2000)):
        accuracy = accuracy_of(0.2 + 0.05 * np.log2(size / 300))
        rows += cell("unpruned", 0.0, accuracy, size=size, fields={"model.hidden_units": (units,)}, **changes)
    return rows


def test_a_dead_start_is_no_size(cell, as_trials):
    """Four of five repetitions died: their mean loses, and the one that lives wins."""
    rows = as_trials([*curve(cell, "MagL2", 0.0), *widths(cell, lambda accuracy: accuracy + 0.1)])
    is_dead = (rows["method"] == "none") & (rows["seed"] != 3)
    rows.loc[is_dead, ["validation_accuracy", "test_accuracy"]] = 0.05
    claims = judge(rows)
    wanted = {"dataset": "mnist_background_random", "second": "dense, unpruned"}
    assert (of(claims, "H4", **wanted)["difference_percent"] > 5).all()
    best = of(claims, "H4b", dataset="mnist_background_random")
    assert best["num_bytes"].tolist() == [512, 724, 1024, 1448] and (best["verdict"] == "contradicted").all()
    # Seed 3 is 0.1 points above its cell's mean.
    assert best["difference_percent"].to_numpy() == pytest.approx(-10.1)
    assert (best["second_num_runs"] == 1).all() and (best["test"] == "one-sample t").all()
    assert (of(claims, "H4", **wanted)["test"] == "Welch").all()


def test_the_best_repetition_is_so_by_validation(cell, as_trials):
    rows = as_trials([*curve(cell, "MagL2", 0.0), *widths(cell, lambda accuracy: accuracy)])
    unpruned = rows["method"] == "none"
    rows.loc[unpruned & (rows["seed"] == 2), "validation_accuracy"] += 0.01
    rows.loc[unpruned & (rows["seed"] == 4), "test_accuracy"] += 0.3
    best = of(judge(rows), "H4b", dataset="mnist_background_random")
    assert best["difference_percent"].to_numpy() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("penalized", "verdict"), [(0.5, "contradicted"), (0.1, "supported")])
def test_nothing_removed_but_a_penalty_is_a_rival_cell_against_cell(cell, as_trials, penalized, verdict):
    rows = curve(cell, "MagL2", 0.0)
    rows += cell("MagL1", 0.0, penalized, size=840, validation_accuracy=0.99)
    rows += cell("MagL1", 0.0, 0.99, size=1000, fields={"training.regularizer_strength": 0.5})
    found = of(judge(as_trials(rows)), "H4c", dataset="mnist_background_random")
    # Pruned ones have 800 bytes: within a tenth of 840. 1,000 have no neighbor.
    assert found["num_bytes"].tolist() == [840] and found["verdict"].tolist() == [verdict]
    assert (found["first_bytes"].tolist(), found["second_bytes"].tolist()) == ([800], [840])
    far = of(judge(as_trials(rows[:15] + rows[20:])), "H4c", dataset="mnist_background_random")
    assert far["num_bytes"].tolist() == [1000] and far["verdict"].tolist() == ["not tested"]


def test_one_training_under_two_names_is_one_rival(cell, as_trials):
    rows = curve(cell, "MagL2", 0.0)
    for name in ("MagL2", "OBD"):
        rows += cell(name, 0.0, 0.5, size=840)
    assert len(of(judge(as_trials(rows)), "H4c", dataset="mnist_background_random")) == 1


def test_readings_of_h4_are_claims_of_their_own(cell, as_trials):
    """Holm's p of H4 does not know of the cells of H4b and H4c."""
    claims = judge(as_trials([*curve(cell, "MagL2", 0.0), *widths(cell, lambda accuracy: accuracy - 0.002)]))
    h4 = of(claims, "H4").dropna(subset=["welch_p"])
    assert h4["holm_p"].min() == pytest.approx(min(1.0, len(h4) * h4["welch_p"].min()))


def test_the_committed_rows_lose_where_nothing_was_removed_but_a_penalty_was_paid():
    """97.72 % in 3,786 bytes (L1, nothing removed) beside 97.52 % in 3,620 (pruned): p = 0.011, no interpolation."""
    claims = judge(load(REFERENCE))
    cells = of(claims, "H4c", dataset="mnist").set_index("num_bytes")
    l1 = cells.loc[3785.6]
    assert (l1["first_percent_mean"], l1["second_percent_mean"]) == pytest.approx((97.52, 97.72), abs=0.005)
    assert l1["first_bytes"] == pytest.approx(3620, abs=0.5) and l1["welch_p"] == pytest.approx(0.011, abs=0.0005)
    l2 = cells.loc[19434.0]
    assert l2["second_percent_mean"] == pytest.approx(98.08, abs=0.005) and l2["verdict"] == "contradicted"
