"""Names, ours and others'."""

import pytest

from mdlray.models import get_family
from mdlray.registry import find


def test_ours_come_first_and_unknown_names_list_the_known() -> None:
    assert find({"a": 1, "b": 2}, "letter", "b") == 2
    with pytest.raises(ValueError, match="letter is 'c'; known are: a, b"):
        find({"a": 1, "b": 2}, "letter", "c")


def test_entry_points_of_other_packages_are_found() -> None:
    """Any installed package will do: pytest's own console script."""
    assert callable(find({}, "script", "pytest", "console_scripts"))


@pytest.fixture
def plug_ins(tmp_path, monkeypatch):
    """An installed package as Python sees it: modules, and metadata with entry points of every broken kind."""
    (tmp_path / "raises.py").write_text("1 / 0\n")
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit('no license')\n")
    (tmp_path / "sound.py").write_text("number = 7\n")
    metadata = tmp_path / "odd-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    points = {
        "good": "sound:number",
        "raises": "raises:x",
        "leaves": "leaves:x",
        "gone": "nowhere:x",
        "bare": "sound:x",
    }
    lines = [f"{name} = {value}\n" for name, value in points.items()]
    (metadata / "entry_points.txt").write_text("[mdlray.models]\n" + "".join(lines))
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("raises", "ZeroDivisionError: division by zero"),
        ("leaves", "SystemExit: no license"),
        ("gone", "ModuleNotFoundError: No module named 'nowhere'"),
        ("bare", "AttributeError: .*has no attribute 'x'"),
    ],
)
def test_a_broken_plug_in_is_named_with_its_package_and_harms_no_other(plug_ins, name: str, cause: str) -> None:
    with pytest.raises(
        ValueError, match=f"the plug-in '{name}' of package 'odd' .*'mdlray.models'.*{cause}.*reinstall"
    ):
        find({}, "family", name, "mdlray.models")
    assert find({}, "family", "good", "mdlray.models") == 7
    with pytest.raises(ValueError, match="the plug-in 'good' of package 'odd' .* is a int, it must be a Family"):
        get_family("good")
    with pytest.raises(ValueError, match="known are: .*bare, convnet, dense, gone, good, hashed"):
        get_family("resnet")
