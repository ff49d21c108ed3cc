"""Names, ours and others'."""

import pytest

from mdlray.registry import find


def test_ours_come_first_and_unknown_names_list_the_known() -> None:
    assert find({"a": 1, "b": 2}, "letter", "b") == 2
    with pytest.raises(ValueError, match="letter is 'c'; known are: a, b"):
        find({"a": 1, "b": 2}, "letter", "c")


def test_entry_points_of_other_packages_are_found() -> None:
    """Any installed package will do: pytest's own console script."""
    assert callable(find({}, "script", "pytest", "console_scripts"))
