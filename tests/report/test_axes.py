import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mdlray.report.axes import accuracy_axis, edges_axis, from_log_remainder, log_remainder, size_axis, size_text


def drawn(values):
    figure = Figure()
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(range(len(values)), values)
    accuracy_axis(axes)
    figure.canvas.draw()
    return axes


def test_nines_are_equally_far_apart():
    assert log_remainder([0, 90, 99, 99.9]) == pytest.approx([0, 1, 2, 3])
    percent = np.linspace(-5, 99.9, 50)
    assert from_log_remainder(log_remainder(percent)) == pytest.approx(percent)
    assert np.isfinite(log_remainder([100, 101, np.inf])).all()
    near = np.array([99.99, 99.9989, 99.999, 99.9991, 99.9995, 100, 100.001])
    assert from_log_remainder(log_remainder(near)) == pytest.approx(near, abs=1e-9)
    assert (np.diff(log_remainder(near)) > 0).all()


def labels(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


@pytest.mark.parametrize("values", [[100, 100], [90, 100], [9.8, 50, 100], [99.98, 100], [99.9, 99.9999, 100]])
def test_an_axis_calls_100_percent_100_and_leaves_its_points_whole(values):
    axes = drawn(values)
    assert "100" in labels(axes.yaxis) and len(set(labels(axes.yaxis))) == len(labels(axes.yaxis))
    assert not [text for text in labels(axes.yaxis) if float(text) > 100]
    places = axes.transAxes.inverted().transform(axes.transData.transform([(0, value) for value in values]))[:, 1]
    assert (places > 0.02).all() and (places < 0.98).all()


def test_a_network_without_edges_stands_at_100_percent_removed():
    figure = Figure()
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(log_remainder([0, 90, 100]), [1, 2, 3])
    edges_axis(axes)
    figure.canvas.draw()
    assert labels(axes.xaxis)[0] == "0" and labels(axes.xaxis)[-1] == "100"


@pytest.mark.parametrize(("least", "most"), [(9, 9), (100, 10**4), (1, 10**9)])
def test_the_outermost_points_of_a_size_axis_are_whole(least, most):
    axes = Figure().add_subplot()
    size_axis(axes, least, most)
    low, high = np.log(axes.get_xlim())
    assert min(np.log(least) - low, high - np.log(most)) / (high - low) > 0.04


@pytest.mark.parametrize("values", [[9.8, 97.9], [97.2, 98.4], [10, 50, 100], [100, 100], [75, 99.1], [0, 0]])
def test_an_accuracy_axis_has_ticks_that_do_not_touch(values):
    axes = drawn(values)
    ticks = axes.get_yticks()
    places = axes.transAxes.inverted().transform(axes.transData.transform([(0, tick) for tick in ticks]))[:, 1]
    shown = places[(places >= 0) & (places <= 1)]
    assert len(shown) == len(ticks) and (np.diff(shown) > 0.05).all()
    assert len(ticks) >= 2 or min(values) in (0, 100)


@pytest.mark.parametrize(("least", "most"), [(1352, 1416), (450, 740), (9, 9), (200, 30_000), (1, 10**9)])
def test_a_size_axis_has_two_numbers_at_least(least, most):
    axes = Figure().add_subplot()
    size_axis(axes, least, most)
    assert 2 <= len(axes.get_xticks()) <= 10
    low, high = axes.get_xlim()
    assert all(low <= tick <= high for tick in axes.get_xticks())
    assert len({size_text(tick) for tick in axes.get_xticks()}) == len(axes.get_xticks())


@pytest.mark.parametrize(("value", "text"), [(24_500, "24.5 k"), (999, "999"), (3.2e6, "3.2 M"), (0.5, "0.5")])
def test_sizes_in_three_digits(value, text):
    assert size_text(value) == text
