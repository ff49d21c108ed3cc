"""From a name to a sweep, and what is wrong with a file in words."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mdlray.planning import expand, space_of
from mdlray.planning.sweep_file import OWN_SWEEPS, find_sweep, list_sweeps, load_listed_sweep, load_sweep, note_on


def test_the_projects_sweeps_load_and_expand() -> None:
    assert [path.stem for path in list_sweeps()]
    for path in list_sweeps():
        sweep = load_sweep(path)
        assert sweep.name == path.stem and (expand(sweep) or sweep.space)
        assert sweep.quick is not None and len(expand(sweep.quick)) < 100
        assert sweep.quick.grids or space_of(sweep.quick).num_trials < 100


def test_unknown_or_broken_sweeps_are_explained(tmp_path) -> None:
    with pytest.raises(ValueError, match="no sweep 'nope'; known are: compare_pruning"):
        find_sweep("nope")
    with pytest.raises(ValueError, match="there is no file /.*/nope.py; give the path"):
        find_sweep("nope.py")
    file = tmp_path / "empty.py"
    file.write_text("SWEEP = 3\n")
    with pytest.raises(ValueError, match="must define SWEEP, a mdlray.planning.Sweep; it has int"):
        load_sweep(file)
    for text, words in (
        ("x = 1\nSWEEP = = 2", "empty.py, line 2: SyntaxError"),
        ("from mdlray.spec import CompressionSpec\n\nCompressionSpec(ratio=3)", "line 3: TypeError.*'ratio'"),
        ("import no_such_module", "line 1: ModuleNotFoundError"),
    ):
        file.write_text(text)
        with pytest.raises(ValueError, match=words):
            load_sweep(file)


def test_a_folder_here_adds_to_our_sweeps(tmp_path, monkeypatch) -> None:
    """Somebody else's `sweeps/` hides none of ours; a file of one name wins, and a note says so."""
    ours = {path.stem for path in list_sweeps()}
    here = tmp_path / "sweeps"
    here.mkdir()
    (here / "agent.py").write_text("import wandb\nraise SystemExit('this script was run')\n")
    (here / "pareto_search.py").write_text("SWEEP = 3\n")
    monkeypatch.chdir(tmp_path)
    assert {path.stem for path in list_sweeps()} == ours | {"agent"}
    assert find_sweep("compare_pruning") == OWN_SWEEPS / "compare_pruning.py"
    assert note_on(find_sweep("compare_pruning")) is None and note_on(Path("sweeps/agent.py")) is None
    assert find_sweep("pareto_search") == Path("sweeps/pareto_search.py")
    assert "takes the place of mdlray's own sweep" in str(note_on(find_sweep("pareto_search")))
    with pytest.raises(ValueError, match="agent.py does not define SWEEP"):
        load_listed_sweep(Path("sweeps/agent.py"))


def test_the_checkouts_own_folder_is_no_other(monkeypatch) -> None:
    monkeypatch.chdir(OWN_SWEEPS.parent)
    assert all(note_on(path) is None for path in list_sweeps())


@pytest.mark.slow
def test_a_wheel_has_our_sweeps(tmp_path) -> None:
    """Installed from a wheel, the command lists the same sweeps from any folder."""
    root = OWN_SWEEPS.parent
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(root)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("mdlray-*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    code = "from mdlray.planning.sweep_file import *; print(*(path.stem for path in list_sweeps()), OWN_SWEEPS)"
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "installed")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    ours = sorted(path.stem for path in OWN_SWEEPS.glob("*.py"))
    assert done.stdout.split() == [*ours, str(tmp_path / "installed" / "mdlray" / "_sweeps")]
