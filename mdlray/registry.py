"""Names to members: a visible dict of ours, and entry points of other packages behind it."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TypeVar

Member = TypeVar("Member")


def find(registry: Mapping[str, Member], field: str, name: str, group: str | None = None) -> Member:
    """The member of that name, ours first, else the entry point in `group`; ValueError lists the known names.

    `field` is what the user set, for the error: `method is 'magic'; known are: magnitude, none, obd.`
    """
    if name in registry:
        return registry[name]
    others = {entry.name: entry for entry in entry_points(group=group)} if group else {}
    if name in others:
        member: Member = others[name].load()
        return member
    raise ValueError(f"{field} is {name!r}; known are: {', '.join(sorted({*registry, *others}))}.")
