"""The options of the comparative study mean what the paper says, for every trial of every sweep that uses them."""

import math

import pytest

from mdlray.models import get_family
from mdlray.planning import cross, expand
from mdlray.planning.sweep_file import find_sweep, load_sweep
from mdlray.spec import TrialSpec, replace_fields
from mdlray.studies.baktash_2019.protocol import CONVNETS, RATIOS_30, RATIOS_100, dense, hashed
from mdlray.studies.baktash_2019.published import published_accuracy

SWEEPS = ("compare_pruning", "pruning_variants", "hashednet_vs_conv", "convnet_grid")


def num_weights(spec: TrialSpec) -> int:
    family = get_family(spec.model.family)
    shapes = family.shapes(family.sizes(spec.model, 28 * 28, 10))
    return sum(math.prod(shape) for shape in shapes if len(shape) > 1)


def test_ratios_are_those_of_the_printed_tables() -> None:
    printed = published_accuracy()
    for architecture, ratios in (("dense-100", RATIOS_100), ("dense-30", RATIOS_30)):
        assert set(printed[printed["architecture"] == architecture]["pruning_ratio"]) == set(ratios)


def test_convolutional_networks_have_the_weights_that_are_said() -> None:
    sizes = [num_weights(replace_fields(TrialSpec(), shape)) for shape in CONVNETS]
    assert sizes == [260, 460, 712, 1110, 1540, 3080, 5520, 15108]
    for shape in CONVNETS:
        spec = replace_fields(TrialSpec(), shape)
        assert (spec.training.batch_size, spec.training.learning_rate, spec.training.num_epochs) == (16, 0.01, 30)
        assert (spec.training.regularizer, spec.training.regularizer_strength) == ("l2", 0.001)


@pytest.mark.parametrize("by", [1, 2, 4, 8])
def test_inflation_keeps_the_budget(by: int) -> None:
    spec = replace_fields(TrialSpec(), hashed(100 * by, 0.1 / by))
    assert num_weights(spec) == pytest.approx(7940, abs=1)


@pytest.mark.parametrize(("units", "ratio"), [(50, 0.5), (10, 0.9), (5, 0.95), (3, 0.97), (2, 0.98), (1, 0.99)])
def test_few_units_have_the_weights_of_a_pruned_network(units: int, ratio: float) -> None:
    """As many as are left of 100 units; fewer than one unit there is not."""
    spec = replace_fields(TrialSpec(), dense(units))
    assert num_weights(spec) == round((1 - ratio) * num_weights(TrialSpec()))
    assert spec.compression.pruning_ratio == 0 and spec.training.regularizer == "none"


def test_the_grid_of_convolutional_networks_is_the_papers() -> None:
    """29,160 trainings as the paper says, each of a shape that fits into 28 x 28 pixels."""
    sweep = load_sweep(find_sweep("convnet_grid"))
    (grid,) = sweep.grids
    assert math.prod(map(len, grid.values())) == 29160 and len(grid["repetition"]) == 5
    values = {axis: [next(iter(option.values())) for option in options] for axis, options in grid.items()}
    assert values["channels"] == [(channels,) for channels in range(4, 13)] and values["kernel"] == list(range(5, 11))
    assert values["stride"] == [1, 2, 3] and values["pool"] == [2, 3, 4] and values["dropout"] == [0.0, 0.1, 0.2]
    shapes = cross(*(grid[axis] for axis in ("channels", "kernel", "stride", "pool")))
    sizes = [num_weights(replace_fields(sweep.base, shape)) for shape in shapes]
    assert len(sizes) == 486 and (min(sizes), max(sizes)) == (260, 17580)
    training = sweep.base.training
    assert (training.batch_size, training.learning_rate, training.num_epochs) == (16, 0.01, 30)
    assert (training.regularizer, training.regularizer_strength) == ("l2", 0.001)


@pytest.mark.parametrize("name", SWEEPS)
def test_every_trial_of_the_study_can_be_built(name: str) -> None:
    sweep = load_sweep(find_sweep(name))
    for chosen in (sweep, sweep.quick):
        assert chosen is not None
        models = {spec.model for spec in expand(chosen, num_trials=3000)}
        for model in models:
            family = get_family(model.family)
            assert family.shapes(family.sizes(model, 28 * 28, 10))
