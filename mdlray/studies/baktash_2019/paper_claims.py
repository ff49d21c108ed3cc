"""Rows into verdicts on the sentences of Baktash et al. 2019 themselves, in the direction in which the paper says them.

    P1   magnitude pruning is slightly better than Optimal Brain Damage, on every data set
    P2   convolutional networks are better than HashedNets of the same number of weights (Figure 1)
    P3   pruned networks are better than convolutional networks of the same number of weights (Figures 2 to 5)
    P4   L1 is slightly better than L2 under magnitude pruning
    P5   pruned networks are better than HashedNets of the same number of weights

`PAPER_CLAIMS` has the sentences. A comparison is a pair of methods on one network and one data set, over all places
that both have: pooled, one test on the means of the repetitions (`pooled.py`), p after Holm over the comparisons of the
claim that are measured alike. The paper measures size by edges removed (P1, P4: every ratio above 0 %) and by the
number of weights that are not zero, without indexes (P2, P3, P5): these comparisons give the claim's verdict
(`is_papers_measure`). Beside them stand the same at equal bytes of decoded files, which is our measure, and P1 from 90
to 99.3 %; that region was chosen after the rows had been seen, and so decides nothing.

Sides: of a way of pruning, the cells that answer printed ones (`published.chosen_cells`) of networks of 100 units (P1
and P4: of 30, too); of convolutional networks the front by validation accuracy in the size that is compared;
HashedNets have 100 virtual units, as in Figure 1. Between cells accuracy is linear in the logarithm of the size
(`equal_bytes.py`).
A confound: Optimal Brain Damage has the penalty of Mag-L2, so that Mag-L1 beside it differs in two things.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from mdlray.report.significance import Sample, holm
from mdlray.studies.baktash_2019.claim_cells import Key, newest, printed_samples
from mdlray.studies.baktash_2019.claims import SPLIT
from mdlray.studies.baktash_2019.equal_bytes import GRID_BYTES, REPETITION, Curves, curves, front_cells
from mdlray.studies.baktash_2019.pooled import Pooled, Side, pool, verdict
from mdlray.studies.baktash_2019.protocol import DATASETS
from mdlray.studies.baktash_2019.published import chosen_cells, comparable


@dataclass(frozen=True)
class PaperClaim:
    """What is tested, and the sentence that says it."""

    says: str
    quote: str
    place: str


PAPER_CLAIMS = {
    "P1": PaperClaim(
        "magnitude pruning is slightly better than Optimal Brain Damage on every data set",
        "In our experiments, magnitude-based pruning consistently shows a slightly better performance than OBD across "
        "all data sets.",
        "Section 5.2",
    ),
    "P2": PaperClaim(
        "convolutional networks are better than HashedNets of the same number of weights",
        "The convolutional networks consistently outperform HashedNet.",
        "Figure 1",
    ),
    "P3": PaperClaim(
        "pruned networks are better than convolutional networks of the same number of weights",
        "Convolution networks are beaten by all pruning methods with the same number of parameters.",
        "Section 4",
    ),
    "P4": PaperClaim(
        "L1 is slightly better than L2 under magnitude pruning",
        "This approach shows to be slightly more effective than using L2 regularization as it can be seen in the plots "
        "2 and 5.",
        "Section 5.2",
    ),
    "P5": PaperClaim(
        "pruned networks are better than HashedNets of the same number of weights",
        "Our experiments show that pruning methods are substantially better than the HashedNet architecture.",
        "Section 1.0.1",
    ),
}

EDGES, WEIGHTS, BYTES = "edges removed", "weights", "bytes"
_EVERYWHERE = "everywhere"
_SEEN = "from 90 to 99.3 %"
_PRUNED = ("MagL2", "MagL1", "OBD")
_SIZES = {WEIGHTS: "num_nonzero", BYTES: "compressed_bytes"}
_USED = (
    "cell_id dataset split architecture hash_seed method regularizer pruning_ratio num_nonzero compressed_bytes "
    "mdl_version validation_accuracy test_accuracy trained_test_accuracy"
).split() + REPETITION


class _Question(NamedTuple):
    """One comparison: whether the first is better."""

    claim: str
    first: str
    second: str
    architecture: str
    dataset: str
    measure: str
    region: str = _EVERYWHERE


def judge_paper_claims(trials: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row per comparison, tested or not, and a row per comparison and place; percent, and percentage points."""
    rows = comparable(trials)
    rows = rows[(rows["split"] == SPLIT) & rows["test_accuracy"].notna() & rows["dataset"].isin(DATASETS)]
    # Rows are cut out a hundred times: without their specs and many columns that is quick.
    side = _sides(rows[_USED])
    questions = list(_questions())
    pools = [pool(side(question.first, question), side(question.second, question)) for question in questions]
    table = pd.DataFrame(
        [question._asdict() | _in_words(pooled) for question, pooled in zip(questions, pools, strict=True)]
    )
    table["is_papers_measure"] = (table["measure"] != BYTES) & (table["region"] == _EVERYWHERE)
    table["paired_p"] = [pooled.p for pooled in pools]
    alike = ["claim", "measure", "region"]
    table["holm_p"] = table.groupby(alike)["paired_p"].transform(lambda p: holm(list(p)))
    table["verdict"] = [verdict(pooled, p) for pooled, p in zip(pools, table["holm_p"], strict=True)]
    samples = printed_samples()
    printed = pd.DataFrame([_printed(question, samples) for question in questions])
    places = [place for question, pooled in zip(questions, pools, strict=True) for place in _places(question, pooled)]
    columns = [*_Question._fields, *_PLACE]
    return pd.concat([table, printed], axis="columns"), pd.DataFrame(places, columns=columns)


def _questions() -> Iterator[_Question]:
    for dataset in DATASETS:
        for architecture in ("dense-100", "dense-30"):
            for measure, region in ((EDGES, _EVERYWHERE), (EDGES, _SEEN), (BYTES, _EVERYWHERE)):
                for first in ("MagL2", "MagL1"):
                    yield _Question("P1", first, "OBD", architecture, dataset, measure, region)
                if region == _EVERYWHERE:
                    yield _Question("P4", "MagL1", "MagL2", architecture, dataset, measure, region)
        for measure in (WEIGHTS, BYTES):
            for method in _PRUNED:
                yield _Question("P3", method, "convnet", "dense-100", dataset, measure)
    for measure in (WEIGHTS, BYTES):
        yield _Question("P2", "convnet", "HashedNet", "hashed-100", "mnist", measure)
        for method in _PRUNED:
            yield _Question("P5", method, "HashedNet", "dense-100", "mnist", measure)


def _sides(rows: pd.DataFrame) -> Callable[[str, _Question], Side]:
    """What a side of a question has at which place; questions share sides, which are made once."""
    chosen, of_newest = chosen_cells(rows), newest(rows)
    made: dict[tuple[str, ...], Side] = {}

    def side(name: str, question: _Question) -> Side:
        key = (name, question.architecture, question.dataset, question.measure, question.region)
        if key not in made:
            made[key] = make(name, question)
        return made[key]

    def make(name: str, question: _Question) -> Side:
        here = rows[rows["dataset"] == question.dataset]
        if question.measure != EDGES:
            size = _SIZES[question.measure]
            here = here[here[size].notna() & (here.index.isin(of_newest.index) | (question.measure == WEIGHTS))]
        if name not in _PRUNED:
            here = here[(here["method"] == "none") & (here["hash_seed"] == 0)]
            here = here[_mask(here["architecture"], _FAMILIES[name])]
            return _on_grid(curves(here, front_cells(here, size), size)) if len(here) else {}
        cells = chosen[(chosen["dataset"] == question.dataset) & (chosen["published_method"] == name)]
        cells = cells[cells["architecture"] == question.architecture]
        cells = cells[_mask(cells["pruning_ratio"], _takes_part(question))]
        if question.measure == EDGES or cells.empty:
            return _by_ratio(here, dict(zip(cells["pruning_ratio"], cells["cell_id"], strict=True)))
        return _on_grid(curves(here, list(cells["cell_id"]), size))

    return side


_FAMILIES: dict[str, Callable[[str], bool]] = {
    "convnet": lambda architecture: architecture.startswith("convnet-"),
    "HashedNet": lambda architecture: f"{architecture}-".startswith("hashed-100-"),
}


def _takes_part(question: _Question) -> Callable[[float], bool]:
    """Whether a ratio takes part: by edges, where something is removed; by size, all of the curve."""
    if question.region == _SEEN:
        return lambda ratio: 0.9 <= ratio <= 0.993
    return lambda ratio: ratio > 0 or question.measure != EDGES


def _mask(values: "pd.Series[Any]", test: Callable[[Any], bool]) -> npt.NDArray[np.bool_]:
    return np.array([test(value) for value in values], dtype=np.bool_)


def _by_ratio(rows: pd.DataFrame, cell_of_ratio: dict[float, str]) -> Side:
    wanted = rows[rows["cell_id"].isin(cell_of_ratio.values())]
    by_cell = {str(cell_id): cell for cell_id, cell in wanted.groupby("cell_id")}
    return {ratio: _repetitions(by_cell[cell_id]) for ratio, cell_id in cell_of_ratio.items()}


def _repetitions(cell: pd.DataFrame) -> dict[tuple[int, ...], float]:
    seeds = cell[REPETITION].astype("int64").itertuples(index=False, name=None)
    return dict(zip(seeds, 100 * cell["test_accuracy"].to_numpy(dtype=np.float64), strict=True))


def _on_grid(line: Curves) -> Side:
    places = {float(size): line.at(size) for size in GRID_BYTES}
    return {size: dict(zip(line.repetitions, at, strict=True)) for size, at in places.items() if at is not None}


def _in_words(pooled: Pooled) -> dict[str, Any]:
    means_N = pooled.means_N
    ahead = np.sign(pooled.difference_PN.mean(axis=1)) if pooled.places_P else np.array([])
    return {
        "num_places": len(pooled.places_P),
        "num_places_first_ahead": int((ahead > 0).sum()),
        "num_places_second_ahead": int((ahead < 0).sum()),
        "least_place": min(pooled.places_P, default=math.nan),
        "largest_place": max(pooled.places_P, default=math.nan),
        "num_repetitions": len(means_N),
        "difference_percent": float(means_N.mean()) if len(means_N) else math.nan,
        "difference_percent_std": float(means_N.std(ddof=1)) if len(means_N) > 1 else math.nan,
    }


_PLACE = ("place", "first_percent_mean", "second_percent_mean", "difference_percent", "num_repetitions", "holm_p")


def _places(question: _Question, pooled: Pooled) -> Iterator[dict[str, Any]]:
    for place, first_N, second_N, p in zip(
        pooled.places_P, pooled.first_PN, pooled.second_PN, pooled.cell_p_P, strict=True
    ):
        first, second = float(first_N.mean()), float(second_N.mean())
        numbers = (place, first, second, first - second, len(first_N), p)
        yield question._asdict() | dict(zip(_PLACE, numbers, strict=True))


def _printed(question: _Question, samples: dict[Key, Sample]) -> dict[str, Any]:
    """What the printed means say on the same; their single runs are not printed, so that there is no test."""
    differences: list[float] = []
    if question.measure == EDGES:
        takes_part = _takes_part(question)
        for (architecture, dataset, method, ratio), sample in samples.items():
            second = samples.get((architecture, dataset, question.second, ratio))
            is_asked = (architecture, dataset, method) == (question.architecture, question.dataset, question.first)
            if is_asked and second is not None and takes_part(ratio):
                differences.append(sample.mean - second.mean)
    return {
        "published_num_places": len(differences),
        "published_num_places_first_ahead": sum(difference > 0 for difference in differences),
        "published_difference_percent": float(np.mean(differences)) if differences else math.nan,
    }
