"""The command and the report on a folder whose rows are there: what is asked, and what is damaged (no Ray)."""

import os
from pathlib import Path

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

import mdlray
from mdlray.planning import expand
from mdlray.planning.sweep_file import load_sweep
from mdlray.report.__main__ import main as report_main
from mdlray.results import Store
from mdlray.results.asked import note_asked, read_asked
from mdlray.results.pack_result import PackResult
from mdlray.results.schema import CURVES, failed_row
from mdlray.spec import TrialSpec
from mdlray.sweep import app

RATIOS = "0.5, 0.99"
FILE = """
from mdlray.planning import Sweep, vary, vary_seeds
from mdlray.spec import CompressionSpec, DataSpec, ModelSpec, TrialSpec

SWEEP = Sweep(
    name="toy",
    question="Which ratio?",
    base=TrialSpec(
        data=DataSpec(dataset="mnist5k"),
        model=ModelSpec(hidden_units=(6,)),
        compression=CompressionSpec(method="magnitude"),
    ),
    grids=({"repetition": vary_seeds(2), "ratio": vary("compression.pruning_ratio", RATIOS)},),
)
"""


class Folder:
    """A sweep's file, its results, and rows that are made rather than trained."""

    def __init__(self, root: Path):
        self.file, self.results = root / "toy.py", root / "results"
        self.store = Store(self.results / "toy")
        self.ask(RATIOS)

    def ask(self, ratios: str, name: str = "toy") -> None:
        """Edit the sweep's file."""
        self.file.write_text(FILE.replace("RATIOS", ratios).replace('"toy"', f'"{name}"'))

    def trials(self, seed: int = 0, dataset: str | None = None) -> list[TrialSpec]:
        changes = {"data.dataset": dataset} if dataset else {}
        return expand(load_sweep(self.file), seed=seed, changes=changes)

    def fill(self, specs: list[TrialSpec], failed: int = 0) -> None:
        """Rows of these trials: fewer bytes and less accuracy where more is pruned, so that all are on the front."""
        rows = []
        for number, spec in enumerate(specs):
            row = failed_row(spec, "made to fail")
            row |= {"sweep": "toy", "pack_id": "p0", "num_members_in_pack": 1, "device": "cpu", "wall_seconds": 0.0}
            accuracies = ("train_accuracy", "validation_accuracy", "test_accuracy", "trained_test_accuracy")
            ratio = spec.compression.pruning_ratio
            measured = dict.fromkeys(accuracies, 1 - ratio / 10) | {"compressed_bytes": round(3000 * (1.1 - ratio))}
            measured |= {"status": "ok", "error": None, "num_weights": 4764, "num_nonzero": 500, "decoded_ok": True}
            rows.append(row if number < failed else row | measured)
        curves = [dict.fromkeys(CURVES.names, 0.5) | {"trial_id": s.trial_id, "epoch": 1} for s in specs]
        self.store.write_pack(f"p{len(self.store.status_by_trial())}", PackResult({"trials": rows, "curves": curves}))

    def command(self, *words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, [str(self.file), "--results", str(self.results), *words])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, " ".join(done.output.split())

    def front(self) -> dict[float, int]:
        """Pruning ratio → repetitions."""
        # As an open file: Arrow takes no path whose name is no text.
        with open(self.store.path("front.parquet"), "rb") as file:
            front = pd.read_parquet(file)
        return dict(zip(front["pruning_ratio"], front["num_trials"], strict=True))

    def page(self) -> str:
        return Path(self.store.path("report.html")).read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


NOT_ASKED = "2 rows in this folder are of trials that the sweep does not ask (kept, not on the front)."


def report(folder: Folder, capsys: pytest.CaptureFixture[str]) -> str:
    """`python -m mdlray.report`, in this process; what it says on stderr."""
    capsys.readouterr()
    report_main(str(folder.store.path("")))
    return capsys.readouterr().err


def test_the_plan_names_rows_that_are_not_asked(folder: Folder) -> None:
    note_asked(folder.store, "", [spec.trial_id for spec in folder.trials()])
    folder.fill(folder.trials())
    assert "does not ask" not in folder.command("--plan")[1]
    folder.ask("0.5")
    assert NOT_ASKED in folder.command("--plan")[1]
    folder.ask(RATIOS)
    assert "does not ask" not in folder.command("--plan", "--trials", "1")[1]


@pytest.mark.slow
def test_an_option_that_is_taken_out_of_the_file_leaves_the_front(folder: Folder, capsys) -> None:
    folder.fill(folder.trials())
    code, output = folder.command()
    assert code == 0 and "all 4 trials are done." in output and "does not ask" not in output
    assert folder.front() == {0.99: 2, 0.5: 2}
    folder.ask("0.5")
    assert NOT_ASKED in folder.command("--plan")[1]
    code, output = folder.command()
    assert code == 0 and "all 2 trials are done." in output and NOT_ASKED in output
    assert folder.front() == {0.5: 2} and len(mdlray.load(folder.store.folder)) == 4
    assert NOT_ASKED in folder.page() and "2 trials: 2 ok" in folder.page()
    assert NOT_ASKED in report(folder, capsys) and "2 trials: 2 ok" in folder.page()
    folder.ask(RATIOS)
    assert folder.command()[0] == 0 and folder.front() == {0.99: 2, 0.5: 2} and "does not ask" not in folder.page()


@pytest.mark.slow
def test_another_file_of_the_same_name_has_a_front_of_its_own(folder: Folder) -> None:
    folder.fill(folder.trials())
    assert folder.command()[0] == 0
    folder.ask("0.7, 0.8")
    folder.fill(folder.trials())
    code, output = folder.command()
    assert code == 0 and "4 rows in this folder are of trials that the sweep does not ask" in output
    assert folder.front() == {0.8: 2, 0.7: 2} and len(mdlray.load(folder.store.folder)) == 8


@pytest.mark.slow
def test_a_command_that_runs_less_takes_nothing_off_the_front(folder: Folder) -> None:
    folder.fill(folder.trials())
    code, output = folder.command("--trials", "1")
    assert code == 0 and "all 1 trials are done." in output and "does not ask" not in output
    assert folder.front() == {0.99: 2, 0.5: 2}


@pytest.mark.slow
def test_commands_with_other_data_and_seeds_fill_one_front(folder: Folder) -> None:
    for words, changes in (([], {}), (["--seed", "5"], {"seed": 5}), (["--dataset", "mnist"], {"dataset": "mnist"})):
        folder.fill(folder.trials(**changes))
        code, output = folder.command(*words)
        assert code == 0 and "does not ask" not in output and "all 4 trials are done." in output
    front = pd.read_parquet(folder.store.path("front.parquet"))
    assert set(read_asked(folder.store)) == {"", "--seed 5", "--dataset mnist"}
    assert dict(zip(front["dataset"], front["num_trials"], strict=True)) == {"mnist": 2, "mnist5k": 4}
    folder.ask("0.5")
    code, output = folder.command("--seed", "5")
    assert NOT_ASKED in output, "the other two commands have asked for both ratios"
    assert "4 rows in this folder" in folder.command()[1]


@pytest.mark.slow
def test_rows_of_a_folder_without_notes_stay_on_the_front_with_a_word(folder: Folder) -> None:
    folder.fill(folder.trials())
    folder.ask("0.5")
    code, output = folder.command()
    assert code == 0 and "2 rows are older than the notes of what is asked here; they count as asked." in output
    assert folder.front() == {0.99: 2, 0.5: 2}


@pytest.mark.slow
def test_a_folder_with_nothing_that_is_asked_has_a_page(folder: Folder, capsys) -> None:
    note_asked(folder.store, "", [])
    folder.fill(folder.trials())
    assert "4 rows in this folder are of trials" in report(folder, capsys) and "0 trials" in folder.page()


@pytest.mark.slow
def test_a_finished_sweep_says_how_many_trials_failed(folder: Folder) -> None:
    folder.fill(folder.trials(), failed=4)
    code, output = folder.command()
    assert code == 1 and "all 4 trials have a row, and 4 of them failed" in output and "--retry-failed" in output


@pytest.mark.slow
def test_damaged_curves_are_moved_aside_with_a_word_and_the_command_goes_on(folder: Folder) -> None:
    folder.fill(folder.trials())
    assert folder.command()[0] == 0
    path = folder.results / "toy" / "curves.parquet"
    path.write_bytes(path.read_bytes()[:100])
    code, output = folder.command()
    assert code == 0 and f"note: {path} is damaged (all its 100 bytes were read" in output, output
    assert "4 of 4 trials have no curves now." in output and "all 4 trials are done." in output
    assert (path.parent / "damaged" / "1-curves.parquet").stat().st_size == 100
    code, output = folder.command()
    assert code == 0 and "is damaged" not in output


def test_damaged_trials_are_missing_again(folder: Folder, capsys) -> None:
    folder.fill(folder.trials())
    assert folder.command()[0] == 0
    path = folder.results / "toy" / "trials.parquet"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(typer.Exit) as ended:
        report(folder, capsys)
    said = capsys.readouterr().err
    assert ended.value.exit_code == 2
    assert "trials.parquet is damaged" in said and "Run the sweep again: it moves the file aside" in said
    code, output = folder.command("--plan")
    assert code == 2 and "Run the sweep again: it moves the file aside" in output and path.stat().st_size == 1000


CUT = b'{"runs": [{"sweep": "to'
CONFLICT = b"<<<<<<< ours\n{}\n=======\n{}\n>>>>>>> theirs\n"


@pytest.mark.slow
@pytest.mark.parametrize("content", [CUT, CONFLICT, b"[3]"], ids=["cut", "conflict", "another shape"])
def test_a_damaged_manifest_stops_nobody(content: bytes, folder: Folder, capsys) -> None:
    folder.fill(folder.trials())
    (folder.results / "toy" / "manifest.json").write_bytes(content)
    assert "manifest.json is damaged" in report(folder, capsys)
    assert "The question and the study of the sweep are not known" in folder.page()
    code, output = folder.command()
    assert (
        code == 0 and "manifest.json is damaged (" in output and "earlier runs are only noted in the old file" in output
    )
    assert (folder.results / "toy" / "damaged" / "1-manifest.json").read_bytes() == content
    assert "manifest" not in report(folder, capsys)


@pytest.mark.slow
def test_results_in_a_folder_whose_name_is_no_text(tmp_path: Path, capsys) -> None:
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    strange.mkdir()
    folder = Folder(strange)
    folder.file = tmp_path / "toy.py"
    folder.ask(RATIOS)
    folder.fill(folder.trials())
    code, output = folder.command()
    assert code == 0 and "all 4 trials are done." in output, output
    assert folder.front() == {0.99: 2, 0.5: 2} and "Which ratio?" not in folder.page()
