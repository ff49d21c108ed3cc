"""Which two networks are drawn, and that they can be."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from mdlray.report import write_report
from mdlray.report.weights import _first_layer, _per_width, chosen_pair, weight_pictures
from mdlray.results import Store
from mdlray.results.pack_result import PackResult

MOMENTS = ("before_last_pruning", "after_last_pruning", "trained")


def histograms(row, moments=MOMENTS, high=0.5):
    about = {"trial_id": row["trial_id"], "num_zero": 100, "epoch": 75.0, "low": -high, "high": high}
    layers = ("hidden_1.weight", "hidden_2.weight", "output.weight")
    return [about | {"layer": n, "moment": m, "counts": [1, 3] * 32} for n in layers for m in moments]


@pytest.fixture
def store(tmp_path, make_row):
    def write(settings, moments=MOMENTS):
        rows = [
            make_row({f"{'training.' if n == 'regularizer' else ''}{n}": v for n, v in s.items()}) for s in settings
        ]
        weights = [one for row in rows for one in histograms(row, moments)]
        Store(tmp_path).write_pack("p0", PackResult({"trials": rows, "weights": weights}))
        return Store(tmp_path)

    return write


def pruned(regularizer, ratio, **more):
    return {"regularizer": regularizer, "compression.pruning_ratio": ratio} | more


def test_the_pair_is_of_one_task_and_ratio_near_the_printed_one_and_of_the_lowest_seed(store):
    settings = [pruned(name, ratio) for name in ("l1", "l2") for ratio in (0.9, 0.99)]
    settings += [pruned("l1", 0.97), pruned("l2", 0.96, **{"model.hidden_units": (30,)})]
    settings += [pruned(name, 0.95, **{"seeds.initialization": seed}) for name in ("l1", "l2") for seed in (3, 2)]
    settings += [pruned("l2", 0.96, **{"compression.method": "obd"}), pruned("l1", 0.96)]
    made = store(settings)
    pair = chosen_pair(made.read_trials(), made.read("weights"))
    assert list(pair["regularizer"]) == ["l1", "l2"]
    assert set(pair["pruning_ratio"]) == {0.95} and set(pair["seed"]) == {2}


@pytest.mark.parametrize(
    ("settings", "moments"),
    [
        ([pruned("l1", 0.9)], MOMENTS),
        ([pruned("l1", 0.9), pruned("l2", 0.95)], MOMENTS),
        ([pruned("l1", 0.9), pruned("l2", 0.9, **{"data.dataset": "kmnist"})], MOMENTS),
        ([pruned("l1", 0.9), pruned("l2", 0.9)], ("trained",)),
        ([pruned("l1", 0.9), pruned("l2", 0.9)], ()),
    ],
)
def test_nothing_is_drawn_where_there_is_no_pair(store, settings, moments):
    made = store(settings, moments)
    assert weight_pictures(made.read_trials(), made.read("weights")) == {}
    assert not any(path.stem == "weights" for path in write_report(made.folder))


def test_the_report_has_the_figure(store):
    made = store([pruned("l1", 0.96), pruned("l2", 0.96)])
    written = write_report(made.folder)
    names = [path.name for path in written]
    assert "weights.png" in names and "weights.svg" in names
    svg = (made.path("figures") / "weights.svg").read_bytes()
    assert sum(node.get("id", "").startswith("axes_") for node in ElementTree.fromstring(svg).iter()) == 2
    assert "Weights around the last pruning step" in made.path("report.html").read_text()
    before = [path.read_bytes() for path in written]
    assert [path.read_bytes() for path in write_report(made.folder)] == before


def test_heights_are_weights_per_width_of_the_first_layer(store):
    made = store([pruned("l1", 0.96)])
    layer = _first_layer(made.read("weights"))
    assert set(layer["layer"]) == {"hidden_1.weight"} and len(layer) == 3
    heights, edges = _per_width(layer.iloc[0])
    # Bins are 1/64 wide: 1 and 3 weights in each are 0.64 and 1.92 per hundredth.
    assert np.allclose(heights, [0.64, 1.92] * 32) and (edges[0], edges[-1]) == (-0.5, 0.5)
