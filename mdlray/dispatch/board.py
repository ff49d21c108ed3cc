"""A board in the head of the cluster: workers write their progress on it, and the driver reads it about once a second.

A write is one short request to the key-value store of Ray's head. It needs no process of its own, as an actor would. It
does not stop the pack until the driver has time for it, as a report to Ray Tune does. The board only serves the display
of progress; no result depends on it.
"""

import pickle
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ray.experimental.internal_kv import _internal_kv_del, _internal_kv_get, _internal_kv_put


@dataclass(frozen=True)
class Board:
    """The board of one run; a copy that is sent to a worker is the same board."""

    name: str = field(default_factory=lambda: f"mdlray-{uuid.uuid4().hex}")

    def write(self, key: str, value: Any) -> None:
        """Set the value of a key; it replaces the value before."""
        _internal_kv_put(key, pickle.dumps(value), namespace=self.name)

    def read(self, keys: Iterable[str]) -> dict[str, Any]:
        """The present values of these keys, without keys that have none."""
        contents = {key: _internal_kv_get(key, namespace=self.name) for key in keys}
        return {key: pickle.loads(content) for key, content in contents.items() if content}

    def wipe(self, key: str) -> None:
        """Remove a key and its value; it is no error if there is no such key."""
        _internal_kv_del(key, namespace=self.name)
