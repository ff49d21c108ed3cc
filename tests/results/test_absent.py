"""Where there are no results, the message says what to give or to run instead."""

import re
from pathlib import Path

import pytest

import mdlray
from mdlray.driver import search
from mdlray.results import Store
from mdlray.results.absent import MOST_SHOWN, SAMPLERS
from mdlray.results.pack_result import PackResult


def message(place: Path) -> str:
    with pytest.raises(FileNotFoundError) as error:
        mdlray.load(place)
    return str(error.value)


def test_a_folder_of_folders_names_those_that_have_results(tmp_path, make_row):
    tmp_path = tmp_path / "results"
    tmp_path.mkdir()
    (tmp_path / "empty").mkdir()
    for name in ("b", "a"):
        Store(tmp_path / name).write_pack("p0", PackResult({"trials": [make_row()]}))
    assert message(tmp_path).endswith(f"in folders in it; give one of them: {tmp_path / 'a'}, {tmp_path / 'b'}.")
    above = message(tmp_path.parent)
    assert str(tmp_path / "a") in above and "give one of them" in above
    for number in range(MOST_SHOWN):
        Store(tmp_path / f"c{number}").write_pack("p0", PackResult({"trials": [make_row()]}))
    assert message(tmp_path).endswith(f"{tmp_path / 'c5'} and 2 more.")


@pytest.mark.parametrize("name", ["trials.parquet", "report.html"])
def test_a_file_in_the_folder_is_answered_with_the_folder(tmp_path, make_row, name):
    store = Store(tmp_path / "small")
    store.write_pack("p0", PackResult({"trials": [make_row()]}))
    store.compact()
    (tmp_path / "small" / "report.html").write_text("")
    missing = tmp_path / "gone" / name
    assert message(missing).startswith(f"{missing} names a file; give the folder of the sweep, {missing.parent},")
    file = tmp_path / "small" / name
    assert message(file) == f"{file} names a file; give the folder of the sweep, {file.parent}, not a file in it."


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("sp_zero", "sp_zero"),
        ("sp_zero-tpe", "sp_zero --search tpe"),
        ("sp_zero-quick", "sp_zero --quick"),
        ("sp_zero-quick-nsga2", "sp_zero --quick --search nsga2"),
        ("my-sweep", "my-sweep"),
    ],
)
def test_a_folder_that_is_missing_is_answered_with_the_command_that_makes_it(tmp_path, name, command):
    assert re.search(
        rf"no results in {tmp_path / name}; `python -m mdlray.sweep {command}` makes", message(tmp_path / name)
    )


def test_the_samplers_are_those_of_the_search():
    assert set(SAMPLERS) == set(search.SAMPLERS)
