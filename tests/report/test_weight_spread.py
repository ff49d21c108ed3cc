"""Measures of histograms against those of the weights themselves, and the numbers of the committed rows."""

from pathlib import Path

import numpy as np
import pytest

from mdlray.report.weight_spread import spread, weight_spreads
from mdlray.results import Store, load

REFERENCE = Path(__file__).parents[2] / "results" / "reference" / "compare_pruning"


@pytest.mark.parametrize("scale", [0.05, 0.3])
def test_a_histogram_knows_what_the_weights_know(scale):
    weights = np.random.default_rng(0).laplace(0.02, scale, 50_000)
    high = np.abs(weights).max()
    counts, _ = np.histogram(weights, bins=64, range=(-high, high))
    found = spread(-high, high, counts)
    bin_width = 2 * high / 64
    assert found["mean_absolute"] == pytest.approx(np.abs(weights).mean(), abs=bin_width / 4)
    assert found["standard_deviation"] == pytest.approx(weights.std(), abs=bin_width / 4)
    for limit in (0.1, 0.2):
        assert found[f"share_within_{limit:g}"] == pytest.approx(
            (np.abs(weights) <= limit).mean(), abs=0.1 * bin_width / scale
        )


def test_a_bin_that_the_limit_cuts_counts_in_part():
    """One bin from 0 to 0.4 with all weights: a quarter of it is within 0.1, half of it within 0.2."""
    found = spread(-0.4, 0.4, [0, 8])
    assert (found["share_within_0.1"], found["share_within_0.2"]) == pytest.approx((0.25, 0.5))
    assert found["mean_absolute"] == pytest.approx(0.2) and found["standard_deviation"] == pytest.approx(0)


def test_layers_without_weights_have_no_measures():
    assert all(np.isnan(value) for value in spread(-0.5, 0.5, [0, 0]).values())
    assert spread(0.0, 0.0, [3, 1])["share_within_0.1"] == 1


def test_the_committed_rows_l1_is_denser_near_zero_and_wider_by_every_measure_of_scale():
    """An independent recomputation from the files: mean |w| 0.215 and 0.192, deviation 0.260 and 0.199."""
    table = weight_spreads(load(REFERENCE), Store(REFERENCE).read("weights"))
    first = table[table["layer"] == "hidden_1.weight"].set_index("regularizer")
    assert (first["num_runs"] == 5).all() and set(first["architecture"]) == {"dense-50"}
    expected = {
        "mean_absolute": (0.215, 0.192, 0.004),
        "standard_deviation": (0.260, 0.199, 0.004),
        "share_within_0.2": (0.582, 0.618, 0.02),
        "share_within_0.1": (0.236, 0.013, 0.03),
    }
    for name, (l1, l2, tolerance) in expected.items():
        assert first.loc[["l1", "l2"], f"{name}_mean"].tolist() == pytest.approx([l1, l2], abs=tolerance)
