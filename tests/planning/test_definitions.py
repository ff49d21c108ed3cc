"""A sweep's file with what lies beside it: what is sent, and that it runs where only that is."""

import hashlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from mdlray.planning.definitions import MOST_BYTES, Definitions, decoded, define, read_definitions

SWEEP = """
import json
from pathlib import Path
from my_axes import RATIOS
import my_package

HERE = Path(__file__).parent
LEVELS = json.loads((HERE / "axes.json").read_text())["levels"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sweep with a module, a package with a part that is imported late, a file, and things it does not need."""
    place = tmp_path / "user"
    (place / "my_package").mkdir(parents=True)
    (place / "own.py").write_text(SWEEP)
    (place / "my_axes.py").write_text("RATIOS = (0.5, 0.9)\n")
    (place / "my_package" / "__init__.py").write_text(
        "def late():\n    from my_package.part import VALUE\n    return VALUE\n"
    )
    (place / "my_package" / "part.py").write_text("VALUE = 7\n")
    (place / "axes.json").write_text('{"levels": [2, 4]}')
    (place / "secrets.txt").write_text("no business of any worker")
    (place / ".env").write_text("KEY=1")
    return place


def elsewhere(definitions: Definitions, code: str) -> str:
    """What code prints in another process, which defines the sweep first."""
    program = (
        "import pickle, sys\nfrom mdlray.planning.definitions import define\n"
        f"names = define(pickle.load(sys.stdin.buffer))\n{code}"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps(definitions), capture_output=True, check=False
    )
    return (done.stdout + done.stderr).decode().strip()


def test_what_the_file_imported_and_read_is_sent_and_nothing_else(folder: Path) -> None:
    definitions, names = read_definitions(folder / "own.py")
    assert names["RATIOS"] == (0.5, 0.9) and names["LEVELS"] == [2, 4]
    assert names["__file__"] == str(folder / "own.py") == definitions.path
    sent = ["axes.json", "my_axes.py", "my_package/__init__.py", "my_package/part.py"]
    assert [name for name, _ in definitions.files] == sent
    assert dict(definitions.files)["axes.json"] == b'{"levels": [2, 4]}'


def test_it_runs_in_place_where_the_files_lie_and_unpacked_where_they_do_not(folder: Path, tmp_path: Path) -> None:
    definitions, _ = read_definitions(folder / "own.py")
    shows = "print(names['RATIOS'], names['LEVELS'], names['my_package'].late(), names['HERE'])"
    assert elsewhere(definitions, shows) == f"(0.5, 0.9) [2, 4] 7 {folder}"
    folder.rename(tmp_path / "gone")
    unpacked = elsewhere(definitions, f"{shows}\nprint(sorted(path.name for path in names['HERE'].glob('[a-z]*')))")
    assert unpacked.startswith("(0.5, 0.9) [2, 4] 7 ") and str(folder) not in unpacked
    assert "['axes.json', 'my_axes.py', 'my_package', 'own.py']" in unpacked
    assert not Path(unpacked.split()[5]).exists(), "the process has tidied up"


def test_files_that_were_edited_since_are_not_mixed_with_those_the_driver_read(folder: Path) -> None:
    definitions, _ = read_definitions(folder / "own.py")
    (folder / "my_axes.py").write_text("RATIOS = (0.1, 0.2)\n")
    assert elsewhere(definitions, "print(names['RATIOS'])") == "(0.5, 0.9)"
    again, names = read_definitions(folder / "own.py")
    assert names["RATIOS"] == (0.1, 0.2), "nor is a module that this process imported before"
    assert again.digest != definitions.digest and again.version != definitions.version


def test_two_folders_may_have_modules_of_one_name(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "own.py").write_text("from my_axes import RATIOS\n")
    (other / "my_axes.py").write_text("RATIOS = (0.99,)\n")
    assert read_definitions(folder / "own.py")[1]["RATIOS"] == (0.5, 0.9)
    assert read_definitions(other / "own.py")[1]["RATIOS"] == (0.99,)
    assert read_definitions(folder / "own.py")[1]["RATIOS"] == (0.5, 0.9)


def test_a_file_that_needs_no_other_has_the_hashes_of_its_text() -> None:
    """Journals and checkpoints of the version before name sweeps by these."""
    for path in sorted((Path(__file__).parents[2] / "sweeps").glob("*.py"))[:3]:
        definitions, _ = read_definitions(path)
        assert definitions.files == () and definitions.version == hashlib.sha256(path.read_bytes()).hexdigest()
        assert definitions.digest == hashlib.sha256(path.read_text().encode()).hexdigest()


def test_large_files_stay_where_they_are(folder: Path, tmp_path: Path) -> None:
    (folder / "big.bin").write_bytes(bytes(MOST_BYTES))
    (folder / "own.py").write_text(SWEEP + "BIG = len((HERE / 'big.bin').read_bytes())\n")
    definitions, names = read_definitions(folder / "own.py")
    assert names["BIG"] == MOST_BYTES and definitions.too_large == ("big.bin",) and len(definitions.files) == 4
    assert elsewhere(definitions, "print(names['BIG'])") == str(MOST_BYTES)
    folder.rename(tmp_path / "gone")
    assert "own.py reads big.bin beside it, more than the 4 MiB that are sent" in elsewhere(definitions, "")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_texts_that_python_reads_are_read(tmp_path: Path, encoding: str) -> None:
    """With Windows' byte-order mark and line ends; with an encoding that the first line declares."""
    declared = "# coding: latin-1\r\n" if encoding == "latin-1" else ""
    path = tmp_path / "own.py"
    path.write_bytes(f"{declared}QUESTION = 'größer?'\r\n".encode(encoding))
    assert read_definitions(path)[1]["QUESTION"] == "größer?"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_other_texts_are_named(encoding: str) -> None:
    with pytest.raises(ValueError, match=r"/x/own.py .*; save it as UTF-8"):
        decoded("QUESTION = 'größer?'\n".encode(encoding), "/x/own.py")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\nSWEEP = = 2", r"own.py, line 2: SyntaxError"),
        ("\nimport sys; sys.exit('choose a data set')", "own.py, line 2: SystemExit: choose a data set"),
        ("import broken", r"own.py, line 1: SyntaxError: .*\(broken.py, line 3\)"),
        ("import os\nos.environ['NO_SUCH_KEY']", "own.py, line 2: KeyError: 'NO_SUCH_KEY'"),
    ],
)
def test_a_file_that_fails_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "broken.py").write_text("\n\nx = = 2\n")
    (tmp_path / "own.py").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_definitions(tmp_path / "own.py")


def test_dataclasses_with_annotations_as_text_find_their_module(tmp_path: Path) -> None:
    imports = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    (tmp_path / "own.py").write_text(f"{imports}\n@dataclass\nclass Point:\n    x: int\n")
    definitions, _ = read_definitions(tmp_path / "own.py")
    assert define(definitions)["Point"](3).x == 3 and define(definitions) is define(definitions)
    assert define(Definitions()) == {}
