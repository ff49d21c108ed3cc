"""Rows into verdicts on claims about Baktash et al. 2019, and into what their printed numbers say on the same.

    H1    OBD overtakes magnitude pruning beyond 99.3 % of the edges removed, on noisy backgrounds
    H2    the advantage of L1 over L2 is a mid-range effect: there from 95 to 99.5 %, not at 0 % nor from 99.7 % on
    H3    both survive when size is bytes instead of edges
    H4    pruned networks beat hashed, convolutional and unpruned dense ones of equal bytes
    H4b   the same of unpruned dense ones, when the best repetition stands for a size
    H4c   the same of dense ones, when a penalty is allowed to networks that nothing was removed from

These are questions that their tables raise; what the paper itself claims is tested in
`mdlray.studies.baktash_2019.paper_claims`. The cells of H4 are made in `rivals.py`, which says why it has three
readings, and that the rule of the first one (a network that a method has removed nothing from is on neither side) was
made after its cells had been seen.

A cell of a claim is one comparison of two samples of test accuracies: at an equal ratio (H1, H2) or at equal bytes (the
others). It is *supported* where the difference goes the way the claim says and its p, after Holm over all cells of the
claim, is below 5 %; *contradicted* where it goes the other way; *not decided* where it is noise; *not tested* where
rows lack. "Not better" asks for more than noise too: it is supported by a significant loss only. Nothing is selected
here by test accuracy: where several of our cells answer, validation has chosen (`published.py`), and H4's
curves are fronts by validation. What the cells say together is in `mdlray.studies.baktash_2019.verdicts`.

Bytes have no printed regions, so those of H3 are carried over from the regions in which H1 and H2 have cells: a ratio
stands for the mean bytes that the second method (the one that is, or is not, overtaken) has there, and the ends of a
region are the first and last ratio in it that this method has; 0 % for all sizes from that of 50 % on. A curve goes
through its cells in the order of their bytes, which need not be that of their ratios: L1 with nothing removed may be
smaller than with half.
"""

import math
from collections.abc import Callable, Collection, Iterator

import numpy as np
import pandas as pd

from mdlray.report.significance import NO_SAMPLE, holm
from mdlray.studies.baktash_2019.claim_cells import (
    Cell,
    Key,
    Region,
    blank,
    measured,
    newest,
    on_grid,
    our_samples,
    printed,
    printed_samples,
)
from mdlray.studies.baktash_2019.equal_bytes import curves
from mdlray.studies.baktash_2019.protocol import DATASETS
from mdlray.studies.baktash_2019.published import chosen_cells, comparable
from mdlray.studies.baktash_2019.rivals import against_families

ALPHA = 0.05
SPLIT = "study"
"""The split of the printed results, and so of every claim."""

CLAIMS = {
    "H1": "OBD overtakes magnitude pruning beyond 99.3 % of the edges removed, on noisy backgrounds",
    "H2": "the advantage of L1 over L2 is a mid-range effect: there from 95 to 99.5 %, not at 0 % nor from 99.7 % on",
    "H3": "both survive when size is bytes instead of edges",
    "H4": "pruned networks beat hashed, convolutional and unpruned dense ones of equal bytes",
    "H4b": "the same of unpruned dense networks, when the best repetition by validation stands for a size",
    "H4c": "the same of dense networks that nothing was removed from, when these may have a penalty",
}

_NOISY = ("mnist_background_random", "mnist_background_images")
_ARCHITECTURES = ("dense-100", "dense-30")

_COLUMNS = {
    "claim": "str",
    "first": "str",
    "second": "str",
    "architecture": "str",
    "dataset": "str",
    "expected": "str",
    "region": "str",
    "pruning_ratio": "float64",
    "num_bytes": "float64",
    "first_percent_mean": "float64",
    "first_percent_std": "float64",
    "first_num_runs": "int64",
    "second_percent_mean": "float64",
    "second_percent_std": "float64",
    "second_num_runs": "int64",
    "difference_percent": "float64",
    "welch_p": "float64",
    "holm_p": "float64",
    "permutation_p": "float64",
    "verdict": "str",
    "published_difference_percent": "float64",
    "published_welch_p": "float64",
    "published_holm_p": "float64",
    "published_verdict": "str",
    "first_bytes": "float64",
    "second_bytes": "float64",
    "test": "str",
}
"""Columns of `judge`. `expected` of first against second: `higher` or `not higher`, within `region`, a range of ratios
in words (of H4 there is one, all sizes: empty); either ratio or bytes is NaN. `first_bytes` and `second_bytes` are mean
sizes of the two sides where these differ (H4c), `test` is the one whose p is in `welch_p` (`claim_cells`)."""


_H1 = (Region("from 99.3 %", 0.993, 1.0, "higher"),)
_H2 = (
    Region("at 0 %", 0.0, 0.0, "not higher"),
    Region("from 95 to 99.5 %", 0.95, 0.995, "higher"),
    Region("from 99.7 %", 0.997, 1.0, "not higher"),
)


def judge(trials: pd.DataFrame) -> pd.DataFrame:
    """One row per cell of every claim, tested or not; accuracies in percent, differences in percentage points."""
    rows = comparable(trials)
    rows = rows[(rows["split"] == SPLIT) & rows["test_accuracy"].notna() & rows["dataset"].isin(DATASETS)]
    cells = [*_at_equal_ratio(rows), *_at_equal_bytes(rows), *against_families(newest(rows))]
    table = pd.DataFrame(cells)
    for prefix in ("", "published_"):
        table[f"{prefix}holm_p"] = table.groupby("claim")[f"{prefix}welch_p"].transform(lambda p: holm(list(p)))
        asked = zip(table["expected"], table[f"{prefix}difference_percent"], table[f"{prefix}holm_p"], strict=True)
        table[f"{prefix}verdict"] = [_verdict(*cell) for cell in asked]
    return table.reindex(columns=list(_COLUMNS)).astype(_COLUMNS)


def _verdict(expected: str, difference: float, p: float) -> str:
    if math.isnan(p):
        return "not tested"
    if p >= ALPHA:
        return "not decided"
    return "supported" if (difference > 0) == (expected == "higher") else "contradicted"


def _comparisons() -> Iterator[tuple[str, str, str, str, str, tuple[Region, ...]]]:
    """Claim, first and second method, network, data set, and the regions in which something is expected."""
    for architecture in _ARCHITECTURES:
        for second in ("MagL2", "MagL1"):
            for dataset in _NOISY:
                yield "H1", "OBD", second, architecture, dataset, _H1
        for dataset in DATASETS:
            yield "H2", "MagL1", "MagL2", architecture, dataset, _H2


def _at_equal_ratio(rows: pd.DataFrame) -> Iterator[Cell]:
    ours, theirs = our_samples(rows), printed_samples()
    for claim, first, second, architecture, dataset, regions in _comparisons():
        for ratio in sorted(_ratios(ours, theirs, architecture, dataset, (first, second))):
            for region in regions:
                if region.least <= ratio <= region.largest:
                    pair = [(architecture, dataset, method, ratio) for method in (first, second)]
                    cell = blank(claim, first, second, architecture, dataset, region)
                    cell |= {"pruning_ratio": ratio, "num_bytes": math.nan}
                    cell |= measured(*(ours.get(key, np.array([])) for key in pair))
                    yield cell | printed(*(theirs.get(key, NO_SAMPLE) for key in pair))


def _at_equal_bytes(rows: pd.DataFrame) -> Iterator[Cell]:
    # Choosing first, and among all rows: the cells are those of H1 and H2.
    ours, theirs, chosen = our_samples(rows), printed_samples(), chosen_cells(rows)
    rows = newest(rows)
    chosen = chosen[chosen["cell_id"].isin(rows["cell_id"])]
    for _, first, second, architecture, dataset, regions in _comparisons():
        here = chosen[(chosen["architecture"] == architecture) & (chosen["dataset"] == dataset)]
        by_method = {method: here[here["published_method"] == method] for method in (first, second)}
        lines = [curves(rows, list(cells["cell_id"])) for cells in by_method.values()]
        known = by_method[second]
        size_at = dict(zip(known["pruning_ratio"], known["compressed_bytes_mean"], strict=True))
        asked = _ratios(ours, theirs, architecture, dataset, (first, second))
        for region in regions:
            if any(region.least <= ratio <= region.largest for ratio in asked):
                inside = _bytes_between(size_at, region.least, region.largest)
                cell = blank("H3", first, second, architecture, dataset, region)
                yield from on_grid(cell, lines[0], lines[1], inside)


def _ratios(
    ours: Collection[Key], theirs: Collection[Key], architecture: str, dataset: str, methods: tuple[str, str]
) -> set[float]:
    """The ratios of a comparison: where both methods are printed, or both have rows."""
    ways = [(architecture, dataset, method) for method in methods]
    of_ours, of_printed = ([{key[3] for key in known if key[:3] == way} for way in ways] for known in (ours, theirs))
    return (of_ours[0] & of_ours[1]) | (of_printed[0] & of_printed[1])


def _bytes_between(size_at: dict[float, float], least: float, largest: float) -> Callable[[float], bool]:
    """Whether a size lies in this region of ratios, by the mean bytes at its ends; never where those are unknown."""
    if largest == 0:
        return lambda num_bytes: num_bytes >= size_at.get(0.5, math.inf)
    known = [ratio for ratio in size_at if least <= ratio <= largest]
    most = size_at[min(known)] if known else -math.inf
    fewest = 0.0 if largest == 1 else size_at[max(known)] if known else math.inf
    return lambda num_bytes: fewest <= num_bytes <= most
