"""A board in the head of the cluster: workers write on it how far they are, the driver reads it now and then.

A write is one short request to the head (Ray's key-value store), which waits for nobody. It costs no process, as an
actor would, and does not stop the pack until the driver has time for it, as a report to Ray Tune does. What is on the
board is for people who watch; no result depends on it.
"""

import pickle
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ray.experimental.internal_kv import _internal_kv_del, _internal_kv_get, _internal_kv_put


@dataclass(frozen=True)
class Board:
    """One run's; sent to workers, it is the same one there."""

    name: str = field(default_factory=lambda: f"mdlray-{uuid.uuid4().hex}")

    def write(self, key: str, value: Any) -> None:
        """Put a value under a key, in place of the one before."""
        _internal_kv_put(key, pickle.dumps(value), namespace=self.name)

    def read(self, keys: Iterable[str]) -> dict[str, Any]:
        """The present values of those of these keys that have one."""
        contents = {key: _internal_kv_get(key, namespace=self.name) for key in keys}
        return {key: pickle.loads(content) for key, content in contents.items() if content}

    def wipe(self, key: str) -> None:
        """Take a key and its value away; one that is not there is no error."""
        _internal_kv_del(key, namespace=self.name)
