"""What is left of a grid and of a search, by real rows and a real journal in a store; nothing is trained."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from mdlray.dispatch import Resources
from mdlray.driver.work_queue import (
    SearchRequest,
    SweepRequest,
    answered,
    grid_queue,
    open_search,
    search_queue,
    settle,
)
from mdlray.planning import Halving, Pack, Sweep, expand, vary
from mdlray.planning.definitions import Definitions, sweep_version
from mdlray.planning.space import usual_space
from mdlray.results import Store
from mdlray.results.pack_result import PackResult, failed_pack
from mdlray.spec import TrialSpec, replace_fields

TWO_CPUS = Resources(num_parallel=2, cpus_per_pack=1, gpus_per_pack=0)
GRID = Sweep(
    name="toy",
    question="?",
    base=TrialSpec(),
    grids=({"seed": vary("seeds.initialization", *range(12))},),
    networks_per_pack_cpu=4,
)
SPACE = usual_space(
    methods=("magnitude",),
    regularizers=("none", "l2"),
    strata=vary("data.dataset", "mnist", "kmnist"),
    num_trials=16,
    trials_per_batch=4,
)
SEARCH = Sweep(name="toy", question="?", base=TrialSpec(), space=SPACE, networks_per_pack_cpu=2)


def asked_for(sweep: Sweep, folder: Path, num_trials: int | None = None, **changes: Any) -> SweepRequest:
    search = None if sweep.grids else SearchRequest("random", 3, num_trials, {}, None, "v1")
    return replace(
        SweepRequest(
            sweep,
            expand(sweep),
            search,
            Store(folder),
            folder,
            None,
            Definitions(),
            False,
            "python -m mdlray.sweep toy",
        ),
        **changes,
    )


def store_rows(store: Store, pack: Pack, status: str = "ok", version: str | None = None) -> list[dict[str, Any]]:
    """What a pack brings, as if it had been trained."""
    measured = {"status": status, "error": None, "validation_accuracy": 0.9, "compressed_bytes": 1000}
    rows = [row | (measured if status != "failed" else {}) for row in failed_pack(pack, "made to fail", version).rows]
    store.write_pack(pack.pack_id, PackResult({"trials": rows}))
    return rows


def test_what_failed_with_another_version_of_the_sweeps_file_is_left_to_do(tmp_path: Path) -> None:
    """Rows of this version, and those of programs that noted none, stay done; so does an ok row of any version."""
    mine = Definitions("/sweep.py", b"SWEEP = 1")
    request = asked_for(GRID, tmp_path, definitions=mine)
    packs = [Pack("toy", tuple(request.trials[first : first + 3])) for first in range(0, 12, 3)]
    for pack, version in zip(packs, ("0" * 16, sweep_version(mine), None), strict=False):
        store_rows(request.store, pack, "failed", version)
    store_rows(request.store, packs[3], "ok", "0" * 16)
    left = grid_queue(request, TWO_CPUS)
    assert {spec for pack in left.more() or () for spec in pack.members} == set(packs[0].members)
    assert answered(replace(request, definitions=Definitions("/sweep.py", b"SWEEP = 2"))).keys() == {
        spec.trial_id for pack in packs[2:] for spec in pack.members
    }
    searching = asked_for(SEARCH, tmp_path, definitions=mine)
    assert open_search(searching).rows.keys() == {spec.trial_id for pack in packs[1:] for spec in pack.members}


def test_a_grid_is_given_out_once_and_whole(tmp_path: Path) -> None:
    queue = grid_queue(asked_for(GRID, tmp_path), TWO_CPUS)
    packs = queue.more()
    assert packs is not None and [len(pack.members) for pack in packs] == [4, 4, 4]
    assert queue.more() is None and queue.more() is None
    queue.add_rows(store_rows(Store(tmp_path), packs[0]))
    assert queue.more() is None, "rows bring no new packs"
    assert (queue.num_trials, queue.num_done, queue.num_packs) == (12, 0, 3)
    assert list(queue.samples) == expand(GRID) and queue.packs == packs


def test_packs_with_rows_are_struck_off_and_the_others_stay_as_they_were(tmp_path: Path) -> None:
    request = asked_for(GRID, tmp_path)
    first, second, third = grid_queue(request, TWO_CPUS).more() or ()
    for pack, status in ((first, "ok"), (second, "failed"), (third, "stopped")):
        store_rows(request.store, pack, status)
    left = {
        "as it is": (request, [third]),
        "--retry-failed": (replace(request, retry_failed=True), [second, third]),
        "halving": (replace(request, sweep=replace(GRID, halving=Halving())), []),
    }
    for how, (again, packs) in left.items():
        queue = grid_queue(again, TWO_CPUS)
        assert queue.more() == packs and queue.more() is None, how
        assert (queue.num_trials, queue.num_done) == (4 * len(packs), 12 - 4 * len(packs)), how
        assert queue.num_packs == len(packs) and queue.packs == packs, how


def test_gpus_get_packs_of_their_own_size(tmp_path: Path) -> None:
    packs = grid_queue(asked_for(GRID, tmp_path), Resources(num_parallel=2, cpus_per_pack=1, gpus_per_pack=1)).more()
    assert [len(pack.members) for pack in packs or ()] == [6, 6]


def test_a_search_writes_its_journal_with_every_batch_and_goes_on_from_there(tmp_path: Path) -> None:
    """One driver for every batch, or one for all: the same trials in the same order."""
    done: dict[str, list[str]] = {}
    for name, stops in {"disturbed": True, "undisturbed": False}.items():
        request, done[name], journals = asked_for(SEARCH, tmp_path / name), [], [0]
        queue = search_queue(request, TWO_CPUS)
        assert (queue.num_trials, queue.num_done, queue.num_packs, queue.packs) == (16, 0, None, None)
        assert {spec.data.dataset for spec in queue.samples} == {"mnist", "kmnist"}
        while (packs := queue.more()) is not None:
            for pack in packs:
                queue.add_rows(store_rows(request.store, pack))
                done[name] += [spec.trial_id for spec in pack.members]
            journals.append(len(request.store.read_journal() or b""))
            assert journals[-1] > journals[-2], "all of the batch is told"
            if stops:
                queue = search_queue(request, TWO_CPUS)
                assert (queue.num_trials, queue.num_done) == (16 - len(done[name]), len(done[name]))
        assert len(set(done[name])) == 16 and open_search(request).trial_ids() == set(done[name])
    assert done["disturbed"] == done["undisturbed"]


def test_half_a_batch_is_not_told_and_not_run_again(tmp_path: Path) -> None:
    request = asked_for(SEARCH, tmp_path)
    queue = search_queue(request, TWO_CPUS)
    packs = queue.more() or ()
    assert len(packs) == 4, "two of each stratum"
    queue.add_rows(store_rows(request.store, packs[0]))
    assert request.store.read_journal() is None and open_search(request).num_told == 0
    assert search_queue(request, TWO_CPUS).more() == packs[1:]


def test_a_smaller_budget_counts_what_each_stratum_lacks(tmp_path: Path) -> None:
    """One was told eight trials, the other none: with a budget of ten, five are left, and not two."""
    request = asked_for(SEARCH, tmp_path)
    queue = search_queue(request, TWO_CPUS)
    while open_search(request).num_told < 8:
        for pack in queue.more() or ():
            if pack.members[0].data.dataset == "mnist":
                queue.add_rows(store_rows(request.store, pack))
    less = search_queue(asked_for(SEARCH, tmp_path, num_trials=10), TWO_CPUS)
    assert (less.num_trials, less.num_done) == (5, 8)


def test_stopped_trials_are_asked_to_their_end_where_nothing_is_stopped(tmp_path: Path) -> None:
    request = asked_for(SEARCH, tmp_path)
    packs = search_queue(request, TWO_CPUS).more() or ()
    for pack in packs:
        store_rows(request.store, pack, "stopped")
    assert search_queue(request, TWO_CPUS).more() == packs
    halving = replace(request, sweep=replace(SEARCH, halving=Halving()))
    ids = {spec.trial_id for pack in packs for spec in pack.members}
    again = search_queue(halving, TWO_CPUS).more() or ()
    assert again and not ids & {spec.trial_id for pack in again for spec in pack.members}


def test_seeds_and_photographs_are_settled_per_trial() -> None:
    spec = replace_fields(TrialSpec(), {"data.dataset": "mnist_background_images", "seeds.data_order": 2})
    settled = settle(spec, 5, "sha256:1")
    assert settled.seeds.initialization == 5 and settled.seeds.data_order == 7
    assert settled.data.backgrounds == "sha256:1"
    assert settle(TrialSpec(), 0, "sha256:1") == TrialSpec()
    assert settle(spec, 5, None).data.backgrounds == spec.data.backgrounds


def test_a_damaged_journal_is_moved_aside_and_its_rows_are_found_again(tmp_path: Path) -> None:
    """By the run alone; a plan opens the search without it and leaves it where it is."""
    request = asked_for(SEARCH, tmp_path)
    queue = search_queue(request, TWO_CPUS)
    done = set()
    for pack in queue.more() or ():
        queue.add_rows(store_rows(request.store, pack))
        done |= {spec.trial_id for spec in pack.members}
    (tmp_path / "optuna.journal").write_bytes(damage := (request.store.read_journal() or b"") + b"[1, 2]\n")
    search = open_search(request)
    assert search.num_told == 0 and search.notes == [search.journal_damage] and "damaged in line" in search.notes[0]
    assert request.store.read_journal() == damage
    again = search_queue(request, TWO_CPUS)
    assert (tmp_path / "damaged" / "1-optuna.journal").read_bytes() == damage and request.store.read_journal() is None
    new = {spec.trial_id for pack in again.more() or () for spec in pack.members}
    assert new and not new & done, "what has a row is not run again"
    assert open_search(request).notes == [] and open_search(request).num_told == len(done)
