import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from mdlray.report import write_report as write
from mdlray.results import Store
from mdlray.results.pack_result import PackResult
from mdlray.studies.registry import find_study

REFERENCE = Path(__file__).parents[2] / "results" / "reference" / "compare_pruning"
NAMES = {
    "figures/accuracy_vs_bytes.png",
    "figures/accuracy_vs_bytes.svg",
    "figures/accuracy_vs_weights.png",
    "figures/accuracy_vs_weights.svg",
    "figures/accuracy_vs_edges_removed.png",
    "figures/accuracy_vs_edges_removed.svg",
    "report.html",
}
OF_STUDY = {
    f"figures/{name}"
    for name in (
        "published_comparison.parquet",
        "published_comparison.csv",
        "claims.parquet",
        "claims.csv",
        "paper_claims.parquet",
        "paper_claims.csv",
        "paper_claim_places.parquet",
        "paper_claim_places.csv",
        "paper_tables.md",
    )
}
STUDY = "baktash_2019"


def write_report(folder, others=()):
    return write(folder, others, find_study(STUDY))


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "mdlray.report", *arguments], capture_output=True, text=True)


def test_a_sweep_gets_all_its_files(tmp_path, make_row):
    store = Store(tmp_path)
    rows = [make_row({"seeds.initialization": seed}, test_accuracy=0.97 + seed / 100) for seed in range(2)]
    failed = make_row({"compression.pruning_ratio": 0.5}, status="failed", error="<oops> & more")
    store.write_pack("p0", PackResult({"trials": [*rows, failed]}))
    store.write_manifest({"runs": [{"question": "Which <way> is best?"}]})
    written = write_report(tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in written} == NAMES | OF_STUDY
    assert all(path.stat().st_size > 100 for path in written)
    html = store.path("report.html").read_text()
    assert "Which &lt;way&gt; is best?" in html and "&lt;oops&gt; &amp; more" in html and "97.50 ± 0.71" in html
    kept = pd.read_parquet(store.path("figures") / "published_comparison.parquet")
    read = pd.read_csv(store.path("figures") / "published_comparison.csv")
    assert kept["at_or_above"].tolist() == read["at_or_above"].tolist() == [True]
    assert kept["num_trials"].tolist() == [2] and kept["difference_percent"][0] == pytest.approx(97.5 - 96.99)
    # The report only looks: tables stay as they were, and the same rows give the same page.
    assert not store.path("trials.parquet").exists()
    before = [path.read_bytes() for path in written]
    assert [path.read_bytes() for path in write_report(tmp_path)] == before


def test_the_page_shows_the_printed_tables_and_claims_that_have_rows_here(tmp_path, make_row):
    def headings(folder, *rows):
        Store(tmp_path / folder).write_pack("p0", PackResult({"trials": list(rows)}))
        write_report(tmp_path / folder)
        assert (tmp_path / folder / "figures" / "paper_tables.md").read_text().count("\n## Table ") == 6
        found = re.findall("<h2 id=.*?>(.*?)</h2>", (tmp_path / folder / "report.html").read_text())
        return [heading for heading in found if not heading.startswith("Accuracy")]

    assert headings("none", make_row({"data.dataset": "mnist5k"})) == ["Front", "Failed trials"]
    between = headings("cell", make_row())[1:-1]
    assert between == ["Beside Baktash et al. 2019", "Table 1: Mag-L2, 100 hidden units"]
    unlike = {"training.regularizer": "l1", "compression.pruning_ratio": 0.95}
    pair = [
        make_row({"compression.pruning_ratio": 0.95, "seeds.initialization": s}, test_accuracy=0.9 + s / 100)
        for s in range(3)
    ]
    pair += [make_row(unlike | {"seeds.initialization": s}, test_accuracy=0.95 + s / 100) for s in range(3)]
    between = headings("claim", *pair)[1:-1]
    assert [heading[:7] for heading in between[1:3]] == ["Table 1", "Table 3"]
    assert [heading[:4] for heading in between[3:]] == ["P4: ", "H2: "]


@pytest.mark.parametrize("case", ["only failed", "one row", "unknown data set"])
def test_thin_tables_get_all_files_too(tmp_path, make_row, case):
    row = {
        "only failed": make_row(status="failed"),
        "one row": make_row(),
        "unknown data set": make_row({"data.dataset": "never_heard_of"}),
    }[case]
    Store(tmp_path).write_pack("p0", PackResult({"trials": [row]}))
    drawn = {"report.html"} if case == "only failed" else NAMES  # no figure of nothing
    assert {path.relative_to(tmp_path).as_posix() for path in write_report(tmp_path)} == drawn | OF_STUDY
    assert ("<img" in (tmp_path / "report.html").read_text()) == (case != "only failed")
    read = pd.read_parquet(tmp_path / "figures" / "published_comparison.parquet")
    assert len(read) == (case == "one row")


def test_a_study_is_in_the_report_of_the_sweep_that_names_it_and_of_no_other(tmp_path, make_row):
    store = Store(tmp_path)
    store.write_pack("p0", PackResult({"trials": [make_row()]}))
    for named, files in (("", NAMES), (STUDY, NAMES | OF_STUDY)):
        store.write_manifest({"runs": [{"question": "?", "study": named}]})
        done = command(str(tmp_path))
        assert {line.removeprefix(f"{tmp_path}/") for line in done.stdout.split()} == files
        assert ("Baktash" in (tmp_path / "report.html").read_text()) == bool(named)
    wrong = command(str(tmp_path), "--study", "magic")
    assert wrong.returncode == 2 and "study is 'magic'; known are: baktash_2019." in wrong.stderr


def test_the_command_writes_and_says_where(tmp_path, make_row):
    Store(tmp_path).write_pack("p0", PackResult({"trials": [make_row()]}))
    done = command(str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert {line.removeprefix(f"{tmp_path}/") for line in done.stdout.split()} == NAMES


def test_rows_of_other_folders_take_part_and_their_folders_stay_as_they_are(tmp_path, make_row):
    rows = [make_row({"seeds.initialization": seed}) for seed in range(3)]
    Store(tmp_path / "a").write_pack("p0", PackResult({"trials": rows[:2]}))
    Store(tmp_path / "b").write_pack("p0", PackResult({"trials": rows[1:]}))
    done = command(str(tmp_path / "a"), "--with", str(tmp_path / "b"), "--study", STUDY)
    assert (done.returncode, done.stderr) == (0, "")
    assert pd.read_parquet(tmp_path / "a" / "figures" / "published_comparison.parquet")["num_trials"].tolist() == [3]
    html = (tmp_path / "a" / "report.html").read_text()
    assert "2 trials: 2 ok, 0 failed; 1 setting, 1 of them on a front. With the rows of b, " in html
    assert "front.parquet: 3 trials; 1 setting, 1 of them on a front." in html
    assert not (tmp_path / "b" / "figures").exists() and not (tmp_path / "b" / "report.html").exists()
    missing = command(str(tmp_path / "a"), "--with", str(tmp_path / "nothing"))
    assert missing.returncode == 2 and "there are no results in" in missing.stderr


def test_students_get_a_figure_with_curves_of_every_folder(tmp_path, make_row):
    plain = {"compression.method": "none", "compression.pruning_ratio": 0.0}
    first, student = make_row(plain), make_row(plain | {"student.round": 1})
    for folder, row in (("a", first), ("b", student)):
        blank = dict.fromkeys(["validation_nats_per_example", "train_accuracy", "validation_accuracy", "sparsity"])
        point = {"trial_id": row["trial_id"], "epoch": 1, "train_nats_per_example": 0.5} | blank
        Store(tmp_path / folder).write_pack("p0", PackResult({"trials": [row], "curves": [point]}))
    written = {path.relative_to(tmp_path / "a").as_posix() for path in write_report(tmp_path / "a", [tmp_path / "b"])}
    edges = {f"figures/accuracy_vs_edges_removed.{kind}" for kind in ("png", "svg")}  # nothing was removed
    assert written == (NAMES - edges) | OF_STUDY | {"figures/students.png", "figures/students.svg"}
    assert "Students, round after round" in (tmp_path / "a" / "report.html").read_text()


def test_the_reference_rows_fill_the_tables_of_mnist(tmp_path):
    shutil.copy(REFERENCE / "trials.parquet", tmp_path)
    write_report(tmp_path)
    tables = (tmp_path / "figures" / "paper_tables.md").read_text().split("## ")
    filled = {
        part.split(":")[0]: sum(
            not line.split(" | ")[1].startswith("–")
            for line in part.splitlines()
            if line.startswith("| ") and "±" in line
        )
        for part in tables
        if part.startswith("Table ")
    }
    assert filled == {"Table 1": 14, "Table 2": 8, "Table 3": 14, "Table 4": 8, "Table 5": 14, "Table 6": 8}
    claims = pd.read_parquet(tmp_path / "figures" / "claims.parquet")
    tested = claims[claims["verdict"] != "not tested"]
    assert {"H2", "H3"} <= set(tested["claim"]) and (tested["first_num_runs"] == 5).all()
    assert pd.read_csv(tmp_path / "figures" / "claims.csv")["verdict"].tolist() == claims["verdict"].tolist()


def test_bad_input_is_exit_code_2_with_the_way_out(tmp_path):
    missing = command(str(tmp_path / "nothing"))
    assert missing.returncode == 2 and "Traceback" not in missing.stderr
    assert "there are no results in" in missing.stderr and "python -m mdlray.sweep nothing" in missing.stderr
    (tmp_path / "trials.parquet").write_bytes(b"broken")
    broken = command(str(tmp_path))
    assert broken.returncode == 2 and "trials.parquet is damaged" in broken.stderr


def test_the_report_needs_neither_torch_nor_ray():
    code = (
        "import sys, mdlray.report, mdlray.results.derived.front; print({'torch', 'ray', 'optuna'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
