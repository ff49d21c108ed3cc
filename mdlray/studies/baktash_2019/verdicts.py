"""The cells of a claim into a verdict: part by part, and on the claim as a whole.

A part is what one comparison is expected to show in one region, e.g. that OBD is higher than Mag-L2 from 99.3 %. It is
supported where no tested cell contradicts it and at least half of them support it, contradicted where it is the other
way round. A claim says all of its parts at once: it is supported where every part is, contradicted where one is, and
not decided otherwise; a part that was not tested cannot be outvoted by one that was.

Cells are not independent (neighboring sizes share runs, neighboring ratios share first weights): Holm's p does not
mind, but their number says how far a finding reaches, not how sure it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from mdlray.studies.baktash_2019.published import METHOD_NAMES

_PART = ["first", "second", "expected", "region"]
VERDICTS = ("supported", "contradicted", "not decided", "not tested")


@dataclass(frozen=True)
class Part:
    """One comparison of a claim: its verdict, how many cells have which, and the data sets that were tested."""

    asked: str
    verdict: str
    counts: Mapping[str, int]
    datasets: tuple[str, ...]


def parts(cells: pd.DataFrame, prefix: str = "") -> list[Part]:
    """Of the cells of one claim (`claims.judge`), in their order; `prefix` "published_" for the printed numbers."""
    verdict = f"{prefix}verdict"
    found = []
    for (first, second, expected, region), part in cells.groupby(_PART, sort=False):
        counts = {name: int((part[verdict] == name).sum()) for name in VERDICTS}
        tested = part.loc[part[verdict] != "not tested", "dataset"]
        names = [METHOD_NAMES.get(str(name), str(name)) for name in (first, second)]
        asked = f"{names[0]} {expected} than {names[1]} {region}".rstrip()
        found.append(Part(asked, _majority(counts), counts, tuple(tested.drop_duplicates())))
    return found


def whole(found: Sequence[Part]) -> str:
    """The verdict on all of these parts together."""
    verdicts = {part.verdict for part in found}
    if verdicts <= {"not tested"}:
        return "not tested"
    if "contradicted" in verdicts:
        return "contradicted"
    return "supported" if verdicts == {"supported"} else "not decided"


def sentence(cells: pd.DataFrame, prefix: str = "") -> str:
    """What the cells of one claim say together and part by part, with counts."""
    found = parts(cells, prefix)
    if whole(found) == "not tested":
        return f"not tested: none of {len(cells)} cells has numbers to compare."
    return f"{whole(found)} as a whole. {'; '.join(map(_text, found))}."


def _majority(counts: Mapping[str, int]) -> str:
    tested = sum(counts.values()) - counts["not tested"]
    if tested == 0:
        return "not tested"
    if 2 * counts["supported"] >= tested and not counts["contradicted"]:
        return "supported"
    if 2 * counts["contradicted"] >= tested and not counts["supported"]:
        return "contradicted"
    return "not decided"


def _text(part: Part) -> str:
    if part.verdict == "not tested":
        return f"{part.asked}: not tested"
    tested = sum(part.counts.values()) - part.counts["not tested"]
    counts = ", ".join(f"{part.counts[name]} {name}" for name in VERDICTS[:3])
    return f"{part.asked}: {part.verdict} (of {tested} tested cells {counts}; {', '.join(part.datasets)})"
