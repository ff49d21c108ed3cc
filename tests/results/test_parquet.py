import pyarrow as pa
import pytest

from mdlray.results.conversion import to_table
from mdlray.results.parquet import parquet_bytes, read_parquet
from mdlray.results.schema import ROW_VERSION, TRIALS
from mdlray.storage.local import LocalFolder


def test_a_damaged_file_is_named_with_the_way_out(tmp_path, make_row):
    content = parquet_bytes(to_table([make_row()], TRIALS))
    for number, damaged in enumerate([b"", b"nonsense", content[: len(content) // 2], content[:-4] + b"XXXX"]):
        path = tmp_path / f"{number}.parquet"
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=rf"{number}\.parquet is damaged .*; delete it and run the sweep again"):
            read_parquet(LocalFolder(path.parent), path.name)


def test_a_flipped_bit_of_the_data_is_noticed_or_harmless(tmp_path, make_row):
    """Of the data, not of the footer: some damages there end the process inside Arrow, before Python can speak."""
    table = to_table([make_row(seed=seed) for seed in range(5)], TRIALS)
    content = parquet_bytes(table)
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    path = tmp_path / "part.parquet"
    for storage in range(4, footer, 23):
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
