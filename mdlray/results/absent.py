"""A folder without results -> one sentence that says which folder to give, or what to run, instead.

    results                           the folders in it that have results: results/compare_pruning, ...
    results/small/trials.parquet      give the folder of the sweep: results/small
    results/small-quick-tpe           the command that makes it: python -m mdlray.sweep small --quick --search tpe

Folders in a bucket are not listed, because a bucket has no folders. A sweep's folder is assumed to have the name that
the command gives it: the sweep's name, then `-quick`, then the search's sampler.
"""

import re
from pathlib import Path

from mdlray.results.store import Store

SAMPLERS = ("tpe", "nsga2", "gp", "random")
"""Possible ends of the name of a search's folder: the names of `mdlray.driver.search.SAMPLERS`, which needs Optuna."""
FILE_ENDINGS = (".parquet", ".json", ".html", ".journal", ".mdl")
MOST_SHOWN = 8


def why_absent(store: Store) -> str:
    """Why there are no results in this folder, and what to do."""
    place = store.folder
    if store.name.endswith(FILE_ENDINGS) or (isinstance(place, Path) and place.is_file()):
        return f"{place} names a file; give the folder of the sweep, {str(place).rpartition('/')[0]}, not a file in it."
    start = f"there are no results in {place}"
    if isinstance(place, Path) and (others := _with_results(place)):
        shown = ", ".join(map(str, others[:MOST_SHOWN]))
        more = f" and {len(others) - MOST_SHOWN} more" if len(others) > MOST_SHOWN else ""
        return f"{start} itself, but in folders in it; give one of them: {shown}{more}."
    return (
        f"{start}; `{_command(store.name)}` makes some, and `python -m mdlray.sweep --list` names the sweeps there are."
    )


def _with_results(folder: Path) -> list[Path]:
    """The folders in this one that have results, or else those one level deeper; sorted by name."""
    for pattern in ("*", "*/*"):
        if folders := [path for path in sorted(folder.glob(pattern)) if path.is_dir() and Store(path).has_results()]:
            return folders
    return []


def _command(name: str) -> str:
    """The command that fills a folder with this name."""
    parts = re.fullmatch(rf"(.+?)(-quick)?(?:-({'|'.join(SAMPLERS)}))?", name)
    if parts is None:
        return f"python -m mdlray.sweep {name}"
    sweep, quick, sampler = parts.groups()
    return f"python -m mdlray.sweep {sweep}{' --quick' if quick else ''}{f' --search {sampler}' if sampler else ''}"
