"""One driver at a time in a bucket, judged by the server's clock alone; locks of the dead are taken over."""

import multiprocessing
import subprocess
import sys
import time

import pytest

from mdlray.results import Store
from mdlray.results.pack_result import PackResult
from mdlray.storage import bucket_lock
from mdlray.storage.lock_owner import LockOwner

ADDRESS = "s3://bucket/results/toy"
HOLD = (
    "import time; from mdlray.results import Store\n"
    f"with Store({ADDRESS!r}).writing(): print('writing', flush=True); time.sleep(60)"
)
ELSEWHERE = LockOwner(host="faraway", pid=4242, since="2040-01-01T00:00:00+00:00", machine="other boot")


def locks(store: Store) -> list[str]:
    return [name for name in store.storage.names() if name.startswith(".lock-")]


@pytest.mark.slow
def test_a_second_driver_is_refused_and_a_killed_one_of_this_machine_is_replaced_at_once(s3):
    store = Store(ADDRESS)
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None and first.stdout.readline() == "writing\n"
        time.sleep(0.5)
        with pytest.raises(ValueError, match=rf"process {first.pid} on .*, since 20.* sign of life was") as refused:
            with store.writing():
                pass
        assert "is taken over." in str(refused.value) and "delete" not in str(refused.value)
        assert len(locks(store)) == 1
        first.kill()
        first.wait()
    with store.writing():
        assert len(locks(store)) == 1
    assert locks(store) == []


@pytest.mark.slow
@pytest.mark.parametrize("jump", [-(10**9), 10**9])
def test_a_lock_that_is_not_renewed_is_taken_over_whatever_our_clock_says(s3, monkeypatch, jump):
    store = Store(ADDRESS)
    store.storage.write({".lock-00.json": ELSEWHERE.to_json().encode()})
    true_time = time.time
    monkeypatch.setattr(time, "time", lambda: true_time() + jump)
    with pytest.raises(ValueError, match=r"process 4242 on faraway.* sign of life was [0-9] s ago"), store.writing():
        pass
    monkeypatch.setattr(bucket_lock, "STALE_SECONDS", 1.0)
    time.sleep(2.5)
    with store.writing():
        assert locks(store) == [store.storage.lock.name]


@pytest.mark.slow
def test_a_living_lock_is_renewed_and_never_stale(s3, monkeypatch):
    monkeypatch.setattr(bucket_lock, "RENEW_SECONDS", 0.3)
    monkeypatch.setattr(bucket_lock, "STALE_SECONDS", 2.5)
    first, second = Store(ADDRESS), Store(ADDRESS)
    with first.writing():
        time.sleep(5)
        with pytest.raises(ValueError, match="another run is writing"), second.writing():
            pass
        first.write_journal(b"mine")


def test_whoever_has_lost_its_lock_writes_no_more(s3, monkeypatch, make_row):
    monkeypatch.setattr(bucket_lock, "RENEW_SECONDS", 0.2)
    store, other = Store(ADDRESS), Store(ADDRESS)
    with store.writing():
        store.write_pack("p0", PackResult({"trials": [make_row()]}))
        other.storage.delete([store.storage.lock.name])
        with other.writing():
            time.sleep(1)
            with pytest.raises(ValueError, match="lost .*toy to another one: .* the same command resumes"):
                store.write_pack("p1", PackResult({"trials": [make_row(seed=1)]}))
            other.write_pack("p2", PackResult({"trials": [make_row(seed=2)]}))
            assert len(locks(other)) == 1
    assert len(other.status_by_trial()) == 2


def _hold_once(number: int, queue: "multiprocessing.Queue[tuple[str, float, float]]") -> None:
    begun, ended = time.monotonic(), 0.0
    try:
        with Store(ADDRESS).writing():
            begun = time.monotonic()
            time.sleep(0.5)
            ended = time.monotonic()
        queue.put(("held", begun, ended))
    except ValueError as error:
        queue.put((str(error), begun, ended))


@pytest.mark.slow
def test_of_many_that_come_together_never_two_hold(s3):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    for _ in range(3):
        drivers = [context.Process(target=_hold_once, args=(number, queue)) for number in range(5)]
        for driver in drivers:
            driver.start()
        outcomes = [queue.get(timeout=60) for _ in drivers]
        for driver in drivers:
            driver.join()
        held = sorted(outcome[1:] for outcome in outcomes if outcome[0] == "held")
        assert all(before[1] <= after[0] for before, after in zip(held, held[1:], strict=False))
        assert all(text == "held" or "another run is writing" in text for text, _, _ in outcomes)
    assert locks(Store(ADDRESS)) == []
