"""Students against closed forms and definitions; packs of them against one alone, and against interruptions."""

import functools
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from mdlray.driver.checks import check_names
from mdlray.models import get_family
from mdlray.models.family import initialize
from mdlray.planning import Halving, Pack, Sweep, expand, vary
from mdlray.planning.sweep_file import find_sweep, load_sweep
from mdlray.results.conversion import to_table
from mdlray.results.pack_result import PackResult, model_file
from mdlray.results.schema import CURVES, LAYERS, TRIALS
from mdlray.spec import StudentSpec, TrialSpec, replace_fields
from mdlray.training import Examples
from mdlray.training.state import start
from mdlray.training.students import Teachers, fit_students, largest_units, noise, plan_stages
from mdlray.worker.run_pack import WorkerConfig, run_pack

DENSE = get_family("dense")
SHORT = {
    "data.dataset": "mnist5k",
    "model.hidden_units": (20, 10),
    "training.num_epochs": 3,
    "training.batch_size": 128,
    "training.optimizer": "adam",
    "training.learning_rate": 3e-3,
    "compression.centroid_epochs": 0,
    "compression.quantization_levels": 64,
}
ROUND = {"student.shrink_factor": 0.5, "student.num_epochs": 2}


def spec(number: int = 0, /, **changes: object) -> TrialSpec:
    start = SHORT | ({"student.round": number, **ROUND} if number else {})
    return replace_fields(TrialSpec(), start | {key.replace("__", "."): value for key, value in changes.items()})


def teachers(sizes: tuple[int, ...], member: TrialSpec, seed: int = 1) -> Teachers:
    parameters = initialize(DENSE.shapes(sizes), [torch.Generator().manual_seed(seed)])
    return Teachers(sizes, [p + 0.1 * (p.ndim == 2) for p in parameters], [member.lineage_key], {})


def pictures(count: int = 400) -> Examples:
    pixels = torch.randint(0, 256, (count, 20), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)
    return Examples(pixels, torch.zeros(1, count, dtype=torch.int64), 0.5, 0.29)


@pytest.mark.parametrize(("inputs", "hidden"), [("noise", (16,)), ("true", (16,)), ("noise", ())])
def test_a_linear_student_of_logits_is_the_least_squares_solution(inputs: str, hidden: tuple[int, ...]) -> None:
    """Of a network with a hidden layer, and of a linear one, which it equals then."""
    fields = {"training__batch_size": 400, "training__optimizer": "sgd", "training__learning_rate": 0.05}
    me = spec(1, student__targets="logits", student__num_epochs=400, student__inputs=inputs, **fields)
    of, seen = teachers((20, *hidden, 5), me), pictures()
    fitted = fit_students(DENSE, (20, 5), [me], of, seen, pictures(50))
    pixels = seen.pixels_NP if inputs == "true" else noise(0, seen.pixels_NP)
    x = replace(seen, pixels_NP=pixels).inputs(slice(None))
    wanted = DENSE.forward(of.parameters, x, None)[0].double().numpy()
    design = np.column_stack([x.double().numpy(), np.ones(len(x))])
    solution, *_ = np.linalg.lstsq(design, wanted, rcond=None)
    weight, bias = fitted.parameters
    np.testing.assert_allclose(weight[0].numpy(), solution[:-1].T, atol=2e-4)
    np.testing.assert_allclose(bias[0].numpy(), solution[-1], atol=2e-4)
    if not hidden:
        torch.testing.assert_close(weight, of.parameters[0], rtol=0, atol=2e-4)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_a_larger_student_of_soft_labels_comes_close(temperature: float) -> None:
    fields = {"training__batch_size": 50, "training__learning_rate": 0.01, "student__num_epochs": 60}
    me = spec(1, student__temperature=temperature, **fields)
    fitted = fit_students(DENSE, (20, 40, 5), [me], teachers((20, 16, 5), me), pictures(1000), pictures(50))
    first, last = fitted.curves.train[0], fitted.curves.train[-1]
    assert last.member(0)[0] / 1000 < 0.01 < 0.1 < first.member(0)[0] / 1000
    assert last.member(0)[1] > 0.9


def test_the_largest_units_are_kept_layer_after_layer() -> None:
    sizes, smaller = (12, 9, 7, 4), (12, 5, 3, 4)
    parameters = initialize(DENSE.shapes(sizes), [torch.Generator().manual_seed(s) for s in (1, 2)])
    parameters = [p + torch.randn(p.shape, generator=torch.Generator().manual_seed(9)) for p in parameters]
    chosen = largest_units(DENSE, smaller, parameters)
    assert [tuple(p.shape[1:]) for p in chosen] == DENSE.shapes(smaller)
    for m in range(2):
        (w1, b1, w2, b2, w3, b3) = (p[m].numpy() for p in parameters)
        size = [np.linalg.norm(w1[u]) * np.linalg.norm(w2[:, u]) for u in range(9)]
        kept = sorted(sorted(range(9), key=lambda u: -size[u])[:5])
        size = [np.linalg.norm(w2[u, kept]) * np.linalg.norm(w3[:, u]) for u in range(7)]
        then = sorted(sorted(range(7), key=lambda u: -size[u])[:3])
        wanted = [w1[kept], b1[kept], w2[np.ix_(then, kept)], b2[then], w3[:, then], b3]
        for got, want in zip(chosen, wanted, strict=True):
            np.testing.assert_array_equal(got[m].numpy(), want)
    same = largest_units(DENSE, sizes, parameters)
    assert all(torch.equal(a, b) for a, b in zip(same, parameters, strict=True))


def test_filters_and_the_columns_behind_them_are_kept_together() -> None:
    family, sizes, smaller = get_family("lenet5"), (784, 4, 6, 8, 10), (784, 2, 3, 4, 10)
    parameters = initialize(family.shapes(sizes), [torch.Generator().manual_seed(1)])
    for index in (0, 2, 4):
        parameters[index][:, 1::2] *= 1e-6  # the largest are those of even number
    chosen = largest_units(family, smaller, parameters)
    assert [tuple(p.shape[1:]) for p in chosen] == family.shapes(smaller)
    assert torch.equal(chosen[2], parameters[2][:, ::2, ::2])
    by_filter = parameters[4].view(1, 8, 6, 16)
    assert torch.equal(chosen[4].view(1, 4, 3, 16), by_filter[:, ::2, ::2])


def test_channels_of_a_convolution_are_kept_with_the_places_of_their_maps() -> None:
    """Where the channels that go are silent, the student's logits are its teacher's."""
    sizes, smaller = (144, 4, 5, 1, 2, 3), (144, 2, 5, 1, 2, 3)
    family = get_family("convnet")
    parameters = initialize(family.shapes(sizes), [torch.Generator().manual_seed(1)])
    parameters[0][:, ::2] = 0  # the channels that are left are those of odd number
    chosen = largest_units(family, smaller, parameters)
    assert [tuple(p.shape[1:]) for p in chosen] == family.shapes(smaller)
    inputs = torch.randn(6, 144, generator=torch.Generator().manual_seed(2))
    wanted = family.for_sizes(sizes).forward(parameters, inputs, None)
    torch.testing.assert_close(family.for_sizes(smaller).forward(chosen, inputs, None), wanted)


CONVOLUTION = {"model__family": "convnet", "model__hidden_units": (4,), "model__pool_size": 4}
HASHED = {"model__family": "hashed", "model__bucket_fraction": 0.2, "model__hidden_units": (16,)}


@pytest.mark.parametrize(
    ("fields", "start", "architecture"),
    [(CONVOLUTION, "largest", "convnet-2-p4"), (HASHED, "random", "hashed-8-f0.2")],
)
def test_networks_of_other_families_have_students(fields: dict[str, object], start: str, architecture: str) -> None:
    how = {"student__start": start, "student__inputs": "true", "student__num_epochs": 6}
    result = run_pack(Pack("toy", (spec(**fields), spec(1, **fields, **how))), SITE)
    teacher, student = result.rows
    assert student["status"] == "ok", student["error"]
    assert student["architecture"] == architecture and student["num_weights"] < teacher["num_weights"]
    assert student["decoded_ok"] and student["test_accuracy"] > 0.5
    mine = [curve for curve in result.tables["curves"] if curve["trial_id"] == student["trial_id"]]
    assert mine[-1]["train_nats_per_example"] < mine[0]["train_nats_per_example"]


def test_noise_is_uniform_and_hangs_on_its_seed_only() -> None:
    like = torch.zeros(500, 784, dtype=torch.uint8)
    drawn = noise(3, like)
    assert torch.equal(drawn, noise(3, like)) and not torch.equal(drawn, noise(4, like))
    counts = torch.bincount(drawn.flatten().long(), minlength=256).double()
    expected = like.numel() / 256
    # A chi-squared variable of 255 degrees of freedom: mean 255, deviation 22.6.
    assert abs(float(((counts - expected) ** 2 / expected).sum()) - 255) < 5 * 22.6


def test_stages_go_up_to_the_last_round_that_is_asked_for() -> None:
    fake = {"data__label_randomization_fraction": 1.0}
    trials = [spec(), spec(3), spec(1, **fake), spec(2, student__start="largest")]
    stages = plan_stages([spec(), spec(**fake)], trials)
    seen = [(one.teacher, [s.student.round for s in one.specs], one.specs[0].student.start) for one in stages]
    assert seen == [
        (None, [0, 0], "random"),
        (0, [1, 1], "random"),
        (1, [2], "random"),
        (2, [3], "random"),
        (0, [1], "largest"),
        (4, [2], "largest"),
    ]
    assert stages[3].specs == (spec(3),) and stages[1].specs[1] == spec(1, **fake)


def test_the_sweep_asks_what_the_blog_asked() -> None:
    """Two copies of one network, true and random labels; rounds of 20 % fewer units fitted to answers to noise."""
    blog = expand(load_sweep(find_sweep("shrink_students")), num_trials=96)
    assert len({one.trial_id for one in blog}) == 96
    assert {(*one.model.hidden_units, one.training.num_epochs, one.training.batch_size) for one in blog} == {
        (512, 512, 100, 128)
    }
    by_label = {
        fraction: [one for one in blog if one.data.label_randomization_fraction == fraction] for fraction in (0.0, 1.0)
    }
    for real, fake in zip(*by_label.values(), strict=True):
        assert (real.seeds, real.student) == (fake.seeds, fake.student)
    assert sorted(one.student.round for one in by_label[1.0]) == sorted([*range(16)] * 3)
    assert {one.network.hidden_units for one in blog if one.student.round == 15} == {(18, 18)}
    students = [one.student for one in blog if one.student.round]
    assert set(students) == {StudentSpec(round=number, inputs="noise", num_epochs=100) for number in range(1, 16)}
    twins = start(DENSE, (784, 512, 512, 10), [half[0] for half in by_label.values()], torch.device("cpu"))
    assert all(torch.equal(*parameter) for parameter in twins.parameters)


def test_the_sweep_asks_for_five_repetitions_of_small_networks_then_of_the_blog() -> None:
    trials = expand(load_sweep(find_sweep("shrink_students")), num_trials=270)
    small, more = trials[96:206], trials[206:]
    assert {spec.ancestor.model.hidden_units for spec in small} == {(128, 128)}
    assert [spec.seeds.initialization for spec in small] == [seed for seed in range(5) for _ in range(22)]
    assert [spec.seeds.initialization for spec in more] == [3] * 32 + [4] * 32
    first = [spec for spec in trials[:96] if spec.seeds.initialization == 0]
    seeds = dict.fromkeys(("seeds.initialization", "seeds.data_order", "seeds.randomization"), 3)
    assert more[:32] == [replace_fields(spec, seeds) for spec in first]


def without_times(result: PackResult) -> PackResult:
    rows = [{k: v for k, v in row.items() if k != "wall_seconds"} for row in result.rows]
    return replace(result, tables=result.tables | {"trials": rows})


FAKE = {"data__label_randomization_fraction": 1.0, "seeds__data_order": 4, "training__dropout": 0.2}
SITE = WorkerConfig(checkpoint_seconds=0.0)


def trials() -> tuple[TrialSpec, ...]:
    """Two lineages; two codebooks of one student; a second strategy; no row is asked of one round."""
    coarse = spec(2, compression__quantization_levels=4)
    warm = {"student__start": "largest", "student__inputs": "true", "student__targets": "logits"}
    return (spec(), spec(1), spec(2), coarse, spec(2, **warm), spec(**FAKE), spec(2, **FAKE))


@functools.cache
def whole() -> tuple[PackResult, list[bytes]]:
    """A pack that nobody interrupts, and its checkpoints after each epoch."""
    blobs: list[bytes] = []
    return without_times(run_pack(Pack("toy", trials()), SITE, save=blobs.append)), blobs


def test_every_round_that_is_asked_for_is_a_row_like_others() -> None:
    result, _ = whole()
    assert {row["status"] for row in result.rows} == {"ok"}, [row["error"] for row in result.rows]
    assert to_table([row | {"wall_seconds": 0.0} for row in result.rows], TRIALS).num_rows == 7
    assert to_table(result.tables["layers"], LAYERS).num_rows == 7 * 6
    assert to_table(result.tables["curves"], CURVES).num_rows == 2 * 3 + 5 * 2
    rows = {row["trial_id"]: row for row in result.rows}
    seen = [(rows[one.trial_id]["architecture"], rows[one.trial_id]["student_round"]) for one in trials()]
    large, small = ("dense-20-10", 0), ("dense-5-2", 2)
    assert seen == [large, ("dense-10-5", 1), small, small, small, large, small]
    for one in trials():
        row = rows[one.trial_id]
        units = (784, *one.network.hidden_units, 10)
        assert row["num_weights"] == sum(i * o for i, o in itertools.pairwise(units)) and row["decoded_ok"]
        assert row["num_epochs"] == row["trained_epochs"] == (2 if one.student.round else 3)
        assert row["compressed_bytes"] == len(result.files[model_file(one.trial_id)])
        assert (row["label_changed_fraction"] > 0.8) == (one.data.label_randomization_fraction == 1)
        if one.student.round:
            mine = [curve for curve in result.tables["curves"] if curve["trial_id"] == one.trial_id]
            assert mine[-1]["train_nats_per_example"] < mine[0]["train_nats_per_example"] and mine[-1]["sparsity"] == 0
            assert mine[-1]["validation_accuracy"] == pytest.approx(row["trained_validation_accuracy"])
    fine, coarse = (rows[one.trial_id] for one in trials()[2:4])
    assert fine["trained_test_accuracy"] == coarse["trained_test_accuracy"]
    assert fine["compressed_bytes"] > coarse["compressed_bytes"]
    assert rows[trials()[1].trial_id]["student_strategy"] == "noise soft_labels random shrink_factor=0.5 num_epochs=2"
    assert result.steps.done == 28 * (2 * 3 + 2 * 2 + 2 * 2 + 2 + 2) and result.steps.saved == 0


def test_a_student_alone_is_the_one_in_the_stack() -> None:
    """Other labels, orders, strategies and rounds that are asked for beside it do not matter, but for rounding."""
    rows = {row["trial_id"]: row for row in whole()[0].rows}
    for me in (spec(2), spec(2, **FAKE)):
        alone = run_pack(Pack("toy", (me,)), SITE)
        assert len(alone.rows) == 1
        mine = [
            [c for c in curves if c["trial_id"] == me.trial_id]
            for curves in (alone.tables["curves"], whole()[0].tables["curves"])
        ]
        for one, among in zip(*mine, strict=True):
            assert one["train_nats_per_example"] == pytest.approx(among["train_nats_per_example"], rel=0.02)
        assert alone.rows[0]["test_accuracy"] == pytest.approx(rows[me.trial_id]["test_accuracy"], abs=0.011)


@pytest.mark.parametrize("epochs", [2, 3, 4, 5, 6, 7, 9, 11])
def test_an_interrupted_chain_ends_the_same_to_the_bit(epochs: int) -> None:
    undisturbed, blobs = whole()
    # Round 0, two rounds, and two rounds of the other strategy.
    assert len(blobs) == 3 + 2 + 2 + 2 + 2
    later: list[bytes] = []
    again = run_pack(Pack("toy", trials()), SITE, checkpoint=blobs[epochs - 1], save=later.append)
    assert without_times(again) == undisturbed and again.notes == []
    assert len(later) == len(blobs) - epochs


def test_students_of_a_diverged_network_are_failed_rows_that_say_so() -> None:
    wild = {"training__learning_rate": 1e30, "training__optimizer": "sgd"}
    calm = {"training__optimizer": "sgd", "training__learning_rate": 0.01}
    pack = Pack("toy", (spec(**wild), spec(1, **wild), spec(2, **wild), spec(**calm), spec(2, **calm)))
    result = run_pack(pack, SITE)
    rows = {row["trial_id"]: row for row in result.rows}
    assert [rows[one.trial_id]["status"] for one in pack.members] == ["failed"] * 3 + ["ok"] * 2
    assert "diverged: loss or weights out of range" in rows[pack.members[0].trial_id]["error"]
    for one in pack.members[1:3]:
        assert "round 0 diverged in epoch 1, so that later rounds have no teacher" in rows[one.trial_id]["error"]
    assert to_table(result.rows, TRIALS).num_rows == 5
    only = run_pack(Pack("toy", pack.members[:3]), SITE)
    assert [row["status"] for row in only.rows] == ["failed"] * 3


def test_a_student_may_diverge_where_its_teacher_did_not() -> None:
    """The squared error of logits is steep on noise: this rate is too large for it, and not for labels."""
    fields = {"training__optimizer": "sgd", "training__learning_rate": 0.01, "model__hidden_units": ()}
    logits = fields | {"student__targets": "logits"}
    pack = Pack("toy", (spec(**fields), spec(1, **logits), spec(3, **logits)))
    rows = {row["trial_id"]: row for row in run_pack(pack, SITE).rows}
    assert [rows[one.trial_id]["status"] for one in pack.members] == ["ok", "failed", "failed"]
    assert "round 1 diverged in epoch" in rows[pack.members[2].trial_id]["error"]


def test_what_does_not_go_together_is_explained() -> None:
    with pytest.raises(ValueError, match="halving and students"):
        Sweep(name="x", question="?", base=spec(), grids=({"r": vary("student.round", 0, 1)},), halving=Halving())
    with pytest.raises(ValueError, match="lenet5"):
        check_names([spec(1, model__family="lenet5", model__hidden_units=(4,), student__shrink_factor=0.5)])
    with pytest.raises(ValueError, match="family 'hashed'; the largest units are known in dense, lenet5 and convnet"):
        check_names([spec(1, **HASHED, student__start="largest")])
