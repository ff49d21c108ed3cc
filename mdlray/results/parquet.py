"""Tables as Parquet files of a place, and reading them with errors that say what to do."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq

from mdlray.results.schema import ROW_VERSION
from mdlray.storage.storage import Storage


def parquet_bytes(table: pa.Table) -> bytes:
    """The table as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def read_parquet(storage: Storage, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The file's table, or some of its columns.

    Raises FileNotFoundError for no file, ValueError for a damaged one and for one of a newer row version.
    """
    where = storage.address(name)
    # Fetched whole and first, so that a store that does not answer is never mistaken for a damaged file.
    source = pa.py_buffer(storage.read(name)) if isinstance(where, str) else where
    try:
        with pq.ParquetFile(source, pre_buffer=True, page_checksum_verification=True) as file:
            refusal = _refusal(file, columns or ())
            if not refusal:
                return file.read(columns=columns)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as reason:
        # Arrow's own errors say nothing of the file; a ValueError comes from names that are no text any more.
        raise ValueError(
            f"{where} is damaged ({str(reason).partition(chr(10))[0]}); delete it and run the sweep again: "
            "the trials that are only in this file are then run anew."
        ) from reason
    raise ValueError(f"{where} {refusal}")


def read_parquets(storage: Storage, names: Sequence[str], columns: Sequence[str] | None = None) -> list[pa.Table]:
    """The tables of several files, in their order; errors as of `read_parquet`."""
    if storage.num_parallel == 1 or len(names) < 2:
        return [read_parquet(storage, name, columns) for name in names]
    with ThreadPoolExecutor(storage.num_parallel) as pool:
        return list(pool.map(lambda name: read_parquet(storage, name, columns), names))


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
