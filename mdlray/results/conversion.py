"""Rows as plain mappings -> Arrow tables with a schema -> pandas. A value that does not fit its column is an error."""

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mdlray.results.schema import TYPES
from mdlray.results.trial_columns import added_columns
from mdlray.spec import from_dict

_EXACT: dict[Any, set[type]] = {pa.string(): {str}, pa.bool_(): {bool}, pa.int64(): {int}, pa.float64(): {float}}
_FLAGS, _WHOLE, _REAL = (bool, np.bool_), numbers.Integral, numbers.Real


def to_table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as an Arrow table with exactly this schema, in the given order.

    Raises ValueError for an unknown or a missing column, for a null in a column that is not nullable, and for a value
    of another type. A whole number is allowed in a column of type `f64`, and NumPy scalars are allowed in every column.
    """
    names = set(schema.names)
    for number, row in enumerate(rows):
        if row.keys() != names:
            wrong = [f"unknown column {name!r}" for name in sorted(row.keys() - names)]
            wrong += [f"no column {name!r}" for name in sorted(names - row.keys())]
            raise ValueError(f"{_place(row, number)} has {', '.join(wrong)}; the columns are: {schema.names}.")
    columns = [_column(rows, field) for field in schema]
    try:
        arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    except OverflowError as reason:
        raise ValueError(f"a whole number does not fit into 64 bits: {reason}.") from reason
    return pa.Table.from_arrays(arrays, schema=schema)


def to_frame(table: pa.Table) -> pd.DataFrame:
    """The table in pandas; nullable whole numbers and flags keep their type (`Int64`, `boolean`).

    A row that was written before a trial had some field gets the field's neutral value in its column (`ADDED_FIELDS`).
    """
    for name, value in added_columns(from_dict({})).items():
        if name in table.column_names:
            filled = pc.fill_null(table[name], value)
            table = table.set_column(table.column_names.index(name), table.schema.field(name), filled)
    exact = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame: pd.DataFrame = table.to_pandas(types_mapper=exact.get, ignore_metadata=True)
    plain = {pa.int64(): "int64", pa.bool_(): "bool"}
    return frame.astype({f.name: plain[f.type] for f in table.schema if not f.nullable and f.type in plain})


def _column(rows: Sequence[Mapping[str, Any]], field: pa.Field) -> list[Any]:
    values = [row[field.name] for row in rows]
    # The curves of a pack have 10,000 values, nearly always of the column's type: each is looked at only if one is not.
    exact = _EXACT.get(field.type, set()) | ({type(None)} if field.nullable else set())
    if {type(value) for value in values} <= exact:
        return values
    return [_settled(row, number, field) for number, row in enumerate(rows)]


def _settled(row: Mapping[str, Any], number: int, field: pa.Field) -> Any:
    value = row[field.name]
    kind = field.type
    if value is None and field.nullable:
        return None
    if kind == pa.string() and isinstance(value, str):
        return value
    if kind == pa.bool_() and isinstance(value, _FLAGS):
        return bool(value)
    if kind == pa.int64() and isinstance(value, _WHOLE) and not isinstance(value, bool):
        return int(value)
    if kind == pa.float64() and isinstance(value, _REAL) and not isinstance(value, bool):
        return float(value)
    if pa.types.is_list(kind) and isinstance(value, list | tuple) and all(isinstance(v, _WHOLE) for v in value):
        return [int(v) for v in value]
    wanted = {name for name, type_ in TYPES.items() if type_ == kind}.pop()
    wanted += " or null" if field.nullable else ""
    given = f"{value!r} ({type(value).__name__})"
    raise ValueError(f"{_place(row, number)}: column {field.name!r} is {given}, it must be {wanted}.")


def _place(row: Mapping[str, Any], number: int) -> str:
    return f"row {number} (trial {row.get('trial_id')!r})"
