"""The cells of a claim into a verdict: part by part, and on the claim as a whole.

A part is what one comparison is expected to show in one region on one data set, e.g. that OBD is higher than Mag-L2
from 99.3 % on `mnist_background_random`. It is supported where no tested cell contradicts it and at least half of them
support it, contradicted where it is the other way round. A claim says all of its parts at once, so its verdict is

    supported as a whole      every part is supported, on every data set that the claim speaks of
    supported where tested    every part that was tested is supported, and at least one was not tested at all
    contradicted              one part is contradicted: that is enough against a claim of all
    mixed                     one part has significant cells both ways (pooled comparisons only, `paper_claims`)
    not decided               otherwise
    not tested                no part was tested

A data set without rows is so never a support. How many cells of a part were tested is said with it, because a part that
was tested in three of four cells is no finding about the fourth. Cells are not independent (neighboring sizes share
runs, neighboring ratios share first weights): Holm's p does not mind, but their number says how far a finding reaches,
not how sure it is.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pandas as pd

from mdlray.studies.baktash_2019.published import METHOD_NAMES

_PART = ["first", "second", "expected", "region", "dataset"]
VERDICTS = ("supported", "contradicted", "not decided", "not tested")


@dataclass(frozen=True)
class Part:
    """One comparison of a claim on one data set: its verdict, and how many cells have which."""

    asked: str
    dataset: str
    verdict: str
    counts: Mapping[str, int]


def parts(cells: pd.DataFrame, prefix: str = "") -> list[Part]:
    """Of the cells of one claim (`claims.judge`), in their order; `prefix` "published_" for the printed numbers."""
    verdict = f"{prefix}verdict"
    of_claim = []
    for (first, second, expected, region, dataset), part in cells.groupby(_PART, sort=False):
        counts = {name: int((part[verdict] == name).sum()) for name in VERDICTS}
        names = [METHOD_NAMES.get(str(name), str(name)) for name in (first, second)]
        asked = f"{names[0]} {expected} than {names[1]} {region}".rstrip()
        of_claim.append(Part(asked, str(dataset), _majority(counts), counts))
    return of_claim


def whole(verdicts: Collection[str]) -> str:
    """The verdict on a claim from those of all of its parts."""
    tested = set(verdicts) - {"not tested"}
    if not tested:
        return "not tested"
    for decisive in ("contradicted", "mixed"):
        if decisive in tested:
            return decisive
    if tested != {"supported"}:
        return "not decided"
    return "supported where tested" if "not tested" in verdicts else "supported as a whole"


def sentence(cells: pd.DataFrame, prefix: str = "") -> str:
    """What the cells of one claim say together and part by part, with counts."""
    of_claim = parts(cells, prefix)
    verdict = whole([part.verdict for part in of_claim])
    if verdict == "not tested":
        return f"not tested: none of {len(cells)} cells has numbers to compare."
    tested = sum(part.verdict != "not tested" for part in of_claim)
    questions: dict[str, list[str]] = {}
    for part in of_claim:
        questions.setdefault(part.asked, []).append(_text(part))
    texts = "; ".join(f"{asked}: {', '.join(texts)}" for asked, texts in questions.items())
    return f"{verdict} ({tested} of {len(of_claim)} parts tested). {texts}."


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
        return f"not tested on {part.dataset}"
    asked = sum(part.counts.values())
    counts = ", ".join(f"{part.counts[name]} {name}" for name in VERDICTS[:3] if part.counts[name])
    return f"{part.verdict} on {part.dataset} ({asked - part.counts['not tested']} of {asked} cells tested: {counts})"
