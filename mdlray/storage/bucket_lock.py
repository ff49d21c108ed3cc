"""One driver at a time in a bucket: every driver puts a lock object of its own, and backs off if it sees another one.

    .lock-<token>.json     the holder and since when it writes; a thread renews it every `RENEW_SECONDS`

A driver first puts its object and then lists all of them. If two drivers start together, both objects exist before
either driver lists, so at least one driver sees the other one, and two drivers never go on together. The age of a lock
is the difference of two times that the server wrote: that of the lock, and that of our own object, which was just put.
The drivers' own clocks play no part. A lock that was not renewed for `STALE_SECONDS` is taken over; if its process was
on this machine and has ended, it is taken over at once. A driver whose lock was taken over writes nothing more.
"""

import random
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from mdlray.storage.lock_owner import LockOwner

RENEW_SECONDS, STALE_SECONDS = 30.0, 180.0

_PREFIX, _SUFFIX = ".lock-", ".json"
_TRIES = 4
"""How often two drivers that start together back off, each for a random delay."""


class Objects(Protocol):
    """The methods of a bucket that a lock needs (`mdlray.storage.bucket.Bucket` has them)."""

    def names(self) -> set[str]:
        """Names of the objects."""

    def read(self, name: str) -> bytes:
        """The content of an object."""

    def upload(self, contents: Mapping[str, bytes]) -> None:
        """Upload objects, whoever holds the lock."""

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects."""

    def exists(self, name: str) -> bool:
        """Whether there is this object."""

    def modified(self, name: str) -> float | None:
        """When the object was written, in seconds by the server's clock."""


@dataclass
class BucketLock:
    """The lock of one driver on one bucket; outside of `held` the driver holds no lock, and `check` does nothing."""

    token: str = field(default_factory=lambda: secrets.token_hex(8))
    me: LockOwner | None = None
    renewed: float = 0.0
    """Time of the last renewal, in seconds of a clock that nobody sets and that runs while the machine sleeps."""
    lost: str = ""
    """What to say about a lock that another driver has taken over; empty while we hold it."""
    guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """The lock object's name."""
        return f"{_PREFIX}{self.token}{_SUFFIX}"

    @contextmanager
    def held(self, bucket: Objects) -> Iterator[None]:
        """Take the lock, renew it in a thread, and give it back; ValueError if another driver has it."""
        self.me, self.lost = LockOwner.me(), ""
        self._acquire(bucket)
        over = threading.Event()
        heart = threading.Thread(target=self._renew_until, args=(bucket, over), daemon=True, name="mdlray-lock")
        heart.start()
        try:
            yield
        finally:
            over.set()
            heart.join()
            self.me = None
            if not self.lost:
                bucket.delete([self.name])

    def check(self, bucket: Objects) -> None:
        """Raise ValueError if the lock is lost; ask the server if the lock is old enough to be lost."""
        if self.me is None:
            return
        if _seconds() - self.renewed > 2 * RENEW_SECONDS:
            self._renew(bucket)
        if self.lost:
            raise ValueError(self.lost)

    def _acquire(self, bucket: Objects) -> None:
        assert self.me is not None
        for attempt in range(_TRIES):
            self._put(bucket)
            others = self._others(bucket)
            if not others:
                return
            bucket.delete([self.name])
            youngest = min(age for age, _ in others)
            # An old lock belongs to a driver at work; a new one may belong to a driver that is about to back off.
            if youngest > RENEW_SECONDS or attempt == _TRIES - 1:
                break
            time.sleep(random.uniform(0.2, 1.5))
        age, holder = others[0]
        raise ValueError(
            f"another run is writing to {bucket}: {holder}; its last sign of life was {age:.0f} s ago by the store's "
            "clock. Wait for it to end, or give this one another --results. If it is surely dead, start this again in "
            f"{max(0.0, STALE_SECONDS - age):.0f} s: a lock not renewed for {STALE_SECONDS:.0f} s is taken over."
        )

    def _others(self, bucket: Objects) -> list[tuple[float, LockOwner]]:
        """Age in seconds and holder of the other locks; locks of dead drivers are removed."""
        mine, living = bucket.modified(self.name), []
        for name in sorted(bucket.names() - {self.name}):
            if not (name.startswith(_PREFIX) and name.endswith(_SUFFIX)):
                continue
            put = bucket.modified(name)
            try:
                holder = LockOwner.from_json(bucket.read(name))
            except FileNotFoundError:
                continue
            if put is None or mine is None:
                continue
            if mine - put > STALE_SECONDS or holder.surely_dead():
                bucket.delete([name])
            else:
                living.append((max(0.0, mine - put), holder))
        return living

    def _renew_until(self, bucket: Objects, over: threading.Event) -> None:
        while not over.wait(RENEW_SECONDS) and not self.lost:
            try:
                self._renew(bucket)
            except (OSError, ValueError):
                # The store does not answer. The driver's writes fail for the same reason, and they report it.
                continue

    def _renew(self, bucket: Objects) -> None:
        with self.guard:
            gap = _seconds() - self.renewed
            if not bucket.exists(self.name):
                self._lose(bucket, gap)
                return
            self._put(bucket)
            # This process may have stood still for so long that another driver took over: then the other driver stays.
            if _seconds() - self.renewed > RENEW_SECONDS or gap > STALE_SECONDS:
                if self._others(bucket):
                    bucket.delete([self.name])
                    self._lose(bucket, gap)

    def _lose(self, bucket: Objects, gap: float) -> None:
        self.lost = (
            f"this run has lost {bucket} to another one: its lock was not renewed for {gap:.0f} s, or somebody deleted "
            "it. Nothing that is stored is lost; when the other run has ended, the same command resumes."
        )

    def _put(self, bucket: Objects) -> None:
        assert self.me is not None
        begun = _seconds()
        bucket.upload({self.name: self.me.to_json().encode()})
        # The time before the request, because the server may have written the object at any time since then.
        self.renewed = begun


def _seconds() -> float:
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
