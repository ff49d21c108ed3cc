import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mdlray.report.axes import accuracy_axis, from_log_remainder, log_remainder, size_axis, size_text


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
    assert all(least / 1.25 <= tick <= most * 1.25 for tick in axes.get_xticks())
    assert len({size_text(tick) for tick in axes.get_xticks()}) == len(axes.get_xticks())


@pytest.mark.parametrize(("value", "text"), [(24_500, "24.5 k"), (999, "999"), (3.2e6, "3.2 M"), (0.5, "0.5")])
def test_sizes_in_three_digits(value, text):
    assert size_text(value) == text
