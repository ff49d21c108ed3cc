"""A check before any pack starts: can every machine of the cluster load what the sweep needs?

The sweep's file, and the plug-ins that its trials name, are loaded once in a worker of every node, also on the driver's
machine. A machine may lack a module, a file, an environment variable or a package that the driver's machine has. Such a
fault is reported once, as an error of the sweep, and does not become a failed row for each trial.
"""

from collections.abc import Callable, Mapping, Sequence

from mdlray.planning.definitions import Definitions, define
from mdlray.registry import load_plugin, plugins
from mdlray.spec import TrialSpec

PluginName = tuple[str, str]
"""An entry-point group, and a name in this group."""


def plugins_of(trials: Sequence[TrialSpec]) -> list[PluginName]:
    """The plug-ins of other packages that these trials name; a name in one of mdlray's registries is no plug-in."""
    from mdlray.compression import SALIENCIES
    from mdlray.data import find_dataset
    from mdlray.data.registry import ENTRY_POINT_GROUP
    from mdlray.data.sources import BASES
    from mdlray.models import MODELS

    names_by_group: dict[str, tuple[Mapping[str, object], set[str]]] = {
        "mdlray.models": (MODELS, {spec.model.family for spec in trials}),
        "mdlray.compressors": (SALIENCIES, {spec.compression.method for spec in trials}),
        ENTRY_POINT_GROUP: (BASES, {find_dataset(name).base for name in {spec.data.dataset for spec in trials}}),
    }
    return [
        (group, name) for group, (registry, names) in names_by_group.items() for name in sorted(names - registry.keys())
    ]


def problem_here(definitions: Definitions, names: Sequence[PluginName]) -> str | None:
    """Why a worker on this machine cannot run the sweep; None if it can."""
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
    """Raise ValueError if a machine cannot load the sweep, with the address of the machine and the reason.

    `on_each_node` runs a function on every machine and returns address of the machine -> answer.
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
