import struct
import xml.etree.ElementTree as ElementTree

import matplotlib
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mdlray.report.figures import accuracy_vs_bytes, accuracy_vs_edges_removed, accuracy_vs_weights, picture_of
from mdlray.results.derived.front import front_table
from mdlray.studies.registry import find_study


@pytest.fixture(params=[accuracy_vs_bytes, accuracy_vs_weights, accuracy_vs_edges_removed])
def draw(request):
    return request.param


def size_in_pixels(png):
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", png[16:24])


def num_panels(svg):
    return sum(1 for node in ElementTree.fromstring(svg).iter() if node.get("id", "").startswith("axes_"))


def test_one_panel_per_task_and_architecture_that_has_rows(draw, make_row, as_trials):
    rows = [
        make_row(),
        make_row({"compression.pruning_ratio": 0.99}),
        make_row({"data.dataset": "mnist_rotation"}),
        make_row({"data.dataset": "never_heard_of"}),
        make_row({"data.label_randomization_fraction": 0.5, "model.hidden_units": (30,)}),
        make_row({"data.pixel_randomization": "shuffled", "data.split": "usual"}),
        make_row({"model.hidden_units": (300, 100)}, status="failed"),
    ]
    picture = draw(front_table(as_trials(rows)))
    assert num_panels(picture.svg) == 5
    assert min(size_in_pixels(picture.png)) > 500


def test_one_point_and_extremes_can_be_drawn_and_of_nothing_there_is_no_figure(draw, make_row, as_trials):
    removed_all = {"compression.pruning_ratio": 1.0}
    dense = {"compression.pruning_ratio": 0.0, "compression.method": "none"}
    for rows in (
        [make_row(status="failed")],
        [make_row()],
        [make_row(test_accuracy=None)],
        [make_row(removed_all, test_accuracy=0.1, compressed_bytes=9), make_row(dense, compressed_bytes=10**9)],
    ):
        picture = draw(front_table(as_trials(rows)))
        if rows[0]["test_accuracy"] is None:
            assert picture is None
        else:
            assert num_panels(picture.svg) == 1 and size_in_pixels(picture.png)


def test_the_same_rows_give_the_same_files_and_leave_no_setting_behind(draw, make_row, as_trials):
    before = dict(matplotlib.rcParams)
    front = front_table(as_trials([make_row(), make_row({"seeds.initialization": 1}, test_accuracy=0.8)]))
    assert draw(front) == draw(front)
    assert dict(matplotlib.rcParams) == before


def test_printed_curves_stand_behind_edges_of_the_same_task_only(make_row, as_trials):
    def ink(fields):
        # Two repetitions: the ring of one is dotted, too.
        rows = [make_row(fields | {"seeds.initialization": seed}) for seed in range(2)]
        picture = accuracy_vs_edges_removed(front_table(as_trials(rows)), find_study("baktash_2019"))
        return picture.svg.decode().count("stroke-dasharray")

    # One dashed curve in the panel, one in the legend.
    assert ink({}) == 2
    assert ink({"data.dataset": "fashion_mnist"}) == 0
    assert ink({"data.label_randomization_fraction": 0.5}) == 0
    assert ink({"model.hidden_units": (50,)}) == 0


def test_a_very_tall_figure_stays_below_what_can_be_drawn():
    figure = Figure(figsize=(0.5, 450))
    FigureCanvasAgg(figure)
    width, height = size_in_pixels(picture_of(figure).png)
    assert 50_000 < height < 2**16


def widths(make_row, num):
    none = {"compression.method": "none", "compression.pruning_ratio": 0.0}
    return [
        make_row(none | {"model.hidden_units": (5 * n,)}, compressed_bytes=100 * n, validation_accuracy=0.5 + n / 100)
        for n in range(1, num + 1)
    ]


def test_many_networks_of_a_task_share_a_panel_over_bytes(make_row, as_trials):
    families = [
        make_row({"model.hidden_units": (30,)}),
        make_row({"compression.method": "obd"}),
        *widths(make_row, 12),
    ]
    front = front_table(as_trials(families))
    assert num_panels(accuracy_vs_bytes(front).svg) == num_panels(accuracy_vs_weights(front).svg) == 1
    # Only two of the networks were pruned at all.
    assert num_panels(accuracy_vs_edges_removed(front).svg) == 2


def test_students_are_not_drawn_among_the_pruned(draw, make_row, as_trials):
    plain = {"compression.method": "none", "compression.pruning_ratio": 0.0}
    student = plain | {"student.round": 1}
    rows = [make_row(), *widths(make_row, 2)]
    assert (
        draw(front_table(as_trials([*rows, make_row(student, test_accuracy=0.2)]))).svg
        == draw(front_table(as_trials(rows))).svg
    )
    assert draw(front_table(as_trials([make_row(student)]))) is None


def test_a_ring_is_dotted_where_the_front_rests_on_one_seed(make_row, as_trials):
    """The legend draws each kind of ring that the panels have, and says what it means."""

    def legend(rows):
        picture = accuracy_vs_bytes(front_table(as_trials(rows)))
        words, svg = comments(picture), picture.svg.decode()
        dotted = svg[svg.index('id="legend_1"') :].count("stroke-dasharray")
        return "on the front" in words, "on the front, one seed" in words, dotted

    def comments(picture):
        # Letters are drawn as shapes; matplotlib leaves the words in comments.
        return [part.partition(" -->")[0] for part in picture.svg.decode().split("<!-- ")[1:]]

    one = [make_row({"compression.pruning_ratio": 0.5}, compressed_bytes=5000, validation_accuracy=0.95)]
    many = [make_row({"seeds.initialization": seed}) for seed in range(2)]
    assert legend(many) == (True, False, 0)
    assert legend(one) == (False, True, 1)
    assert legend(one + many) == (True, True, 1)
    # Of the same cell, the second repetition makes the ring whole.
    assert legend(one + [make_row({"compression.pruning_ratio": 0.5, "seeds.initialization": 1})])[:2] == (True, False)
