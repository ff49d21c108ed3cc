"""Rows into verdicts on four claims about Baktash et al. 2019, and into what their printed numbers say on the same.

    H1   OBD overtakes magnitude pruning beyond 99.3 % of the edges removed, on noisy backgrounds
    H2   the advantage of L1 over L2 is a mid-range effect: there from 95 to 99.5 %, not at 0 % nor from 99.7 % on
    H3   both survive when size is bytes instead of edges
    H4   pruned networks beat hashed, convolutional and unpruned dense ones of equal bytes

A cell of a claim is one comparison of two samples of test accuracies: at an equal ratio (H1, H2) or at equal bytes (H3,
H4). It is *supported* where the difference goes the way the claim says and Welch's p, after Holm over all cells of the
claim, is below 5 %; *contradicted* where it goes the other way; *not decided* where it is noise; *not tested* where
rows lack. "Not better" asks for more than noise too: it is supported by a significant loss only. Nothing is selected
here by test accuracy: where several of our cells answer, validation has chosen (`published.py`), and H4's
curves are fronts by validation.

Unpruned, as H4's rivals are, is what no method of pruning was asked of (`method` none); dense ones have fewer units. A
network that a method has removed nothing from is on neither side: quantization makes the small weights that L1 leaves
nearly free, which is pruning by another name. What the cells say together is in `mdlray.studies.baktash_2019.verdicts`.

Bytes have no printed regions, so those of H3 are carried over from the regions in which H1 and H2 have cells: a ratio
stands for the mean bytes that the second method (the one that is, or is not, overtaken) has there, and the ends of a
region are the first and last ratio in it that this method has; 0 % for all sizes from that of 50 % on. A curve goes
through its cells in the order of their bytes, which need not be that of their ratios: L1 with nothing removed may be
smaller than with half. Sizes of different versions of the file format do not compare: bytes are compared among the rows
of the newest version only.
"""

import math
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mdlray.report.significance import NO_SAMPLE, Sample, holm, permutation_p, welch_p
from mdlray.studies.baktash_2019.equal_bytes import GRID_BYTES, Curves, curves, front_cells
from mdlray.studies.baktash_2019.protocol import DATASETS
from mdlray.studies.baktash_2019.published import chosen_cells, comparable, published_accuracy

ALPHA = 0.05
SPLIT = "study"
"""The split of the printed results, and so of every claim."""

CLAIMS = {
    "H1": "OBD overtakes magnitude pruning beyond 99.3 % of the edges removed, on noisy backgrounds",
    "H2": "the advantage of L1 over L2 is a mid-range effect: there from 95 to 99.5 %, not at 0 % nor from 99.7 % on",
    "H3": "both survive when size is bytes instead of edges",
    "H4": "pruned networks beat hashed, convolutional and unpruned dense ones of equal bytes",
}

_NOISY = ("mnist_background_random", "mnist_background_images")
_ARCHITECTURES = ("dense-100", "dense-30")
_RIVALS = {"HashedNet": "hashed", "convnet": "convnet", "dense, unpruned": "dense"}

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
}
"""Columns of `judge`. `expected` of first against second: `higher` or `not higher`, within `region`, a range of ratios
in words (of H4 there is one, all sizes: empty); either ratio or bytes is NaN."""

Cell = dict[str, Any]
Key = tuple[str, str, str, float]
"""Network, data set, printed method, ratio."""


class Region(NamedTuple):
    """A range of ratios, with what is expected there."""

    words: str
    least: float
    largest: float
    expected: str


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
    cells = [*_at_equal_ratio(rows), *_at_equal_bytes(rows), *_against_families(_newest(rows))]
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
    ours, printed = _our_samples(rows), _printed_samples()
    for claim, first, second, architecture, dataset, regions in _comparisons():
        for ratio in sorted(_ratios(ours, printed, architecture, dataset, (first, second))):
            for region in regions:
                if region.least <= ratio <= region.largest:
                    pair = [(architecture, dataset, method, ratio) for method in (first, second)]
                    cell = _cell(claim, first, second, architecture, dataset, region)
                    cell |= {"pruning_ratio": ratio, "num_bytes": math.nan}
                    cell |= _measured(*(ours.get(key, np.array([])) for key in pair))
                    yield cell | _printed(*(printed.get(key, NO_SAMPLE) for key in pair))


def _at_equal_bytes(rows: pd.DataFrame) -> Iterator[Cell]:
    # Choosing first, and among all rows: the cells are those of H1 and H2.
    ours, printed, chosen = _our_samples(rows), _printed_samples(), chosen_cells(rows)
    rows = _newest(rows)
    chosen = chosen[chosen["cell_id"].isin(rows["cell_id"])]
    for _, first, second, architecture, dataset, regions in _comparisons():
        here = chosen[(chosen["architecture"] == architecture) & (chosen["dataset"] == dataset)]
        by_method = {method: here[here["published_method"] == method] for method in (first, second)}
        lines = [curves(rows, list(cells["cell_id"])) for cells in by_method.values()]
        known = by_method[second]
        size_at = dict(zip(known["pruning_ratio"], known["compressed_bytes_mean"], strict=True))
        asked = _ratios(ours, printed, architecture, dataset, (first, second))
        for region in regions:
            if any(region.least <= ratio <= region.largest for ratio in asked):
                inside = _bytes_between(size_at, region.least, region.largest)
                cell = _cell("H3", first, second, architecture, dataset, region)
                yield from _on_grid(cell, lines[0], lines[1], inside)


def _ratios(
    ours: Collection[Key], printed: Collection[Key], architecture: str, dataset: str, methods: tuple[str, str]
) -> set[float]:
    """The ratios of a comparison: where both methods are printed, or both have rows."""
    ways = [(architecture, dataset, method) for method in methods]
    of_ours, of_printed = ([{key[3] for key in known if key[:3] == way} for way in ways] for known in (ours, printed))
    return (of_ours[0] & of_ours[1]) | (of_printed[0] & of_printed[1])


def _bytes_between(size_at: dict[float, float], least: float, largest: float) -> Callable[[float], bool]:
    """Whether a size lies in this region of ratios, by the mean bytes at its ends; never where those are unknown."""
    if largest == 0:
        return lambda num_bytes: num_bytes >= size_at.get(0.5, math.inf)
    known = [ratio for ratio in size_at if least <= ratio <= largest]
    most = size_at[min(known)] if known else -math.inf
    fewest = 0.0 if largest == 1 else size_at[max(known)] if known else math.inf
    return lambda num_bytes: fewest <= num_bytes <= most


def _against_families(rows: pd.DataFrame) -> Iterator[Cell]:
    for rival, family in _RIVALS.items():
        for dataset in DATASETS:
            here = rows[rows["dataset"] == dataset]
            families = here["architecture"].str.partition("-")[0] if len(here) else here["architecture"]
            pruned = here[(here["pruning_ratio"] > 0) & (families == "dense")]
            sides = [pruned, here[(here["method"] == "none") & (families == family)]]
            lines = [curves(side, front_cells(side)) for side in sides]
            cell = _cell("H4", "pruned dense", rival, "", dataset, Region("", 0.0, 1.0, "higher"))
            yield from _on_grid(cell, lines[0], lines[1], lambda _: True)


def _on_grid(cell: Cell, first: Curves, second: Curves, inside: Callable[[float], bool]) -> Iterator[Cell]:
    """The cell at every size of the grid that both know; one that is not tested where there is none."""
    unprinted = _printed(NO_SAMPLE, NO_SAMPLE)
    samples = [(num_bytes, first.at(num_bytes), second.at(num_bytes)) for num_bytes in GRID_BYTES if inside(num_bytes)]
    both = [(size, left, right) for size, left, right in samples if left is not None and right is not None]
    for size, left, right in both:
        yield cell | {"pruning_ratio": math.nan, "num_bytes": float(size)} | _measured(left, right) | unprinted
    if not both:
        nothing = _measured(np.array([]), np.array([]))
        yield cell | {"pruning_ratio": math.nan, "num_bytes": math.nan} | nothing | unprinted


def _newest(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows whose sizes compare: those of the newest version of the files' format."""
    versions = rows["mdl_version"].fillna(0)
    newest: pd.DataFrame = rows[(versions == versions.max()) & rows["compressed_bytes"].notna()]
    return newest


def _our_samples(rows: pd.DataFrame) -> dict[Key, Any]:
    """Test accuracies in percent."""
    chosen = chosen_cells(rows)
    values = {
        cell_id: 100 * group.to_numpy(dtype=np.float64) for cell_id, group in rows.groupby("cell_id")["test_accuracy"]
    }
    keys = zip(
        chosen["architecture"], chosen["dataset"], chosen["published_method"], chosen["pruning_ratio"], strict=True
    )
    return {key: values[cell_id] for key, cell_id in zip(keys, chosen["cell_id"], strict=True)}


def _printed_samples() -> dict[Key, Sample]:
    found = {}
    for row in published_accuracy().to_dict("records"):
        key = (row["architecture"], row["dataset"], row["published_method"], row["pruning_ratio"])
        mean, std = row["published_accuracy_percent_mean"], row["published_accuracy_percent_std"]
        found[key] = Sample(mean, std, row["published_num_runs"])
    return found


def _cell(claim: str, first: str, second: str, architecture: str, dataset: str, region: Region) -> Cell:
    names = {"claim": claim, "first": first, "second": second, "architecture": architecture}
    return names | {"dataset": dataset, "expected": region.expected, "region": region.words}


def _measured(first_N: Any, second_M: Any) -> Cell:
    first, second = Sample.of(first_N), Sample.of(second_M)
    cell: Cell = {}
    for name, sample in (("first", first), ("second", second)):
        cell[f"{name}_percent_mean"], cell[f"{name}_percent_std"] = sample.mean, sample.std
        cell[f"{name}_num_runs"] = sample.num
    tests = {"welch_p": welch_p(first, second), "permutation_p": permutation_p(first_N, second_M)}
    return cell | {"difference_percent": first.mean - second.mean} | tests


def _printed(first: Sample, second: Sample) -> Cell:
    difference = first.mean - second.mean
    return {"published_difference_percent": difference, "published_welch_p": welch_p(first, second)}
