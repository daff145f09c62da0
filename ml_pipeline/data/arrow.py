"""Arrow tables to columns and back, without a copy where the memory is already right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ml_pipeline.columns import Category, Column, Columns

if TYPE_CHECKING:
    import pyarrow as pa


def to_columns(table: pa.Table, names: Sequence[str] | None = None) -> dict[str, Column]:
    """Columns of a table: numbers and booleans become float64, moments datetime64[us] in UTC, strings categories."""
    return {name: to_column(table.column(name)) for name in (table.column_names if names is None else names)}


def to_column(values: pa.ChunkedArray | pa.Array) -> Column:
    """One column; nulls become NaN, NaT or a missing code."""
    import pyarrow as pa

    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        values, kind = values.dictionary_encode(), pa.dictionary(pa.int32(), pa.string())
    if pa.types.is_dictionary(kind):
        return _category(values)
    if pa.types.is_fixed_size_list(kind):
        return np.asarray(values.flatten().to_numpy(zero_copy_only=False), np.float64).reshape(-1, kind.list_size)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        whole = values.cast(pa.timestamp("us"), safe=False)  # whatever is finer than a microsecond is cut off
        return np.asarray(whole.to_numpy(zero_copy_only=False), "datetime64[us]")
    if pa.types.is_boolean(kind):
        values = values.cast(pa.float64())
    return np.asarray(values.to_numpy(zero_copy_only=False), np.float64)


def to_table(columns: Columns) -> pa.Table:
    """A table of columns: float64, timestamp[us, UTC], dictionary of strings, fixed-size list of float64."""
    import pyarrow as pa

    return pa.table({name: _array(column) for name, column in columns.items()})


def _category(values: pa.DictionaryArray) -> Category:
    import pyarrow.compute as pc

    codes = pc.fill_null(values.indices, -1).to_numpy(zero_copy_only=False)
    return Category(codes.astype(np.int32, copy=False), tuple(values.dictionary.to_pylist()))


def _array(column: Column) -> pa.Array:
    import pyarrow as pa

    if isinstance(column, Category):
        codes = pa.array(column.codes, mask=column.codes < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(column.vocabulary, pa.string()))
    if column.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(pa.array(column.ravel()), column.shape[1])
    if column.dtype.kind == "M":
        return pa.array(column.astype("datetime64[us]", copy=False)).cast(pa.timestamp("us", "UTC"))
    return pa.array(column, from_pandas=True)
