"""From a name to a sweep, and what is wrong with a file in words."""

import pytest

from mdlray.planning import expand, space_of
from mdlray.planning.sweep_file import find_sweep, list_sweeps, load_sweep


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
