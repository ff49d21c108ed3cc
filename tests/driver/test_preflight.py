"""What workers lack is said once, before any pack starts; what lies beside a sweep's file reaches them."""

import functools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mdlray
from mdlray.data.sources import BASES
from mdlray.driver.preflight import check_workers, plugins_of, problem_here
from mdlray.planning.definitions import Definitions, read_definitions
from mdlray.spec import TrialSpec, replace_fields

ASSETS = Path(__file__).parents[1] / "assets"
RAYS_OWN = ("ResourceWarning", "FutureWarning", "DeprecationWarning", "pytest.PytestUnraisableExceptionWarning")
pytestmark = [pytest.mark.filterwarnings(f"ignore::{warning}") for warning in RAYS_OWN]

BESIDE = '''
import json
import numpy as np
from dataclasses import replace
from pathlib import Path
from mdlray.data import BaseImages
from mdlray.data.sources import BASES
from mdlray.spec import replace_fields
from my_axes import NAME

OPTIONS = json.loads((Path(__file__).parent / "axes.json").read_text())


def read_stripes(root):
    """Twenty pictures of stripes, in a folder of the sweep's own."""
    pixels = np.load(Path(__file__).parent / "stripes.npy")
    labels = (pixels[:, 0] > 0).astype(np.uint8)
    return BaseImages(pixels_NP=pixels, labels_N=labels, num_classes=2, image_shape=(4, 4), study_sizes=(120, 40, 40))


BASES["stripes"] = read_stripes
base = replace_fields(SWEEP.base, {"data.dataset": "stripes"})
SWEEP = replace(SWEEP, name=NAME, base=base, grids=({"ratio": vary("compression.pruning_ratio", *OPTIONS)},))
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder: a sweep, a module and files beside it."""
    place = tmp_path / "user"
    place.mkdir()
    (place / "own.py").write_text((ASSETS / "tiny_sweep.py").read_text() + BESIDE)
    (place / "my_axes.py").write_text('NAME = "beside"\n')
    (place / "axes.json").write_text("[0.25, 0.5]")
    pixels = np.random.default_rng(0).integers(0, 256, (200, 16), np.uint8)
    pixels[:, 0] = 255 * (np.arange(200) % 2)
    np.save(place / "stripes.npy", pixels)
    return place


def test_names_of_other_packages_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BASES, "own", BASES["mnist5k"])
    ours = {"compression.method": "obd", "compression.pruning_ratio": 0.5, "data.dataset": "own_rotation"}
    assert plugins_of([replace_fields(TrialSpec(), ours)]) == []
    others = {"model.family": "residual", "compression.method": "movement"}
    trials = [replace_fields(TrialSpec(), {name: value}) for name, value in others.items()]
    assert plugins_of(trials) == [("mdlray.models", "residual"), ("mdlray.compressors", "movement")]


def test_a_machine_that_lacks_something_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every machine answers by running the very function; here one has the variable and the other has not."""
    (folder / "key.py").write_text("import os\nKEY = os.environ['THE_KEY']\n")
    monkeypatch.setenv("THE_KEY", "1")
    definitions, _ = read_definitions(folder / "key.py")
    assert problem_here(definitions, []) is None

    def two_machines(task):
        answers = {"10.0.0.1": task()}
        monkeypatch.delenv("THE_KEY")
        (folder / "key.py").write_text("moved")
        monkeypatch.setattr("mdlray.planning.definitions._defined", {})
        return answers | {"10.0.0.2": task()}

    with pytest.raises(ValueError, match=r"workers on 10.0.0.2 cannot load the sweep \(1 of 2 .*line 2: KeyError"):
        check_workers(definitions, [TrialSpec()], two_machines)
    assert "no package here has the plug-in 'residual'" in str(
        problem_here(Definitions(), [("mdlray.models", "residual")])
    )


@pytest.mark.slow
def test_what_lies_beside_the_file_reaches_the_workers(folder: Path, tmp_path: Path) -> None:
    """A module, options and a data set of one's own, from another working directory, in a Ray of our own."""
    words = [sys.executable, "-m", "mdlray.sweep", "user/own.py", "--gpus", "0"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = mdlray.load(tmp_path / "results" / "beside")
    assert set(rows["pruning_ratio"]) == {0.25, 0.5} and set(rows["dataset"]) == {"stripes"}
    assert (rows["status"] == "ok").all()


@pytest.mark.slow
def test_a_worker_that_cannot_load_the_sweep_is_the_sweeps_error(separate_cluster, folder: Path) -> None:
    """A variable that only the command has: one message and nothing stored, in place of failed rows."""
    text = (folder / "own.py").read_text().replace("OPTIONS =", "import os\nos.environ['THE_KEY']\nOPTIONS =")
    (folder / "own.py").write_text(text)
    cluster = separate_cluster((1, 1))
    log = cluster.folder / "log"
    run = functools.partial(cluster.sweep, str(folder / "own.py"), "--gpus", "0", log=log, THE_KEY="1")
    assert run().wait(180) == 2, log.read_text()
    said = " ".join(log.read_text().split())
    assert "cannot load the sweep" in said and "KeyError: 'THE_KEY'" in said and "before `ray start`" in said
    assert not list((cluster.folder / "results").rglob("*trials.parquet")) and said.count("THE_KEY") < 6
