"""Tables as Parquet files of a storage, and reading them with errors that say what to do.

A file is called damaged only if its bytes were read whole and Parquet rejects them. An error of the system, such as
"permission denied" or "stale file handle", says nothing of the content, and is reported as the storage words it. So is
a path that Arrow cannot open, e.g. one whose name is not UTF-8: its bytes are read by Python instead.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mdlray.results.schema import ROW_VERSION
from mdlray.storage.storage import Storage

# A damaged footer also makes ordinary ValueErrors, e.g. from names that are no text any more.
_REJECTED = (pa.ArrowException, OSError, ValueError)


class DamagedFileError(ValueError):
    """The bytes of a file were read whole, and they are not what the file should hold."""

    def __init__(self, where: Path | str, reason: str):
        self.reason = reason
        super().__init__(
            f"{where} is damaged: {reason}. Run the sweep again: it moves the file aside and says what is lost with it."
        )


def parquet_bytes(table: pa.Table) -> bytes:
    """The table as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def read_parquet(storage: Storage, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The table in a file, or some of its columns.

    Raises FileNotFoundError for no file, OSError for a file that cannot be read, DamagedFileError for one that is not
    Parquet, and ValueError for one of a newer row version or without a column that it must have.
    """
    where = storage.address(name)
    if isinstance(where, Path):
        try:
            # Arrow reads only the columns that are wanted.
            table = _read(where, columns)
        except (FileNotFoundError, MemoryError, pa.ArrowCancelled):
            raise
        except _REJECTED:
            # Arrow words errors of the system and of the content alike; reading the bytes below tells them apart.
            pass
        else:
            return _accepted(table, where)
    content = storage.read(name)
    try:
        table = _read(pa.py_buffer(content), columns)
    except (MemoryError, pa.ArrowCancelled):
        raise
    except _REJECTED as error:
        first_line = str(error).partition("\n")[0].rstrip(".")
        raise DamagedFileError(
            where, f"all its {len(content):,} bytes were read, and they are no Parquet table: {first_line}"
        ) from error
    return _accepted(table, where)


def read_parquets(storage: Storage, names: Sequence[str], columns: Sequence[str] | None = None) -> list[pa.Table]:
    """The tables of several files, in the order of the names; errors as of `read_parquet`."""
    if storage.num_parallel == 1 or len(names) < 2:
        return [read_parquet(storage, name, columns) for name in names]
    with ThreadPoolExecutor(storage.num_parallel) as pool:
        return list(pool.map(lambda name: read_parquet(storage, name, columns), names))


def _read(source: Path | pa.Buffer, columns: Sequence[str] | None) -> pa.Table | str:
    """The table, or why a file that is not damaged is refused."""
    with pq.ParquetFile(source, pre_buffer=True, page_checksum_verification=True) as file:
        # Bytes come from a bucket. A process that ends soon after Arrow's threads have read such bytes may abort
        # ("terminate called without an active exception", up to one in three with pyarrow 26), with one thread never.
        use_threads = isinstance(source, Path)
        return _refusal(file, columns or ()) or file.read(columns=columns, use_threads=use_threads)


def _accepted(table: pa.Table | str, where: Path | str) -> pa.Table:
    if isinstance(table, str):
        raise ValueError(f"{where} {table}")
    return table


def _refusal(file: pq.ParquetFile, columns: Sequence[str]) -> str:
    """Why a file that is not damaged is refused, and what to do; empty if it is not refused."""
    version = _row_version(file)
    if version > ROW_VERSION:
        return (
            f"has rows of version {version}, this mdlray reads versions up to {ROW_VERSION}; "
            "update mdlray to the version that wrote the file."
        )
    missing = sorted({"trial_id", *columns} - set(file.schema_arrow.names))
    return f"has no column {missing[0]!r}, so mdlray did not write it; move it away." if missing else ""


def _row_version(file: pq.ParquetFile) -> int:
    """The newest version in the file: by its metadata, and by the column's statistics, which take no reading."""
    version = int((file.schema_arrow.metadata or {}).get(b"mdlray_row_version", b"0"))
    if "row_version" not in file.schema_arrow.names:
        return version
    column = file.schema_arrow.names.index("row_version")
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    statistics = [group.column(column).statistics for group in groups if group.num_rows]
    return max([version, *(int(s.max) for s in statistics if s is not None and s.has_min_max)])
