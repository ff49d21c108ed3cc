"""Tables as files: what is damaged, what only cannot be read, and what every error says."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from mdlray.results import load
from mdlray.results.conversion import to_table
from mdlray.results.parquet import DamagedFileError, parquet_bytes, read_parquet
from mdlray.results.schema import ROW_VERSION, TRIALS
from mdlray.storage.local import LocalFolder


def test_a_damaged_file_is_named_with_the_way_out(tmp_path, make_row):
    content = parquet_bytes(to_table([make_row()], TRIALS))
    for number, damaged in enumerate([b"", b"nonsense", content[: len(content) // 2], content[:-4] + b"XXXX"]):
        path = tmp_path / f"{number}.parquet"
        path.write_bytes(damaged)
        with pytest.raises(
            DamagedFileError, match=rf"{number}\.parquet is damaged: all its [\d,]+ bytes were"
        ) as raised:
            read_parquet(LocalFolder(path.parent), path.name)
        assert "Run the sweep again: it moves the file aside" in str(raised.value)
        assert "delete" not in str(raised.value) and path.read_bytes() == damaged


def test_a_flipped_bit_of_the_data_is_noticed_or_harmless(tmp_path, make_row):
    """Of the data, not of the footer: some damages there end the process inside Arrow, before Python can speak."""
    table = to_table([make_row(seed=seed) for seed in range(5)], TRIALS)
    content = parquet_bytes(table)
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    path = tmp_path / "part.parquet"
    for storage in range(4, footer, 89):
        path.write_bytes(content[:storage] + bytes([content[storage] ^ 1]) + content[storage + 1 :])
        try:
            assert read_parquet(LocalFolder(path.parent), path.name) == table
        except ValueError as error:
            assert "part.parquet is damaged" in str(error)


def test_a_newer_row_version_is_refused_by_name_and_number(tmp_path, make_row):
    path = tmp_path / "new.parquet"
    path.write_bytes(parquet_bytes(to_table([make_row(), make_row(row_version=ROW_VERSION + 1)], TRIALS)))
    with pytest.raises(ValueError, match=rf"new\.parquet .* version {ROW_VERSION + 1}.* up to {ROW_VERSION}; update"):
        read_parquet(LocalFolder(path.parent), path.name, ["trial_id"])
    marked = pa.table({"trial_id": ["t"]}).replace_schema_metadata({"mdlray_row_version": "9"})
    path.write_bytes(parquet_bytes(marked))
    with pytest.raises(ValueError, match="version 9"):
        read_parquet(LocalFolder(path.parent), path.name)


def test_a_foreign_table_is_refused(tmp_path):
    path = tmp_path / "foreign.parquet"
    path.write_bytes(parquet_bytes(pa.table({"x": [1]})))
    with pytest.raises(ValueError, match="foreign.parquet has no column 'trial_id'"):
        read_parquet(LocalFolder(path.parent), path.name)


def test_no_file_is_not_a_damaged_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_parquet(LocalFolder(tmp_path), "none.parquet")


@contextmanager
def without_privileges() -> Iterator[None]:
    """To root every file is readable: be somebody else for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_file_that_may_not_be_read_is_not_a_damaged_file(make_row):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = Path(folder) / "trials.parquet"
        path.write_bytes(parquet_bytes(to_table([make_row()], TRIALS)))
        path.chmod(0)
        with without_privileges(), pytest.raises(PermissionError) as raised:
            load(folder)
        assert f"{path} cannot be read (Permission denied). Nothing is lost: make it readable for the user" in str(
            raised.value
        )
        path.chmod(0o644)
        os.chmod(folder, 0)
        with without_privileges(), pytest.raises(PermissionError, match="cannot be read .*make it readable"):
            load(folder)


def test_what_the_system_refuses_is_said_in_its_words(tmp_path):
    """A folder in the place of the file, and a link that leads in a circle."""
    (tmp_path / "folder.parquet").mkdir()
    os.symlink("circle.parquet", tmp_path / "circle.parquet")
    for name, reason in {"folder": "Is a directory", "circle": "Too many levels of symbolic links"}.items():
        with pytest.raises(
            OSError, match=rf"{name}.parquet cannot be read \({reason}\)\. Nothing is lost: give the same"
        ):
            read_parquet(LocalFolder(tmp_path), f"{name}.parquet")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        LocalFolder(tmp_path).exists("circle.parquet")


def test_a_folder_whose_name_is_no_text_has_readable_tables(tmp_path, make_row):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    table = to_table([make_row()], TRIALS)
    (folder / "trials.parquet").write_bytes(parquet_bytes(table))
    assert read_parquet(LocalFolder(folder), "trials.parquet") == table
    assert read_parquet(LocalFolder(folder), "trials.parquet", ["trial_id"]).column_names == ["trial_id"]
    (folder / "trials.parquet").write_bytes(b"nonsense")
    with pytest.raises(DamagedFileError):
        read_parquet(LocalFolder(folder), "trials.parquet")
