from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mdlray.results import load
from mdlray.studies.baktash_2019.paper_claim_texts import paper_claim_lines
from mdlray.studies.baktash_2019.paper_claims import PAPER_CLAIMS, judge_paper_claims

REFERENCE = Path(__file__).parents[3] / "results" / "reference" / "compare_pruning"


@pytest.fixture(scope="module")
def committed():
    trials = load(REFERENCE)
    return trials, *judge_paper_claims(trials)


def of(table, **wanted):
    for column, value in wanted.items():
        table = table[table[column] == value]
    return table


@pytest.mark.parametrize(
    ("architecture", "num_ratios", "means", "p"),
    [
        ("dense-100", 9, [-0.28, -0.04, -0.18, -0.24, -0.23], 0.0097),
        ("dense-30", 8, [-0.88, -0.36, -0.25, -0.50, -0.29], 0.017),
    ],
)
def test_obd_is_behind_magnitude_on_plain_digits(committed, architecture, num_ratios, means, p):
    """The numbers of an independent recomputation from the same rows, and those of a pivot and scipy here."""
    trials, comparisons, places = committed
    asked = {"claim": "P1", "first": "MagL2", "architecture": architecture, "dataset": "mnist"}
    asked |= {"measure": "edges removed", "region": "from 90 to 99.3 %"}
    (found,) = of(comparisons, **asked).to_dict("records")
    assert (found["num_places"], found["num_places_first_ahead"]) == (num_ratios, num_ratios)
    assert found["paired_p"] == pytest.approx(p, abs=0.0005) and found["num_repetitions"] == 5
    assert found["verdict"] == "supported"
    rows = trials[(trials["architecture"] == architecture) & (trials["regularizer"] == "l2")]
    rows = rows[(rows["dataset"] == "mnist") & rows["pruning_ratio"].between(0.9, 0.993)]
    table = rows.pivot_table(index="seed", columns=["method", "pruning_ratio"], values="test_accuracy").astype(
        "float64"
    )
    differences = 100 * (table["obd"] - table["magnitude"]).mean(axis=1)
    assert differences.tolist() == pytest.approx(means, abs=0.005)
    assert found["difference_percent"] == pytest.approx(-differences.mean())
    assert found["paired_p"] == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
    assert (of(places, **asked)["difference_percent"] > 0).sum() == num_ratios
    assert found["published_num_places_first_ahead"] == found["published_num_places"] == num_ratios


def test_a_region_chosen_after_the_fact_decides_nothing(committed):
    comparisons = committed[1]
    assert not of(comparisons, region="from 90 to 99.3 %")["is_papers_measure"].any()
    assert not of(comparisons, measure="bytes")["is_papers_measure"].any()
    assert set(of(comparisons, is_papers_measure=True)["claim"]) == set(PAPER_CLAIMS)


def curve(make_row, fields, points, noise=0.001):
    """Five repetitions of cells (ratio, weights, bytes, accuracy)."""
    return [
        make_row(
            fields | {"seeds.initialization": seed},
            ratio=ratio,
            num_nonzero=weights,
            compressed_bytes=size,
            validation_accuracy=accuracy,
            test_accuracy=accuracy + noise * (seed - 2),
        )
        for ratio, weights, size, accuracy in points
        for seed in range(5)
    ]


CONVNET = {"model.family": "convnet", "model.kernel_size": 5, "model.pool_size": 4, "compression.method": "none"}
HASHED = {"model.family": "hashed", "compression.method": "none"}


def convnets(make_row, worth):
    return [
        row
        for channels, weights in ((2, 400), (4, 800), (8, 1600))
        for row in curve(
            make_row,
            CONVNET | {"model.hidden_units": (channels,), "compression.pruning_ratio": 0.0},
            [(0.0, weights, weights // 2, 0.5 + 0.1 * np.log2(weights / 400) + worth)],
            noise=0.0005,
        )
    ]


def pruned(make_row):
    ratios = ((0.98, 1600), (0.99, 800), (0.995, 400))
    return curve(make_row, {}, [(r, w, 4 * w, 0.5 + 0.1 * np.log2(w / 400)) for r, w in ratios])


@pytest.mark.parametrize(("worth", "expected"), [(-0.1, "supported"), (0.1, "contradicted"), (0.0, "not decided")])
def test_pruning_beside_convolutions_at_equal_weights(make_row, as_trials, worth, expected):
    comparisons, places = judge_paper_claims(as_trials(pruned(make_row) + convnets(make_row, worth)))
    asked = {"claim": "P3", "first": "MagL2", "dataset": "mnist"}
    (found,) = of(comparisons, **asked, measure="weights").to_dict("records")
    assert of(places, **asked, measure="weights")["place"].tolist() == [512, 724, 1024, 1448]
    assert found["verdict"] == expected and found["difference_percent"] == pytest.approx(-100 * worth, abs=1e-6)
    # A weight of a pruned network is four bytes here, one of a convolution half of one: no size that both have.
    assert of(comparisons, **asked, measure="bytes")["verdict"].tolist() == ["not tested"]
    assert (of(comparisons, claim="P3", first="OBD")["verdict"] == "not tested").all()


def test_figure_1_is_of_hashed_networks_with_a_hundred_units(make_row, as_trials):
    def hashed(units, accuracy, seed=0):
        points = [(0.01, 400), (0.02, 800), (0.04, 1600)]
        return [
            row
            for fraction, weights in points
            for row in curve(
                make_row,
                HASHED
                | {"model.bucket_fraction": fraction, "model.hidden_units": (units,), "model.hash_seed": seed}
                | {"compression.pruning_ratio": 0.0},
                [(0.0, weights, weights, accuracy + weights / 1e6)],
            )
        ]

    rows = convnets(make_row, 0.0) + hashed(100, 0.3) + hashed(200, 0.99) + hashed(100, 0.99, seed=1)
    comparisons, _ = judge_paper_claims(as_trials(rows))
    (found,) = of(comparisons, claim="P2", measure="weights").to_dict("records")
    assert found["verdict"] == "supported" and found["num_places_first_ahead"] == found["num_places"] == 4


def test_lines_say_the_sentence_its_place_and_the_data_sets_that_lack(make_row, as_trials):
    rows = pruned(make_row) + [
        row | {"test_accuracy": row["test_accuracy"] - 0.05 + 0.0001 * number}
        for number, row in enumerate(
            curve(make_row, {"compression.method": "obd"}, [(0.98, 1600, 9, 0.7), (0.99, 800, 8, 0.6)])
        )
    ]
    comparisons, _ = judge_paper_claims(as_trials(rows))
    lines = {heading[:2]: (says, texts) for heading, says, texts in paper_claim_lines(comparisons)}
    says, texts = lines["P1"]
    assert "across all data sets.” (Section 5.2.) Here supported where tested: 1 of 16 comparisons tested" in says
    assert "; mnist: 1 supported; mnist_rotation: not tested" in says
    line = texts.iloc[0]
    assert (line["asked"], line["first ahead"], line["n"]) == ("Mag-L2 higher than OBD", "2 of 2", "5")
    assert line["difference (points)"].startswith("+") and line["printed: first ahead"] == "12 of 13"


def test_without_rows_everything_is_asked_and_nothing_tested(make_row, as_trials):
    comparisons, places = judge_paper_claims(as_trials([make_row(status="failed")]))
    assert set(comparisons["claim"]) == set(PAPER_CLAIMS) and places.empty
    assert (comparisons["verdict"] == "not tested").all() and comparisons["difference_percent"].isna().all()
    assert isinstance(comparisons, pd.DataFrame) and (comparisons["num_places"] == 0).all()
