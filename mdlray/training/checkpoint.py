"""How far a pack is, as bytes: written now and then while it is trained, and read where it goes on.

    bytes = magic, sha256 of the rest, length of `about`, `about` as JSON, what `torch.save` makes of the content

`about` names the pack and everything else that must be equal for the rest to be the same training. It is compared
before anything is unpickled, and unpickling is that of `torch.load(weights_only=True)`: tensors and plain values.
Tensors lie on the CPU, so that a pack goes on on whatever device there is.
"""

import hashlib
import io
import json
import logging
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from mdlray.spec import TrialSpec
from mdlray.training.state import State, from_plain, to_plain

MAGIC = b"mdlray-pack-3\n"
"""The number grows with what a state has: an older one lacks rows, so it is refused."""
_DIGEST, _LENGTH = 32, struct.Struct("<I")
_log = logging.getLogger(__name__)

About = dict[str, Any]
Save = Callable[[bytes], None]


def to_bytes(about: About, content: dict[str, Any]) -> bytes:
    """`content` (tensors, numbers, text, bytes, lists, dictionaries) under the name `about`."""
    stream = io.BytesIO()
    torch.save(content, stream)
    head = json.dumps(about, sort_keys=True).encode()
    rest = _LENGTH.pack(len(head)) + head + stream.getvalue()
    return MAGIC + hashlib.sha256(rest).digest() + rest


def from_bytes(blob: bytes, about: About) -> dict[str, Any]:
    """The content; ValueError says why these bytes are not a checkpoint of `about`."""
    digest, rest = blob[len(MAGIC) : len(MAGIC) + _DIGEST], blob[len(MAGIC) + _DIGEST :]
    if not blob.startswith(MAGIC):
        raise ValueError("it is no checkpoint of a pack, or one of another version of mdlray")
    if hashlib.sha256(rest).digest() != digest:
        raise ValueError("it is damaged")
    start = _LENGTH.size + _LENGTH.unpack_from(rest)[0]
    given = json.loads(rest[_LENGTH.size : start])
    wanted = json.loads(json.dumps(about))
    if other := [name for name in sorted(given.keys() | wanted.keys()) if given.get(name) != wanted.get(name)]:
        name = other[0]
        raise ValueError(f"it was written for {name} {given.get(name)!r}, here it is {wanted.get(name)!r}")
    content: dict[str, Any] = torch.load(io.BytesIO(rest[start:]), map_location="cpu", weights_only=True)
    return content


@dataclass
class Progress:
    """How far a piece is that is trained in stages (a network, then its students), as plain values."""

    results: list[dict[str, Any]] = field(default_factory=list)
    """Of the stages that are done."""
    teachers: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Networks that later stages need, by the number of their stage."""
    state: dict[str, Any] | None = None
    """Inside the stage that comes next."""

    def begin(self, specs: Sequence[TrialSpec], device: torch.device) -> State | None:
        """The state to go on from, if there is one; it is handed out once, to the stage it belongs to."""
        plain, self.state = self.state, None
        return from_plain(plain, specs, device) if plain else None

    def stage_done(self, result: dict[str, Any], teachers: dict[str, Any] | None, needed: set[int]) -> None:
        """Keep a stage's result, its networks where there are any, and of earlier networks those of `needed` stages."""
        if teachers:
            self.teachers[len(self.results)] = teachers
        self.results.append(result)
        self.teachers = {number: kept for number, kept in self.teachers.items() if number in needed}


class Checkpoints:
    """What is done of a pack that is trained piece by piece, read from a checkpoint and written into the next."""

    def __init__(self, about: About, blob: bytes | None, save: Save | None, seconds: float):
        """Go on from `blob`; one that does not fit is refused with a warning, and the pack starts from its beginning.

        `save` is called at the ends of epochs that lie at least `seconds` apart; what it raises fails the pack.
        """
        content: dict[str, Any] = {}
        self.notes: list[str] = []
        """Says that a checkpoint was refused."""
        if blob is not None:
            try:
                content = from_bytes(blob, about)
            except ValueError as reason:
                self.notes.append(f"a pack starts from its beginning, because its checkpoint is refused: {reason}.")
                _log.warning(self.notes[0])
        self.about, self.save, self.seconds = about, save, seconds
        self.last = time.monotonic()
        self.finished: list[dict[str, Any]] = content.get("finished", [])
        """Results of the pieces that are done, as plain values."""
        self.done: list[str] = content.get("done", [])
        """Training keys of their learners."""
        self.piece: list[str] = content.get("piece", [])
        """Training keys of the piece that was begun."""
        self.begun = Progress(content.get("stages", []), content.get("teachers", {}), content.get("state"))

    def progress(self, piece: Sequence[TrialSpec]) -> Progress:
        """How far the piece of exactly these learners was, handed out once; otherwise its beginning."""
        if [spec.training_key for spec in piece] != self.piece:
            return Progress()
        begun, self.begun = self.begun, Progress()
        return begun

    def after_epoch(self, piece: Sequence[TrialSpec], progress: Progress, state: State) -> None:
        """Save, if it is time."""
        if self.save and time.monotonic() - self.last >= self.seconds:
            keys = [spec.training_key for spec in piece]
            content = {"finished": self.finished, "done": self.done, "piece": keys, "state": to_plain(state)}
            content |= {"stages": progress.results, "teachers": progress.teachers}
            self.save(to_bytes(self.about, content))
            self.last = time.monotonic()

    def piece_done(self, piece: Sequence[TrialSpec], result: dict[str, Any]) -> None:
        """Keep the result of a piece, given as plain values, for the next checkpoint."""
        self.finished.append(result)
        self.done += [spec.training_key for spec in piece]
