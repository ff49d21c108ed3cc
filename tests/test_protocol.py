"""The options of the comparative study mean what the paper says, for every trial of every sweep that uses them."""

import math

import pytest

from mdlray.models import get_family
from mdlray.plan import expand, find_sweep, load_sweep
from mdlray.protocol import CONVNETS, RATIOS_30, RATIOS_100, dense, hashed
from mdlray.report.published import published_accuracy
from mdlray.spec import TrialSpec, replace_fields

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


def test_an_option_sets_all_that_another_option_changes() -> None:
    """Crossed or not, a dense network after a convolutional one is trained as a dense one of its own."""
    assert replace_fields(TrialSpec(), dense(3)).model.hidden_units == (3,)
    assert num_weights(replace_fields(TrialSpec(), dense(1))) == 794


@pytest.mark.parametrize("name", SWEEPS)
def test_every_trial_of_the_study_can_be_built(name: str) -> None:
    sweep = load_sweep(find_sweep(name))
    for chosen in (sweep, sweep.quick):
        assert chosen is not None
        models = {spec.model for spec in expand(chosen, num_trials=3000)}
        for model in models:
            family = get_family(model.family)
            assert family.shapes(family.sizes(model, 28 * 28, 10))
