"""The progress of a pack as bytes: written now and then while it is trained, and read when it is resumed.

    bytes = torch.save({"format": FORMAT, "about": ..., "content": ...})

`about` names the pack and everything else that must be equal for the rest of the training to be the same. `content` has
plain values only, because `torch.load(weights_only=True)` unpickles nothing else. The rest of the package has typed
values, and this module converts between the two. The bytes are a zip archive, whose checksums show damage. Tensors are
on the CPU, so that a pack can be resumed on any device.
"""

import io
import logging
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from mdlray.results.pack_result import PackResult, from_plain, to_plain
from mdlray.spec import TrialSpec
from mdlray.training import state as training_state
from mdlray.training.state import State
from mdlray.training.students import Teachers

FORMAT = "mdlray pack 4"
"""The number grows whenever the content changes. A checkpoint of an older format lacks rows, so it is refused."""
_log = logging.getLogger(__name__)

About = dict[str, Any]
Save = Callable[[bytes], None]


def to_bytes(about: About, content: dict[str, Any]) -> bytes:
    """`content` (tensors, numbers, text, bytes, lists, dictionaries) under the name `about`."""
    stream = io.BytesIO()
    torch.save({"format": FORMAT, "about": about, "content": content}, stream)
    return stream.getvalue()


def from_bytes(blob: bytes, about: About) -> dict[str, Any]:
    """The content; ValueError says why these bytes are not a checkpoint of `about`."""
    try:
        checkpoint: Any = torch.load(_sound_copy(blob), map_location="cpu", weights_only=True)
    except Exception as error:  # what zipfile, pickle and torch raise for bytes of any kind has no end
        raise ValueError(f"it is damaged, or no checkpoint of a pack ({type(error).__name__})") from error
    if not isinstance(checkpoint, dict) or checkpoint.get("format") != FORMAT:
        raise ValueError("it is no checkpoint of a pack, or one of another version of mdlray")
    given = checkpoint["about"]
    if other := [name for name in sorted(given.keys() | about.keys()) if given.get(name) != about.get(name)]:
        name = other[0]
        raise ValueError(f"it was written for {name} {given.get(name)!r}, here it is {about.get(name)!r}")
    content: dict[str, Any] = checkpoint["content"]
    return content


def _sound_copy(blob: bytes) -> io.BytesIO:
    """A copy of the archive, with every entry checked against its checksum; torch does not check them."""
    copy = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(blob)) as archive, zipfile.ZipFile(copy, "w") as sound:
        for name in archive.namelist():
            sound.writestr(name, archive.read(name))
    copy.seek(0)
    return copy


@dataclass
class Progress:
    """The progress of a piece, which is trained in stages: networks, then their students."""

    results: list[PackResult] = field(default_factory=list)
    """The results of the stages that are done."""
    teachers: dict[int, Teachers] = field(default_factory=dict)
    """Networks that later stages need, by the number of their stage."""
    state: dict[str, Any] | None = None
    """The state inside the next stage, as plain values: the device of its tensors is known there."""

    def begin(self, specs: Sequence[TrialSpec], device: torch.device) -> State | None:
        """The state to continue from, if there is one. It is returned only once, to the stage that it belongs to."""
        plain, self.state = self.state, None
        return training_state.from_plain(plain, specs, device) if plain else None

    def stage_done(self, result: PackResult, teachers: Teachers | None, needed: set[int]) -> None:
        """Keep the result and the networks of a stage; of earlier stages, keep the networks of `needed` ones only."""
        if teachers:
            self.teachers[len(self.results)] = teachers
        self.results.append(result)
        self.teachers = {number: kept for number, kept in self.teachers.items() if number in needed}


class Checkpoints:
    """The progress of a pack that is trained piece by piece: read from one checkpoint, and written into the next."""

    def __init__(self, about: About, blob: bytes | None, save: Save | None, seconds: float):
        """Continue from `blob`. If it does not fit, it is refused with a warning: the pack starts from its beginning.

        `save` is called at ends of epochs that are at least `seconds` apart; an error that it raises fails the pack.
        """
        content: dict[str, Any] = {}
        self.notes: list[str] = []
        """A note if a checkpoint was refused, and why."""
        if blob is not None:
            try:
                content = from_bytes(blob, about)
            except ValueError as reason:
                self.notes.append(f"a pack starts from its beginning, because its checkpoint is refused: {reason}.")
                _log.warning(self.notes[0])
        self.about, self.save, self.seconds = about, save, seconds
        self.last = time.monotonic()
        self.finished: list[PackResult] = [from_plain(plain) for plain in content.get("finished", [])]
        """The results of the pieces that are done."""
        self.done: list[str] = content.get("done", [])
        """The training keys of the networks of these pieces."""
        self.piece: list[str] = content.get("piece", [])
        """The training keys of the piece that was begun."""
        self.begun = Progress(
            [from_plain(plain) for plain in content.get("stages", [])],
            {number: Teachers(**plain) for number, plain in content.get("teachers", {}).items()},
            content.get("state"),
        )

    def progress(self, piece: Sequence[TrialSpec]) -> Progress:
        """The progress of the piece of exactly these networks, returned only once; otherwise an empty one."""
        if [spec.training_key for spec in piece] != self.piece:
            return Progress()
        begun, self.begun = self.begun, Progress()
        return begun

    def after_epoch(self, piece: Sequence[TrialSpec], progress: Progress, state: State) -> None:
        """Save a checkpoint if the last one is at least `seconds` old."""
        if self.save and time.monotonic() - self.last >= self.seconds:
            content = {
                "finished": [to_plain(result) for result in self.finished],
                "done": self.done,
                "piece": [spec.training_key for spec in piece],
                "stages": [to_plain(result) for result in progress.results],
                "teachers": {number: vars(teachers) for number, teachers in progress.teachers.items()},
                "state": training_state.to_plain(state),
            }
            self.save(to_bytes(self.about, content))
            self.last = time.monotonic()

    def piece_done(self, piece: Sequence[TrialSpec], result: PackResult) -> None:
        """Keep the result of a piece for the next checkpoint."""
        self.finished.append(result)
        self.done += [spec.training_key for spec in piece]
