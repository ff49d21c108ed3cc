"""From axes to packs: nothing twice, nothing lost, nothing mixed that cannot be stacked."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdlray.planning import (
    Halving,
    Sweep,
    cross,
    expand,
    missing_packs,
    plan_grid,
    plan_packs,
    vary,
    vary_seeds,
)
from mdlray.spec import CompressionSpec, TrialSpec, canonical_json, from_dict, replace_fields

METHODS = tuple(
    {"compression.method": method, "training.regularizer": penalty, "training.regularizer_strength": strength}
    for method, penalty, strength in (("magnitude", "l1", 1e-5), ("obd", "none", 0.0))
)
SWEEP = Sweep(
    name="toy",
    question="?",
    base=TrialSpec(),
    grids=(
        {
            "units": vary("model.hidden_units", (100,), (30,)),
            "seed": vary_seeds(3),
            "method": METHODS,
            "ratio": vary("compression.pruning_ratio", 0.5, 0.9, 0.99, 0.99),
        },
    ),
)


def test_expand_is_the_product_without_doubles_in_order() -> None:
    trials = expand(SWEEP)
    assert len(trials) == 2 * 3 * 2 * 3 == len({spec.trial_id for spec in trials})
    assert [spec.model.hidden_units for spec in trials] == [(100,)] * 18 + [(30,)] * 18
    assert [spec.compression.pruning_ratio for spec in trials[:3]] == [0.5, 0.9, 0.99]
    assert expand(SWEEP, num_trials=7) == trials[:7]


def test_changes_and_seed_reach_every_trial() -> None:
    trials = expand(SWEEP, changes={"data.dataset": "mnist5k"}, seed=10)
    assert {spec.data.dataset for spec in trials} == {"mnist5k"}
    assert {spec.seeds.data_order for spec in trials} == {10, 11, 12}
    assert not {spec.trial_id for spec in trials} & {spec.trial_id for spec in expand(SWEEP)}


@given(st.integers(1, 40))
def test_packs_cover_the_sweep_exactly_and_can_be_stacked(limit: int) -> None:
    trials = expand(SWEEP)
    packs = plan_packs("toy", trials, limit)
    assert sorted(s.trial_id for p in packs for s in p.members) == sorted(s.trial_id for s in trials)
    for pack in packs:
        assert len(pack.members) <= limit
        assert len({spec.stack_key for spec in pack.members}) == 1
        assert limit > 6 or len({spec.seeds.data_order for spec in pack.members}) == 1


def test_packs_are_even() -> None:
    sizes = [len(pack.members) for pack in plan_packs("toy", expand(SWEEP), 5)]
    assert set(sizes) == {3}


def test_small_groups_of_one_stack_are_put_together() -> None:
    repetitions = [replace_fields(TrialSpec(), {"seeds.data_order": seed}) for seed in range(30)]
    assert [len(pack.members) for pack in plan_packs("toy", repetitions, 8)] == [8, 8, 8, 6]


@given(st.integers(1, 40), st.integers(1, 3), st.integers(1, 12), st.booleans())
def test_a_grid_is_shared_between_the_devices(learners: int, levels: int, devices: int, on_gpu: bool) -> None:
    """A device's share of the networks that are trained; several quantizations of one are no reason to wait for it."""
    quantized = vary("compression.quantization_levels", *range(2, 2 + levels))
    grid = {"seed": vary("seeds.initialization", *range(learners)), "levels": quantized}
    sweep = Sweep(
        name="toy", question="?", base=TrialSpec(), grids=(grid,), networks_per_pack=20, networks_per_pack_cpu=5
    )
    packs = plan_grid(sweep, expand(sweep), on_gpu=on_gpu, num_parallel=devices)
    largest = max(len({spec.training_key for spec in pack.members}) for pack in packs)
    share = -(-learners // devices)
    assert largest <= min(20 if on_gpu else 5, share)
    assert len(packs) == -(-learners // min(20 if on_gpu else 5, share)), "and no smaller than that"
    assert [spec for pack in packs for spec in pack.members] == expand(sweep)


def test_trials_of_one_training_are_never_cut_apart() -> None:
    levels = vary("compression.quantization_levels", 4, 8, 16)
    rates = vary("training.learning_rate", *(0.01 * rate for rate in range(1, 21)))
    sweep = Sweep(name="toy", question="?", base=TrialSpec(), grids=({"levels": levels, "rate": rates},))
    packs = plan_packs("toy", expand(sweep), 7)
    trained = [spec.training_key for pack in packs for spec in pack.members]
    assert sum(len({spec.training_key for spec in pack.members}) for pack in packs) == len(set(trained)) == 20


@pytest.mark.parametrize(
    "grids", [{"a": vary("compression.pruning_ratio", 0.5)}, ({"a": ["magnitude"]},), ("a",)], ids=str
)
def test_grids_of_another_shape_are_explained(grids) -> None:
    with pytest.raises(ValueError, match="'toy' has .* as grids; they must be a tuple of mappings.*with the comma"):
        Sweep(name="toy", question="?", base=SWEEP.base, grids=grids)


def test_an_axis_without_options_is_named() -> None:
    """Also one that a program made: the grid would have no trials."""
    for empty in (vary("seeds.initialization", *[]), vary_seeds(0), []):
        with pytest.raises(ValueError, match="'toy' has no options on the axis 'seed'.*or leave the axis out"):
            Sweep(name="toy", question="?", base=TrialSpec(), grids=({"ratio": METHODS, "seed": empty},))


def test_packs_of_no_network_are_refused() -> None:
    with pytest.raises(ValueError, match="has networks_per_pack_cpu 0, it must be at least 1"):
        Sweep(name="toy", question="?", base=TrialSpec(), networks_per_pack_cpu=0)


def test_numpy_numbers_on_axes_give_the_trials_of_pythons() -> None:
    def asked(ratios, seeds):
        grid = {"ratio": vary("compression.pruning_ratio", *ratios), "seed": vary("seeds.initialization", *seeds)}
        base = replace_fields(TrialSpec(), {"compression.method": "magnitude"})
        return [spec.trial_id for spec in expand(Sweep(name="toy", question="?", base=base, grids=(grid,)), seed=1)]

    assert asked(np.linspace(0.5, 1.0, 3), np.arange(2)) == asked((0.5, 0.75, 1.0), (0, 1))


def test_what_is_done_is_struck_off() -> None:
    packs = plan_packs("toy", expand(SWEEP), 6)
    first = packs[0]
    status = {spec.trial_id: "ok" for spec in first.members}
    assert missing_packs(packs, status, retry_failed=False) == packs[1:]
    status[first.members[2].trial_id] = "failed"
    assert missing_packs(packs, status, retry_failed=False) == packs[1:]
    assert missing_packs(packs, status, retry_failed=True)[0].members == first.members[2:3]
    assert packs[1] in missing_packs(packs, {}, retry_failed=False)


def test_a_stopped_trial_is_done_for_a_sweep_that_stops_and_missing_for_one_that_does_not() -> None:
    packs = plan_packs("toy", expand(SWEEP), 6)
    status = {spec.trial_id: "ok" for pack in packs for spec in pack.members}
    status[packs[0].members[1].trial_id] = "stopped"
    for retry in (False, True):
        assert missing_packs(packs, status, retry_failed=retry, halving=Halving()) == []
        assert [p.members for p in missing_packs(packs, status, retry_failed=retry)] == [packs[0].members[1:2]]


def test_trials_of_a_grid_have_the_ids_that_they_have_one_by_one() -> None:
    """Parts that trials share are shared by identity: equal numbers such as 0.0 and -0.0 have ids of their own."""
    ratios = vary("compression.pruning_ratio", 0.0, -0.0, 0, np.float64(0.5))
    grid = {"ratio": ratios, "seed": vary_seeds(2), "units": vary("model.hidden_units", [4], (4,), [5, 5])}
    base = TrialSpec(compression=CompressionSpec(method="magnitude"))
    trials = expand(Sweep(name="toy", question="?", base=base, grids=(grid,)))
    alone = [replace_fields(base, option) for option in cross(*grid.values())]
    assert [spec.trial_id for spec in trials] == list(dict.fromkeys(spec.trial_id for spec in alone))
    assert len(trials) == 3 * 2 * 2
    texts = {spec.trial_id: canonical_json(spec) for spec in alone}
    assert all(canonical_json(spec) == texts[spec.trial_id] for spec in trials)
    assert all(
        canonical_json(from_dict({k: v for k, v in json.loads(text).items() if k != "spec_version"})) == text
        for text in texts.values()
    )
