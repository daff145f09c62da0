"""Arrow tables to columns and back, without a copy where the memory is already right."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Category, Column, Columns

if TYPE_CHECKING:
    import pyarrow as pa


NAT = np.iinfo(np.int64).min
"""A moment that is missing, as a number."""


class Words:
    """Distinct strings as Arrow holds them, and as Python's from when somebody asks for those."""

    def __init__(self, array: pa.StringArray) -> None:
        self.array = array

    @cached_property
    def plain(self) -> tuple[str, ...]:
        """The strings themselves."""
        return tuple(self.array.to_pylist())


class StoredCategory(Category):
    """A category out of an Arrow table: keys that only pass through never become Python strings, which are dear."""

    __slots__ = ("words",)
    words: Words

    def __init__(self, codes: npt.NDArray[np.int32], words: Words) -> None:
        object.__setattr__(self, "codes", codes)
        object.__setattr__(self, "words", words)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The strings the codes stand for."""
        return self.words.plain

    @classmethod
    def of(cls, values: Sequence[str | None]) -> Category:
        return Category.of(values)

    def coded(self, codes: npt.NDArray[np.int32]) -> Category:
        return StoredCategory(codes, self.words)

    def places(self, vocabulary: Sequence[str], other: int) -> npt.NDArray[np.int32]:
        import pyarrow.compute as pc

        found: npt.NDArray[np.int32] = filled(pc.index_in(self.words.array, value_set=_strings(vocabulary)), other)
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredCategory, (self.codes, self.words)


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
        return filled(values.flatten().cast(pa.float64(), safe=False), np.nan).reshape(-1, kind.list_size)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        whole = values.cast(pa.timestamp("us"), safe=False)  # whatever is finer than a microsecond is cut off
        return filled(whole.view(pa.int64()), NAT).view("datetime64[us]")
    return filled(values.cast(pa.float64(), safe=False), np.nan)


def to_table(columns: Columns) -> pa.Table:
    """A table of columns: float64, timestamp[us, UTC], dictionary of strings, fixed-size list of float64."""
    import pyarrow as pa

    return pa.table({name: _array(column) for name, column in columns.items()})


def words_of(category: Category) -> pa.StringArray:
    """The vocabulary as Arrow holds it."""
    return category.words.array if isinstance(category, StoredCategory) else _strings(category.vocabulary)


def _strings(words: Sequence[str]) -> pa.StringArray:
    import pyarrow as pa

    content = [word.encode() for word in words]
    ends = np.cumsum([0, *map(len, content)], dtype=np.int32)
    # `pa.array` would look for pandas in the environment, which a model must not.
    return pa.StringArray.from_buffers(len(content), pa.py_buffer(ends), pa.py_buffer(b"".join(content)))


def plain(values: npt.NDArray[np.int32]) -> pa.Int32Array:
    """Whole numbers for Arrow, not copied."""
    import pyarrow as pa

    return pa.Array.from_buffers(pa.int32(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def filled(values: pa.Array, missing: Any) -> npt.NDArray[Any]:
    """Numbers with a number for what is missing; not copied where nothing is.

    `to_numpy` would import pandas, where that is installed, which a process that serves has no time for.
    """
    kind = np.dtype(values.type.to_pandas_dtype())
    if len(values) == values.null_count:
        return np.full(len(values), missing, kind)
    known, content = values.buffers()
    rows = slice(values.offset, values.offset + len(values))
    numbers = np.frombuffer(content, kind)[rows]
    if not values.null_count:
        return numbers
    is_known = np.unpackbits(np.frombuffer(known, np.uint8), bitorder="little")[rows].view(np.bool_)
    return np.where(is_known, numbers, kind.type(missing))


def compact(values: pa.DictionaryArray) -> pa.DictionaryArray:
    """The same strings in a dictionary of just those in use, in order of appearance.

    >>> import pyarrow as pa
    >>> compact(pa.DictionaryArray.from_arrays([2, 0, 2], ["a", "b", "c"])).dictionary.to_pylist()
    ['c', 'a']
    """
    import pyarrow as pa

    codes = filled(values.indices, -1)
    rows = first_rows(codes, len(values.dictionary))
    used = np.flatnonzero(rows < len(codes))
    if len(used) == len(rows) and (np.diff(rows) > 0).all():
        return values
    order = used[np.argsort(rows[used])]
    place = np.full(len(rows) + 1, -1, np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    recoded = place[codes]
    words = values.dictionary.take(plain(order.astype(np.int32)))
    return pa.DictionaryArray.from_arrays(_masked(recoded, recoded < 0), words)


def first_rows(codes: npt.NDArray[np.integer[Any]], size: int) -> npt.NDArray[np.intp]:
    """The first row of every code below `size`, the number of rows where there is none; missing codes are left out.

    >>> first_rows(np.array([1, -1, 1, 0]), 3)
    array([3, 0, 4])
    """
    rows = np.full(size + 1, len(codes), np.intp)
    rows[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)  # of equal places the last assignment stays
    return rows[:-1]


def _category(values: pa.DictionaryArray) -> Category:
    import pyarrow as pa

    words = values.dictionary if pa.types.is_string(values.dictionary.type) else values.dictionary.cast(pa.string())
    return StoredCategory(filled(values.indices, -1).astype(np.int32, copy=False), Words(words))


def _array(column: Column) -> pa.Array:
    import pyarrow as pa

    if isinstance(column, Category):
        return pa.DictionaryArray.from_arrays(_masked(column.codes, column.codes < 0), words_of(column))
    if column.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(_masked(column.ravel(), np.zeros(0, np.bool_)), column.shape[1])
    if column.dtype.kind == "b":
        return pa.array(column)
    if column.dtype.kind == "M":
        times = column.astype("datetime64[us]", copy=False)
        return _masked(times, np.isnat(times), pa.timestamp("us", "UTC"))
    return _masked(column, np.isnan(column))  # five times as fast as to let Arrow look for NaN


def _masked(values: npt.NDArray[Any], missing: npt.NDArray[np.bool_], kind: pa.DataType | None = None) -> pa.Array:
    """As an array of Arrow's, not copied. `pa.array` would import pandas, where that is installed."""
    import pyarrow as pa

    known = pa.py_buffer(np.packbits(~missing, bitorder="little")) if missing.any() else None
    content = pa.py_buffer(np.ascontiguousarray(values).view(np.uint8))
    return pa.Array.from_buffers(kind or pa.from_numpy_dtype(values.dtype), len(values), [known, content])
