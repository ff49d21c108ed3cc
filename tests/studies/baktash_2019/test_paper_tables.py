from mdlray.studies.baktash_2019.claims import CLAIMS, judge
from mdlray.studies.baktash_2019.paper_claims import PAPER_CLAIMS, judge_paper_claims
from mdlray.studies.baktash_2019.paper_tables import markdown, paper_tables, verdict_lines
from mdlray.studies.baktash_2019.published import compare


def texts(rows, as_trials):
    return dict(paper_tables(compare(as_trials(rows))))


def test_six_tables_of_the_printed_size(as_trials, make_row):
    tables = texts([make_row()], as_trials)
    assert [heading.partition(":")[0] for heading in tables] == [f"Table {number}" for number in range(1, 7)]
    assert [len(table) for table in tables.values()] == [14, 8, 14, 8, 14, 8]
    for table in tables.values():
        assert list(table.columns[1:]) == ["MNIST", "background images", "background random", "rotation"]
        assert table.iloc[:, 1:].map(lambda text: " / " in text and "±" in text.split(" / ")[1]).all().all()


def test_a_cell_says_ours_theirs_and_how_often(as_trials, make_row):
    """Printed for MagL2, 100 hidden units, 90 % removed: MNIST 96.99 ± 0.18, rotation 86.75 ± 0.37."""
    rows = [make_row({"seeds.initialization": seed}, test_accuracy=0.97 + seed / 1000) for seed in (0, 1, 2)]
    rows += [make_row({"data.dataset": "mnist_rotation"}, test_accuracy=0.875)]
    table = texts(rows, as_trials)["Table 1: Mag-L2, 100 hidden units"].set_index("edges removed (%)")
    assert table.loc["90", "MNIST"] == "97.10 ± 0.10 (n=3) / 96.99 ± 0.18"
    assert table.loc["90", "rotation"] == "87.50 (n=1) / 86.75 ± 0.37"
    assert table.loc["90", "background random"].startswith("– / ") and table.loc["95", "MNIST"].startswith("– / ")


def test_five_repetitions_need_no_number(as_trials, make_row):
    rows = [make_row({"seeds.initialization": seed}) for seed in range(5)]
    table = texts(rows, as_trials)["Table 1: Mag-L2, 100 hidden units"].set_index("edges removed (%)")
    assert table.loc["90", "MNIST"] == "89.00 ± 0.00 / 96.99 ± 0.18"


def test_another_split_is_no_repetition_of_theirs(as_trials, make_row):
    table = texts([make_row({"data.split": "usual"})], as_trials)["Table 1: Mag-L2, 100 hidden units"]
    assert table["MNIST"].str.startswith("– / ").all()


def test_one_lucky_run_does_not_stand_for_a_mean(as_trials, make_row):
    rows = [make_row({"seeds.initialization": seed}) for seed in range(5)]
    lucky = make_row({"compression.quantization_levels": 4}, validation_accuracy=0.99, test_accuracy=0.99)
    table = texts([*rows, lucky], as_trials)["Table 1: Mag-L2, 100 hidden units"].set_index("edges removed (%)")
    assert table.loc["90", "MNIST"].startswith("89.00 ± 0.00 /")


def test_markdown_has_every_table_and_claim_and_is_even(as_trials, make_row):
    trials = as_trials([make_row()])
    text = markdown(compare(trials), judge(trials), judge_paper_claims(trials)[0])
    assert text.count("\n## Table ") == 6
    for claim, says in CLAIMS.items():
        assert f"\n## {claim}: {says}\n\nHere not tested" in text
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("| ")]
    for claim, paper in PAPER_CLAIMS.items():
        assert f"\n## {claim}: {paper.says}\n\n“{paper.quote}” ({paper.place}.) Here not tested: 0 of " in text
    assert len(blocks) == 6 + len(CLAIMS) + len(PAPER_CLAIMS)
    for block in blocks:
        assert len({line.count("|") for line in block}) == 1 and block[1].startswith("| --- |")


def test_a_line_of_a_verdict_says_what_was_asked_and_where(as_trials, make_row):
    lines = {heading[:2]: cells for heading, _, cells in verdict_lines(judge(as_trials([make_row()])))}
    first = lines["H2"].iloc[0]
    assert (first["asked"], first["at"]) == ("Mag-L1 not higher than Mag-L2 at 0 %", "0 % removed")
    assert (first["verdict"], first["printed verdict"]) == ("not tested", "supported")
