"""Names to members: a visible dict of ours, and entry points of other packages (plug-ins) behind it.

A package announces a plug-in in its metadata, e.g. `[mdlray.models]` and `residual = my_package.networks:RESIDUAL`. A
plug-in is imported only when a trial names it, so a broken one harms nobody else; and it cannot take over one of our
names, so that an id keeps its meaning whatever is installed.
"""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

Member = TypeVar("Member")


def find(registry: Mapping[str, Member], field: str, name: str, group: str | None = None, kind: Any = None) -> Member:
    """The member of that name, ours first, else the plug-in of that name in `group`.

    ValueError lists the known names, or says which plug-in cannot be imported or is not of `kind`, a class. `field` is
    what the user set, for the error: `method is 'magic'; known are: magnitude, none, obd.`
    """
    if name in registry:
        return registry[name]
    others = plugins(group) if group else {}
    if name in others:
        member: Member = load_plugin(others[name], kind)
        return member
    raise ValueError(f"{field} is {name!r}; known are: {', '.join(sorted({*registry, *others}))}.")


def plugins(group: str) -> dict[str, EntryPoint]:
    """The entry points of installed packages in that group, by name; none is imported."""
    return {point.name: point for point in entry_points(group=group)}


def load_plugin(point: EntryPoint, kind: Any = None) -> Any:
    """What a plug-in's entry point names; ValueError says which plug-in, of which package, and what is wrong."""
    package = f"package {point.dist.name!r}" if point.dist else "an unknown package"
    what = f"the plug-in {point.name!r} of {package} ({point.value!r} in the entry-point group {point.group!r})"
    try:
        member = point.load()
    except (Exception, SystemExit) as error:  # whatever somebody else's module raises
        raise ValueError(
            f"{what} cannot be imported here: {type(error).__name__}: {error}. Mend or reinstall {package}, or take "
            f"{point.name!r} out of the sweep."
        ) from error
    if kind is not None and not isinstance(member, kind):
        raise ValueError(f"{what} is a {type(member).__name__}, it must be a {kind.__name__}.")
    return member
