"""Files that are whole or absent: atomic writing, and reading Parquet with errors that say what to do.

A file is written beside its place as `.tmp-<pid>-<name>`, flushed, fsynced and renamed; then its folder is fsynced. So
whoever is killed, and whenever, leaves the old file, the new file, or the old file and a leftover that nobody reads.
Assumes a POSIX file system, where a rename within a folder is atomic.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mdlray.tables.schema import ROW_VERSION

LEFTOVER = ".tmp-"
"""Prefix of the names of files that are not finished."""


def write_atomically(contents: Mapping[Path, bytes]) -> None:
    """Write every file whole or not at all, in the order given; missing folders are made."""
    for path, content in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{LEFTOVER}{os.getpid()}-{path.name}")
        try:
            with open(beside, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    # Once per folder, not once per file: a pack brings a thousand models.
    for folder in {path.parent for path in contents}:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def parquet_bytes(table: pa.Table) -> bytes:
    """The table as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The file's table, or some of its columns.

    Raises FileNotFoundError for no file, ValueError for a damaged one and for one of a newer row version.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            refusal = _refusal(file, columns or ())
            if not refusal:
                return file.read(columns=columns)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as reason:
        # Arrow's own errors say nothing of the file; a ValueError comes from names that are no text any more.
        raise ValueError(
            f"{path} is damaged ({str(reason).partition(chr(10))[0]}); delete it and run the sweep again: "
            "the trials that are only in this file are then run anew."
        ) from reason
    raise ValueError(f"{path} {refusal}")


def _refusal(file: pq.ParquetFile, columns: Sequence[str]) -> str:
    """Why a sound file is not read, and what to do; empty where it is."""
    version = _row_version(file)
    if version > ROW_VERSION:
        return (
            f"has rows of version {version}, this mdlray reads versions up to {ROW_VERSION}; "
            "update mdlray to the version that wrote the file."
        )
    missing = sorted({"trial_id", *columns} - set(file.schema_arrow.names))
    return f"has no column {missing[0]!r}, so mdlray did not write it; move it away." if missing else ""


def _row_version(file: pq.ParquetFile) -> int:
    """The newest version in the file: by its metadata, and by the column's statistics, which cost no reading."""
    version = int((file.schema_arrow.metadata or {}).get(b"mdlray_row_version", b"0"))
    if "row_version" not in file.schema_arrow.names:
        return version
    column = file.schema_arrow.names.index("row_version")
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    found = [group.column(column).statistics for group in groups if group.num_rows]
    return max([version, *(int(s.max) for s in found if s is not None and s.has_min_max)])
