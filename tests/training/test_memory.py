"""Pieces that fit: the arithmetic, halving when memory runs out, and the short runs that are measured."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mdlray.data import Images, load_images
from mdlray.planning import Pack
from mdlray.spec import DataSpec, TrialSpec, replace_fields
from mdlray.training.memory import SAFETY, Need, in_pieces, measure_need, members_that_fit, need_from_peaks
from mdlray.worker.run_pack import WorkerConfig, count_packs_on_gpu, run_networks

GIB = 2**30


def test_the_line_through_two_peaks() -> None:
    assert need_from_peaks(2, 300, 6, 500) == Need(200, 50)
    assert need_from_peaks(2, 300, 6, 500).of(10) == 700
    assert need_from_peaks(2, 100, 6, 501) == Need(0, 101)
    assert need_from_peaks(2, 300, 6, 200) == Need(300, 0)


def test_members_that_fit_into_what_is_free_and_into_the_share() -> None:
    need = Need(GIB, GIB // 10)
    assert members_that_fit(need, 80 * GIB, 80 * GIB, 1.0) == 710
    assert members_that_fit(need, 40 * GIB, 80 * GIB, 0.5) == 350
    assert members_that_fit(need, 80 * GIB, 80 * GIB, 0.5) == 350
    assert members_that_fit(need, 10 * GIB, 80 * GIB, 0.5) == 80
    assert members_that_fit(need, 0, 80 * GIB, 1.0) == 1
    assert members_that_fit(Need(GIB, 0), 80 * GIB, 80 * GIB, 1.0) > 10**9


@given(st.integers(0, 2**34), st.integers(1, 2**30), st.integers(0, 2**37), st.floats(0.01, 1))
def test_one_more_would_not_fit(fixed: int, each: int, free: int, share: float) -> None:
    need, total = Need(fixed, each), 2**37
    count, budget = members_that_fit(need, free, total, share), SAFETY * min(free, share * total)
    assert count == 1 or need.of(count) <= budget * (1 + 1e-9)
    assert need.of(count + 1) > budget * (1 - 1e-9)


def device_of(members: int, tries: list[int]):
    """Work that runs out of memory with more than so many members."""

    def work(piece: Sequence[int]) -> list[int]:
        tries.append(len(piece))
        if len(piece) > members:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return list(piece)

    return work


def fail(piece: Sequence[int], reason: str) -> list[int]:
    assert "out of memory" in reason
    return [-number for number in piece]


@given(st.integers(0, 60), st.integers(1, 70), st.integers(1, 70))
def test_every_item_is_done_once_in_order(num: int, limit: int, fits: int) -> None:
    tries: list[int] = []
    results = in_pieces(range(1, num + 1), limit, device_of(fits, tries), fail)
    assert [number for piece in results for number in piece] == list(range(1, num + 1))
    assert max(tries, default=0) <= limit and max(map(len, results), default=0) <= fits


def test_pieces_are_even_and_halved_once_for_all() -> None:
    tries: list[int] = []
    in_pieces(range(10), 4, device_of(4, tries), fail)
    assert tries == [4, 3, 3]
    tries.clear()
    in_pieces(range(100), 100, device_of(30, tries), fail)
    assert tries == [100, 50, 25, 25, 25, 25]


def test_one_that_does_not_fit_is_given_up_and_other_errors_pass() -> None:
    assert in_pieces([1, 2, 3], 3, device_of(0, []), fail) == [[-1], [-2], [-3]]

    def library(piece: Sequence[int]) -> list[int]:
        if len(piece) > 1:
            raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
        return list(piece)

    assert in_pieces([1, 2, 3], 3, library, fail) == [[1], [2], [3]]

    def broken(piece: Sequence[int]) -> list[int]:
        raise RuntimeError("an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal"):
        in_pieces([1, 2], 2, broken, fail)


@pytest.mark.parametrize("batch_size", [64, 2000])
def test_what_is_measured_goes_the_whole_way(batch_size: int) -> None:
    """The short runs, on the CPU and with a made-up peak: every step is in them, for every kind of network."""
    changes = {"data.dataset": "mnist5k", "model.hidden_units": (8,), "training.batch_size": batch_size}
    obd = {"compression.method": "obd", "compression.pruning_ratio": 0.9, "training.dropout": 0.1}
    networks = [replace_fields(TrialSpec(), changes), replace_fields(TrialSpec(), changes | obd)]
    images = load_images(DataSpec(dataset="mnist5k"), 0, None)
    seen = []

    def peak(probes: Sequence[TrialSpec], few: Images) -> int:
        result = run_networks(probes, probes, few, torch.device("cpu"), WorkerConfig())
        assert [row["status"] for row in result.rows] == ["ok"] * len(probes), [row["error"] for row in result.rows]
        assert {row["pruning_ratio"] for row in result.rows} == {0.0, 0.9}
        seen.append((len(probes), few.num_train))
        return 1000 + 10 * len(probes)

    need = measure_need(networks, images, peak)
    assert seen == [(2, max(1000, batch_size)), (6, max(1000, batch_size))]
    assert need == Need(1000 + images.pixels_NP.nbytes, 10 + 24 * 5000)


def test_without_cuda_there_is_nothing_to_measure() -> None:
    assert count_packs_on_gpu(Pack("toy", (TrialSpec(),)), WorkerConfig()) is None
    if not torch.cuda.is_available():
        assert count_packs_on_gpu(Pack("toy", (TrialSpec(),)), WorkerConfig(device="auto")) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_what_a_pack_needs_on_a_gpu_grows_with_its_members() -> None:
    trials = tuple(
        replace_fields(TrialSpec(), {"data.dataset": "mnist5k", "seeds.initialization": seed}) for seed in range(40)
    )
    few, more = (count_packs_on_gpu(Pack("toy", trials[:count]), WorkerConfig(device="auto")) for count in (10, 40))
    assert few is not None and more is not None and 0 < few < more < 100 * few
