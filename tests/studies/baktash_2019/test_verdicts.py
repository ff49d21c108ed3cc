import pandas as pd
import pytest

from mdlray.studies.baktash_2019.verdicts import parts, sentence, whole


def cells(**verdicts):
    """Cells of a claim against each of these, with these verdicts."""
    rows = [
        {"first": "pruned dense", "second": second, "expected": "higher", "region": "", "dataset": "mnist"}
        | {"verdict": verdict}
        for second, found in verdicts.items()
        for verdict in found
    ]
    return pd.DataFrame(rows)


S, C, D, T = "supported", "contradicted", "not decided", "not tested"


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([S], S),
        ([S, D], S),
        ([S, D, D], D),
        ([S, S, S, C], D),
        ([C, D], C),
        ([C, D, D], D),
        ([T, T], T),
        ([S, T, T], S),
    ],
)
def test_a_part_goes_by_the_majority_of_its_tested_cells(found, verdict):
    (part,) = parts(cells(hashed=found))
    assert part.verdict == verdict and sum(part.counts.values()) == len(found)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([S, S], "supported as a whole"),
        ([S, T], "supported where tested"),
        ([S, C], C),
        ([S, D], D),
        ([T, T], T),
        ([T, C], C),
        ([D, T], D),
        ([S, "mixed"], "mixed"),
        ([C, "mixed"], C),
    ],
)
def test_a_claim_needs_all_of_its_parts(verdicts, expected):
    assert whole(verdicts) == expected == whole(verdicts[::-1])


def test_many_cells_of_one_part_do_not_outvote_another():
    found = parts(cells(hashed=[S] * 10, convnet=[C]))
    assert whole([part.verdict for part in found]) == C


def test_a_data_set_without_rows_is_no_support():
    """Half of the cells of one data set, none of the other: this is not a verdict on both."""
    table = pd.concat([cells(MagL2=[S, T]), cells(MagL2=[T, T]).assign(dataset="mnist_background_images")])
    assert sentence(table.assign(first="OBD")) == (
        "supported where tested (1 of 2 parts tested). OBD higher than Mag-L2: supported on mnist (1 of 2 cells "
        "tested: 1 supported), not tested on mnist_background_images."
    )


def test_regions_are_parts_of_their_own():
    """One region that was tested does not speak for another that was not."""
    table = cells(MagL2=[S, T]).assign(first="MagL1", region=["from 95 to 99.5 %", "at 0 %"])
    assert [(part.asked, part.verdict) for part in parts(table)] == [
        ("Mag-L1 higher than Mag-L2 from 95 to 99.5 %", S),
        ("Mag-L1 higher than Mag-L2 at 0 %", T),
    ]


def test_the_sentence_names_parts_counts_and_data_sets():
    assert sentence(cells(HashedNet=[S, S, D, T], convnet=[T])) == (
        "supported where tested (1 of 2 parts tested). pruned dense higher than HashedNet: supported on mnist (3 of 4 "
        "cells tested: 2 supported, 1 not decided); pruned dense higher than convnet: not tested on mnist."
    )
    assert sentence(cells(HashedNet=[T, T])) == "not tested: none of 2 cells has numbers to compare."


def test_printed_verdicts_are_read_with_the_prefix():
    table = cells(MagL2=[S]).assign(first="MagL1", published_verdict=C)
    (part,) = parts(table, "published_")
    assert (part.asked, part.dataset, part.verdict) == ("Mag-L1 higher than Mag-L2", "mnist", C)
