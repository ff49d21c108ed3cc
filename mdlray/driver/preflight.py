"""Does every machine of the cluster know what the sweep needs? Asked before any pack starts.

The sweep's file and the plug-ins that its trials name are loaded once in a worker of every node, and beside the driver.
What fails there is an error of the sweep, said once, and not a failed row for each of its trials: a module, a file, an
environment variable or a package that the driver's machine has and another one lacks.
"""

from collections.abc import Callable, Mapping, Sequence

from mdlray.planning.definitions import Definitions, define
from mdlray.registry import load_plugin, plugins
from mdlray.spec import TrialSpec

PluginName = tuple[str, str]
"""An entry-point group and a name in it."""


def plugins_of(trials: Sequence[TrialSpec]) -> list[PluginName]:
    """The plug-ins of other packages that these trials name; names that a registry of ours has are ours."""
    from mdlray.compression import SALIENCIES
    from mdlray.data import find_dataset
    from mdlray.data.registry import ENTRY_POINT_GROUP
    from mdlray.data.sources import BASES
    from mdlray.models import MODELS

    named: dict[str, tuple[Mapping[str, object], set[str]]] = {
        "mdlray.models": (MODELS, {spec.model.family for spec in trials}),
        "mdlray.compressors": (SALIENCIES, {spec.compression.method for spec in trials}),
        ENTRY_POINT_GROUP: (BASES, {find_dataset(name).base for name in {spec.data.dataset for spec in trials}}),
    }
    return [(group, name) for group, (ours, names) in named.items() for name in sorted(names - ours.keys())]


def problem_here(definitions: Definitions, names: Sequence[PluginName]) -> str | None:
    """What keeps a worker on this machine from running the sweep; None if nothing does."""
    try:
        define(definitions)
        for group, name in names:
            point = plugins(group).get(name)
            if point is None:
                return f"no package here has the plug-in {name!r} (entry-point group {group!r})"
            load_plugin(point)
    except ValueError as error:
        return str(error)
    return None


def check_workers(
    definitions: Definitions,
    trials: Sequence[TrialSpec],
    on_each_node: Callable[[Callable[[], str | None]], Mapping[str, str | None]],
) -> None:
    """ValueError that names the machine and the reason where the sweep cannot be loaded; nothing has been stored then.

    `on_each_node` runs a function on every machine and returns the answers by the machines' addresses.
    """
    names = plugins_of(trials)
    answers = on_each_node(lambda: problem_here(definitions, names))
    problems = {machine: problem for machine, problem in answers.items() if problem}
    if problems:
        machine, problem = next(iter(problems.items()))
        others = f" ({len(problems)} of {len(answers)} machines have such problems)" if len(answers) > 1 else ""
        raise ValueError(
            f"workers on {machine} cannot load the sweep{others}: {problem}. The command has loaded it, so they lack "
            "what is here: install it there, set environment variables before `ray start`, and read files beside the "
            "sweep's file by Path(__file__).parent, when the file is loaded."
        )
