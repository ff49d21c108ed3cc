"""One driver at a time in a bucket: every candidate puts a lock object of its own, and gives way where it sees another.

    .lock-<token>.json     who, and since when; renewed every `RENEW_SECONDS` by a thread

Two candidates have both put their objects before either lists them, so at least one sees the other: never do both go
on. Age is the difference of two times that the server wrote, this lock's and that of our own, just put; what the clocks
of the drivers say, or how they jump, plays no part. A lock that was not renewed for `STALE_SECONDS` is taken over, and
at once if its process was on this machine and is gone. Whoever finds that its own was taken writes no more.
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
"""Candidates that meet at the door give way to each other so often, for a random time."""


class Objects(Protocol):
    """What a lock needs of a bucket (`mdlray.storage.bucket.Bucket`)."""

    def names(self) -> set[str]:
        """Names of the objects."""

    def read(self, name: str) -> bytes:
        """An object."""

    def upload(self, contents: Mapping[str, bytes]) -> None:
        """Put objects, whoever holds the lock."""

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects."""

    def exists(self, name: str) -> bool:
        """Whether there is this object."""

    def modified(self, name: str) -> float | None:
        """When it was written, in seconds by the server's clock."""


@dataclass
class BucketLock:
    """The lock of one driver on one bucket; without `held` it checks nothing."""

    token: str = field(default_factory=lambda: secrets.token_hex(8))
    me: LockOwner | None = None
    renewed: float = 0.0
    """Seconds of a clock that nobody sets, and that runs while the machine sleeps."""
    lost: str = ""
    guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """The lock object's name."""
        return f"{_PREFIX}{self.token}{_SUFFIX}"

    @contextmanager
    def held(self, bucket: Objects) -> Iterator[None]:
        """Take the lock, renew it in a thread, give it back; ValueError if another driver has it."""
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
        """ValueError if the lock has been lost; asks the server if that is possible by now."""
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
            youngest = min(age for age, _, _ in others)
            # A lock of long standing has a driver behind it; a fresh one may be that of another candidate.
            if youngest > RENEW_SECONDS or attempt == _TRIES - 1:
                break
            time.sleep(random.uniform(0.2, 1.5))
        age, holder, name = others[0]
        raise ValueError(
            f"another run is writing to {bucket}: {holder}; its last sign of life was {age:.0f} s ago by the store's "
            "clock. Wait for it to end, or give this one another --results. If it is surely dead, start this again in "
            f"{max(0.0, STALE_SECONDS - age):.0f} s (a lock not renewed for {STALE_SECONDS:.0f} s is taken over), or "
            f"delete {bucket}/{name} now."
        )

    def _others(self, bucket: Objects) -> list[tuple[float, LockOwner, str]]:
        """(age in seconds, holder, name) of the living locks beside ours; dead ones are removed."""
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
                living.append((max(0.0, mine - put), holder, name))
        return living

    def _renew_until(self, bucket: Objects, over: threading.Event) -> None:
        while not over.wait(RENEW_SECONDS) and not self.lost:
            try:
                self._renew(bucket)
            except (OSError, ValueError):
                # The store does not answer. The writes of the driver meet the same, and they say so.
                continue

    def _renew(self, bucket: Objects) -> None:
        with self.guard:
            gap = _seconds() - self.renewed
            if not bucket.exists(self.name):
                self._lose(bucket, gap)
                return
            self._put(bucket)
            # Stood still between the look and the put for so long that another may have come: then the other stays.
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
        # From before the request: the server may have written it at any time since.
        self.renewed = begun


def _seconds() -> float:
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
