"""Columns and stored rows as values that JSON can hold, each number to the last bit.

A value that is missing is null. JSON has no infinite numbers: they are the texts "Infinity" and "-Infinity", which
are read as numbers again wherever records are. Moments are in UTC: `2013-09-01T04:00:00Z`.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ml_pipeline.columns import Category, Column, Times
from ml_pipeline.data import arrow

if TYPE_CHECKING:
    import pyarrow as pa


def of_column(column: Column) -> list[Any]:
    """One value for each row.

    >>> of_column(np.array([0.1, np.nan, -np.inf]))
    [0.1, None, '-Infinity']
    """
    if isinstance(column, Category):
        return column.values()
    if column.dtype.kind == "M":
        return _moments(cast(Times, column))
    values: list[Any] = column.tolist()
    if column.ndim == 1 and all(map(math.isfinite, values)):
        return values
    return [_number(value) for value in values]


def of_table(table: pa.Table, names: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of a table as plain mappings."""
    columns = [_of_arrow(table.column(name)) for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _of_arrow(values: pa.ChunkedArray) -> list[Any]:
    """Whole numbers stay whole, however large."""
    import pyarrow as pa

    if pa.types.is_timestamp(values.type) or pa.types.is_floating(values.type):
        return of_column(arrow.to_column(values))
    return cast("list[Any]", values.to_pylist())


def _moments(times: Times) -> list[str | None]:
    moments: list[Any] = times.tolist()
    if all(isinstance(moment, dt.datetime) for moment in moments):  # it is not where there is none, or beyond year 9999
        return [f"{moment.isoformat()}Z" for moment in moments]
    texts: list[str] = np.datetime_as_string(times, unit="us").tolist()
    return [None if text == "NaT" else f"{text.removesuffix('.000000')}Z" for text in texts]


def _number(value: Any) -> Any:
    if isinstance(value, list):
        return [_number(entry) for entry in value]
    if math.isfinite(value):
        return value
    return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
