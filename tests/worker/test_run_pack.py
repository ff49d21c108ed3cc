"""The whole way of a pack on real digits: rows that add up, files that decode, neighbors that do not matter."""

from pathlib import Path

import pytest
import torch

import mdlray
from mdlray.compression.quantization import GRIDS
from mdlray.compression.saliency import SALIENCIES, magnitude
from mdlray.data import load_images
from mdlray.models import Family, Parameters, get_family
from mdlray.models.family import initialize
from mdlray.planning import Halving, Pack
from mdlray.results.conversion import to_table
from mdlray.results.pack_result import PackResult, model_file
from mdlray.results.schema import CURVES, LAYERS, TRIALS
from mdlray.spec import TrialSpec, replace_fields
from mdlray.training import Examples, epoch_batches, member_generator, place_splits
from mdlray.worker.run_pack import WorkerConfig, run_pack

SHORT = {
    "data.dataset": "mnist5k",
    "model.hidden_units": (20,),
    "training.num_epochs": 6,
    "training.batch_size": 64,
    "compression.first_pruning_epoch": 1,
    "compression.last_pruning_epoch": 4,
    "compression.num_pruning_steps": 5,
    "compression.centroid_epochs": 1,
}


def spec(**changes: object) -> TrialSpec:
    return replace_fields(TrialSpec(), SHORT | {key.replace("__", "."): value for key, value in changes.items()})


ME = spec(
    compression__method="obd",
    compression__pruning_ratio=0.9,
    data__label_randomization_fraction=0.2,
    training__regularizer="l2",
    training__regularizer_strength=1e-4,
    seeds__initialization=5,
    seeds__data_order=6,
    seeds__randomization=7,
)


def neighbors(count: int) -> list[TrialSpec]:
    """Members that differ from `ME` in all that members may differ in."""
    kinds = [
        {},
        {"seeds__data_order": 6},
        {"compression__method": "magnitude", "compression__pruning_ratio": 0.97},
        {"data__label_randomization_fraction": 1.0},
        {"training__regularizer": "l1", "training__regularizer_strength": 1e-4},
        {"training__learning_rate": 0.01, "training__dropout": 0.2},
    ]
    return [spec(seeds__initialization=100 + i, **kinds[i % len(kinds)]) for i in range(count)]


@pytest.fixture(scope="module")
def packs() -> dict[int, PackResult]:
    """`ME` alone, in the middle of 7, and in the middle of 20."""
    sizes = {1: [], 7: neighbors(6), 20: neighbors(19)}
    return {
        size: run_pack(Pack("toy", (*others[: size // 2], ME, *others[size // 2 :])), WorkerConfig())
        for size, others in sizes.items()
    }


def mine(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [row for row in rows if row["trial_id"] == ME.trial_id]


def test_rows_fit_the_schemas(packs: dict[int, PackResult]) -> None:
    result = packs[7]
    assert {row["status"] for row in result.rows} == {"ok"}, [row["error"] for row in result.rows]
    assert to_table(result.rows, TRIALS).num_rows == 7
    assert to_table(result.tables["curves"], CURVES).num_rows == 7 * 6
    assert to_table(result.tables["layers"], LAYERS).num_rows == 7 * 4


def test_neighbors_do_not_matter(packs: dict[int, PackResult]) -> None:
    """Alone, in 7, in 20: same start, order, labels, mask schedule; accuracy equal within rounding."""
    rows = [mine(result.rows)[0] for result in packs.values()]
    assert len({row["label_changed_fraction"] for row in rows}) == 1
    assert len({row["num_nonzero"] for row in rows}) == 1
    curves = [[(row["epoch"], row["sparsity"]) for row in mine(result.tables["curves"])] for result in packs.values()]
    assert curves[0] == curves[1] == curves[2] and curves[0][-1][1] == pytest.approx(0.9, abs=1e-4)
    first_epochs = [mine(result.tables["curves"])[0]["train_nats_per_example"] for result in packs.values()]
    assert first_epochs[1:] == pytest.approx(first_epochs[:1] * 2, rel=1e-4)
    for column in ("validation_accuracy", "test_accuracy", "trained_test_accuracy"):
        # Some of 400 validation or 1,000 test pictures may fall on the other side after some hundred steps of rounding.
        values = [row[column] for row in rows]
        assert max(values) - min(values) <= 0.0051, (column, values)


def test_starts_orders_and_labels_are_the_members_own() -> None:
    """What `fit` is given and draws for `ME` is the same alone, in 7 and in 20."""
    images = load_images(ME.data, 0, None)
    shapes = get_family("dense").shapes((784, 20, 10))
    seen = []
    for others in ([], neighbors(6), neighbors(19)):
        members = [*others[: len(others) // 2], ME, *others[len(others) // 2 :]]
        me = members.index(ME)
        starts = initialize(shapes, [member_generator("initialization", s.seeds.initialization) for s in members])
        splits, _ = place_splits(images, members, torch.device("cpu"))
        train = splits["train"]
        batches = epoch_batches(train, [s.seeds.data_order for s in members], 3, 64)
        order = torch.cat([labels_MB[me] for _, labels_MB in batches])
        seen.append([train.labels_MN[me], order, *(parameter[me] for parameter in starts)])
    for among in seen[1:]:
        assert all(torch.equal(a, b) for a, b in zip(seen[0], among, strict=True))
    assert 0.1 < float((seen[0][0].numpy() != images.labels_N[images.train]).mean()) < 0.2


def test_parts_sum_to_the_file_and_the_file_is_the_measured_network(
    packs: dict[int, PackResult], tmp_path: Path
) -> None:
    images = load_images(ME.data, 0, None)
    for row in packs[7].rows:
        blob = packs[7].files[model_file(row["trial_id"])]
        assert row["compressed_bytes"] == len(blob) and row["decoded_ok"]
        parts = ("header_bytes", "mask_bytes", "values_bytes", "codebook_bytes")
        assert sum(row[part] for part in parts) == len(blob)
        path = tmp_path / "network.mdl"
        path.write_bytes(blob)
        network = mdlray.decode(path)
        with torch.no_grad():
            hits = (
                network(torch.tensor(images.pixels_NP[images.test])).argmax(1).numpy() == images.labels_N[images.test]
            )
        assert hits.mean() == pytest.approx(row["test_accuracy"], abs=1e-9)
        weights = torch.cat([parameter.flatten() for parameter in network.weights if parameter.ndim == 2])
        assert weights.numel() == row["num_weights"] and int((weights != 0).sum()) == row["num_nonzero"]


def test_exactly_the_asked_share_is_pruned(packs: dict[int, PackResult]) -> None:
    last = {row["trial_id"]: row["sparsity"] for row in packs[20].tables["curves"] if row["epoch"] == 6}
    for row in packs[20].rows:
        removed = round(row["pruning_ratio"] * row["num_weights"])
        assert last[row["trial_id"]] == pytest.approx(removed / row["num_weights"], abs=1e-6)
        if removed:  # a codebook may turn a weight into zero, never bring one back
            assert row["num_weights"] - removed >= row["num_nonzero"] > 0.98 * (row["num_weights"] - removed)


def test_trials_that_differ_in_levels_share_their_training() -> None:
    few, many = (spec(compression__quantization_levels=levels) for levels in (2, 64))
    result = run_pack(Pack("toy", (few, many)), WorkerConfig())
    a, b = result.rows
    assert a["trained_test_accuracy"] == b["trained_test_accuracy"]
    assert a["compressed_bytes"] < b["compressed_bytes"] and a["trial_id"] != b["trial_id"]


def test_lossy_choices_share_one_training_and_pay() -> None:
    """Each choice makes the file smaller than the one before, at nearly the same accuracy."""
    steps = [
        {},
        {"compression__remove_dead_units": True, "compression__unit_order": "sorted"},
        {"compression__bias_mantissa_bits": 3, "compression__codebook_mantissa_bits": 4},
        {"compression__rate_distortion": 3e-6},
        {"compression__levels_per_layer": (4, 8)},
    ]
    pruned = {"compression__method": "magnitude", "compression__pruning_ratio": 0.97}
    trials = [spec(**pruned)]
    for step in steps[1:]:
        changes = {name.replace("__", "."): value for name, value in step.items()}
        trials.append(replace_fields(trials[-1], changes))
    uniform = replace_fields(trials[3], {"compression.quantization_grid": "uniform"})
    result = run_pack(Pack("toy", (*trials, uniform)), WorkerConfig())
    assert [row["status"] for row in result.rows] == ["ok"] * 6, [row["error"] for row in result.rows]
    assert to_table(result.rows, TRIALS).num_rows == 6
    assert len({row["trained_test_accuracy"] for row in result.rows}) == 1
    sizes = [row["compressed_bytes"] for row in result.rows]
    assert sizes[:5] == sorted(sizes[:5], reverse=True) and len(set(sizes[:5])) == 5, sizes
    assert sizes[5] < sizes[2], sizes
    accuracies = [row["test_accuracy"] for row in result.rows]
    assert min(accuracies) > accuracies[0] - 0.03, accuracies
    removed = round(0.97 * result.rows[0]["num_weights"])
    assert all(row["num_weights"] - row["num_nonzero"] >= removed for row in result.rows)


def test_a_diverged_member_fails_alone() -> None:
    result = run_pack(Pack("toy", (spec(training__learning_rate=1e30), spec())), WorkerConfig())
    by_id = {row["trial_id"]: row for row in result.rows}
    wild, calm = (by_id[s.trial_id] for s in (spec(training__learning_rate=1e30), spec()))
    assert wild["status"] == "failed" and "diverged: loss or weights out of range in epoch 1" in wild["error"]
    assert calm["status"] == "ok" and calm["test_accuracy"] > 0.5
    assert to_table(result.rows, TRIALS).num_rows == 2 and list(result.files) == [model_file(spec().trial_id)]


def test_weights_thrown_out_by_the_very_last_step_fail_alone() -> None:
    one_step = {"training__batch_size": 3600, "training__num_epochs": 1, "compression__centroid_epochs": 0}
    one_step |= {"compression__last_pruning_epoch": 1}
    result = run_pack(Pack("toy", (spec(training__learning_rate=1e30, **one_step), spec(**one_step))), WorkerConfig())
    assert sorted(row["status"] for row in result.rows) == ["failed", "ok"], [row["error"] for row in result.rows]


def test_an_error_is_a_row_for_every_member(tmp_path: Path) -> None:
    unknown = replace_fields(spec(), {"data.dataset": "imagenet"})
    result = run_pack(Pack("toy", (unknown,)), WorkerConfig(data=tmp_path))
    assert [row["status"] for row in result.rows] == ["failed"] and "mnist5k" in result.rows[0]["error"]
    assert to_table(result.rows, TRIALS).num_rows == 1


def oops(family: Family, parameters: Parameters, examples: Examples, num_examples: int) -> Parameters:
    raise KeyError("oops")


def test_a_method_that_raises_fails_its_own_members_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside it, magnitude and Optimal Brain Damage are as without it, to the bit; also from a checkpoint on."""
    monkeypatch.setitem(SALIENCIES, "oops", oops)
    pruned = {"compression__pruning_ratio": 0.9}
    good = [spec(compression__method=method, **pruned) for method in ("magnitude", "obd")]
    bad = [spec(compression__method="oops", seeds__initialization=seed, **pruned) for seed in (0, 1)]
    blobs: list[bytes] = []
    trials = (bad[0], good[0], good[1], bad[1])
    result = run_pack(Pack("toy", trials), WorkerConfig(checkpoint_seconds=0.0), save=blobs.append)
    rows = {row["trial_id"]: row for row in result.rows}
    assert [rows[one.trial_id]["status"] for one in trials] == ["failed", "ok", "ok", "failed"]
    assert all("KeyError: 'oops'" in rows[one.trial_id]["error"] for one in bad)
    assert set(result.files) == {model_file(one.trial_id) for one in good}
    # The same stack without the failure: magnitude in its place, and those two not asked for.
    monkeypatch.setitem(SALIENCIES, "oops", magnitude)
    whole = run_pack(Pack("toy", trials), WorkerConfig())
    assert all(result.files[name] == whole.files[name] for name in result.files)
    monkeypatch.setitem(SALIENCIES, "oops", oops)
    again = run_pack(Pack("toy", trials), WorkerConfig(), checkpoint=blobs[3])
    assert again.files == result.files and again.notes == []
    assert sorted(row["status"] for row in again.rows) == ["failed", "failed", "ok", "ok"]


def test_a_saliency_that_fails_for_one_network_fails_that_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def picky(family: Family, parameters: Parameters, examples: Examples, num_examples: int) -> Parameters:
        # Members differ in their labels only, so this tells one from the other.
        if (parameters[0].flatten(1).abs().amax(1) > limit).any():
            raise ValueError("too large for me")
        return magnitude(family, parameters, examples, num_examples)

    monkeypatch.setitem(SALIENCIES, "picky", picky)
    pruned = {"compression__method": "picky", "compression__pruning_ratio": 0.9}
    limit = 5.0
    trials = [spec(seeds__initialization=seed, **pruned) for seed in range(2)]
    trials.append(spec(training__learning_rate=3.0, compression__first_pruning_epoch=2, **pruned))
    rows = run_pack(Pack("toy", tuple(trials)), WorkerConfig()).rows
    errors = {row["trial_id"]: row["error"] for row in rows}
    assert errors[trials[0].trial_id] is errors[trials[1].trial_id] is None
    assert errors[trials[2].trial_id] is not None


def test_a_grid_that_raises_and_a_method_that_nobody_knows_fail_their_own_trials_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("no levels")

    monkeypatch.setitem(GRIDS, "broken", broken)
    trials = (spec(), spec(compression__quantization_grid="broken"), spec(compression__quantization_levels=4))
    result = run_pack(Pack("toy", trials), WorkerConfig())
    rows = {row["trial_id"]: row for row in result.rows}
    assert [rows[one.trial_id]["status"] for one in trials] == ["ok", "failed", "ok"]
    assert "no levels" in rows[trials[1].trial_id]["error"]
    without = run_pack(Pack("toy", (trials[0], trials[2])), WorkerConfig())
    assert without.files == result.files


def test_where_everything_fails_every_row_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SALIENCIES, "oops", oops)
    pruned = {"compression__method": "oops", "compression__pruning_ratio": 0.9}
    trials = tuple(spec(seeds__initialization=seed, **pruned) for seed in range(3))
    rows = run_pack(Pack("toy", trials), WorkerConfig()).rows
    assert [row["status"] for row in rows] == ["failed"] * 3 and len({row["error"] for row in rows}) == 1


HALVED = WorkerConfig(halving=Halving(rungs=(0.34, 0.67)))


def rivals() -> list[TrialSpec]:
    """Four of one size, two of them with two codebooks, and one of another size."""
    obd = {"compression__method": "obd", "compression__pruning_ratio": 0.9}
    rates = [spec(training__learning_rate=rate, **obd) for rate in (1e-4, 0.1, 2e-4, 3e-3)]
    coarse = [replace_fields(one, {"compression.quantization_levels": 4}) for one in rates[:2]]
    return [*rates, *coarse, spec(training__learning_rate=1e-4)]


def test_stopped_members_are_measured_rows_of_their_own_kind() -> None:
    trials = rivals()
    result = run_pack(Pack("toy", tuple(trials)), HALVED)
    assert to_table(result.rows, TRIALS).num_rows == len(result.files) == 7
    assert to_table(result.tables["layers"], LAYERS).num_rows == 7 * 4
    rows = {row["trial_id"]: row for row in result.rows}
    seen = [(rows[one.trial_id]["status"], rows[one.trial_id]["trained_epochs"]) for one in trials]
    early, late = ("stopped", 2), ("stopped", 4)
    assert seen[:2] == [early, ("ok", 6)] and seen[2:] == [early, late, early, ("ok", 6), ("ok", 6)]
    assert result.steps.saved == (4 + 4 + 2) * 56 and result.steps.done == (2 + 2 + 4 + 6 + 6) * 56
    num_curve_rows = {
        one.trial_id: sum(row["trial_id"] == one.trial_id for row in result.tables["curves"]) for one in trials
    }
    for one in trials:
        row = rows[one.trial_id]
        assert row["decoded_ok"] and row["num_nonzero"] <= row["num_weights"] - round(
            row["pruning_ratio"] * row["num_weights"]
        )
        assert num_curve_rows[one.trial_id] == row["trained_epochs"]


def test_those_that_stay_end_as_without_halving() -> None:
    stay = [rivals()[1], rivals()[6]]
    rows = [
        {row["trial_id"]: row for row in run_pack(Pack("toy", tuple(rivals())), config).rows}
        for config in (HALVED, WorkerConfig())
    ]
    for one in stay:
        with_halving, without = (table[one.trial_id] for table in rows)
        assert with_halving["status"] == without["status"] == "ok"
        assert with_halving["test_accuracy"] == pytest.approx(without["test_accuracy"], abs=0.0051)
    assert {row["trained_epochs"] for row in rows[1].values()} == {6}


def test_a_diverged_member_that_leaves_is_a_failed_row() -> None:
    wild = spec(training__learning_rate=1e30)
    result = run_pack(Pack("toy", (wild, spec())), HALVED)
    assert {row["status"]: row["trained_epochs"] for row in result.rows} == {"failed": 2, "ok": 6}
    assert result.steps.saved == 4 * 56


@pytest.fixture
def small_gpu(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A pruning method that needs more memory than there is for more than two members; lists how many it was for."""
    seen: list[int] = []

    def saliency(family: Family, parameters: Parameters, examples: Examples, num_examples: int) -> Parameters:
        seen.append(parameters[0].shape[0])
        if seen[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return magnitude(family, parameters, examples, num_examples)

    monkeypatch.setitem(SALIENCIES, "small_gpu", saliency)
    return seen


def test_a_pack_that_runs_out_of_memory_is_trained_in_pieces(small_gpu: list[int]) -> None:
    def pack(method: str) -> Pack:
        fields = {
            "compression__method": method,
            "compression__pruning_ratio": 0.9,
            "compression__first_pruning_epoch": 2,
        }
        trials = [spec(seeds__initialization=i, **fields) for i in range(4)]
        return Pack("toy", (*trials, replace_fields(trials[3], {"compression.quantization_levels": 4})))

    blobs: list[bytes] = []
    config = WorkerConfig(checkpoint_seconds=0.0)
    pieces = run_pack(pack("small_gpu"), config, save=blobs.append)
    assert small_gpu == [4] + [2] * 10
    assert [row["trial_id"] for row in pieces.rows] == [one.trial_id for one in pack("small_gpu").members]
    assert {row["num_members_in_pack"] for row in pieces.rows} == {5} and len(pieces.files) == 5
    for mine, whole in zip(pieces.rows, run_pack(pack("magnitude"), WorkerConfig()).rows, strict=True):
        assert mine["status"] == "ok" and mine["num_nonzero"] == pytest.approx(whole["num_nonzero"], abs=20)
        assert mine["test_accuracy"] == pytest.approx(whole["test_accuracy"], abs=0.0051)
    # One epoch of all four, six of the first two, six of the others: the last interruption is inside the second piece.
    assert len(blobs) == 13
    for blob in (blobs[0], blobs[9]):
        again = run_pack(pack("small_gpu"), config, checkpoint=blob)
        for mine, before in zip(again.rows, pieces.rows, strict=True):
            assert {**mine, "wall_seconds": 0.0} == {**before, "wall_seconds": 0.0}
        assert all(again.tables[name] == pieces.tables[name] for name in ("curves", "layers", "weights"))
        assert again.files == pieces.files


def test_a_network_that_does_not_fit_alone_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def saliency(family: Family, parameters: Parameters, examples: Examples, num_examples: int) -> Parameters:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    monkeypatch.setitem(SALIENCIES, "tiny_gpu", saliency)
    pruned = spec(compression__method="tiny_gpu", compression__pruning_ratio=0.9)
    result = run_pack(Pack("toy", (pruned, spec())), WorkerConfig())
    assert {row["method"]: row["status"] for row in result.rows} == {"tiny_gpu": "failed", "none": "ok"}
    assert "lower training.batch_size or model.hidden_units" in result.rows[0]["error"]
    assert "20.00 GiB" in result.rows[0]["error"] and to_table(result.rows, TRIALS).num_rows == 2
