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
    ("hashed", "convnet", "verdict"),
    [(S, S, S), (S, T, D), (S, C, C), (S, D, D), (T, T, T), (T, C, C), (D, D, D)],
)
def test_a_claim_needs_all_of_its_parts(hashed, convnet, verdict):
    """Many cells of one part do not outvote another that was not tested, or went the other way."""
    assert whole(parts(cells(hashed=[hashed] * 10, convnet=[convnet]))) == verdict


def test_regions_are_parts_of_their_own():
    """One region that was tested does not speak for another that was not."""
    table = cells(MagL2=[S, T]).assign(first="MagL1", region=["from 95 to 99.5 %", "at 0 %"])
    assert [(part.asked, part.verdict) for part in parts(table)] == [
        ("Mag-L1 higher than Mag-L2 from 95 to 99.5 %", S),
        ("Mag-L1 higher than Mag-L2 at 0 %", T),
    ]
    assert whole(parts(table)) == D


def test_the_sentence_names_parts_counts_and_data_sets():
    assert sentence(cells(HashedNet=[S, S, D, T], convnet=[T])) == (
        "not decided as a whole. pruned dense higher than HashedNet: supported (of 3 tested cells 2 supported, "
        "0 contradicted, 1 not decided; mnist); pruned dense higher than convnet: not tested."
    )
    assert sentence(cells(HashedNet=[T, T])) == "not tested: none of 2 cells has numbers to compare."


def test_printed_verdicts_are_read_with_the_prefix():
    table = cells(MagL2=[S]).assign(first="MagL1", published_verdict=C)
    (part,) = parts(table, "published_")
    assert (part.asked, part.verdict) == ("Mag-L1 higher than Mag-L2", C)
