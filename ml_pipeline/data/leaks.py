"""Which columns of a prepared batch would tell a model the truth that it is to predict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ml_pipeline.chain import Preparation, keep, run, split_rejected
from ml_pipeline.columns import MISSING, Category, Column, Columns, count
from ml_pipeline.templates import NO_PARAMETERS, BaseModel

ROWS = "(which rows are kept)"
"""Stands for the rows themselves: it depends on the truth whether a row is chosen or set aside."""
ROW = "(row)"


def leaks(prepare: Any, columns: Columns, truth: Sequence[str], label: str) -> list[str]:
    """Names of the columns that a preparation keeps though they are truth, or follow from it.

    The preparation runs twice: on the columns as they are, and with those that are truth emptied, as they are when a
    row is scored. Of the rows that both keep, every column that is kept but the label must be the same, bit by bit;
    rows that only one of them keeps count as a leak of the rows (`ROWS`). Rows are told apart by their place before
    the preparation; one that is no chain of functions must keep as many, or the columns cannot be compared.

    Args:
        prepare: A preparation: a class, or a model with the parameters to start from.
        columns: Records as they come to it.
        truth: Those of the columns that are known only together with the label; others are ignored.
        label: The column that is predicted, which may follow from the truth.

    >>> from ml_pipeline.chain import chain, keep
    >>> def late(delay): return delay > 15
    >>> def speed(miles, hours): return miles / hours
    >>> class Prepare(Preparation):
    ...     steps = chain(late, speed, keep("miles", "delay", "speed", "late"))
    >>> records = {name: np.array([20.0, 30.0]) for name in ("miles", "hours", "delay")}
    >>> leaks(Prepare, records, ["hours", "delay"], "late")
    ['delay', 'speed']
    """
    known = {name: _emptied(column) if name in truth else column for name, column in columns.items()}
    before, after = _prepared(prepare, columns), _prepared(prepare, known)
    named = [name for name in before if name in truth and name != label]
    own, other = (_rows(batch) for batch in (before, after))
    if len(own) != len(other) and ROW not in before:
        return [*named, ROWS]
    _, here, there = np.intersect1d(own, other, assume_unique=True, return_indices=True)
    moved = [
        name
        for name in before
        if name not in (label, ROW, *named) and not _same(before[name][here], after.get(name), there)
    ]
    rows = [] if len(here) == len(own) == len(other) else [ROWS]
    return [*named, *moved, *rows]


def _prepared(prepare: Any, columns: Columns) -> dict[str, Column]:
    """The good rows; in the column `ROW` the place that each had, where the preparation is a chain of functions."""
    if isinstance(prepare, type) and issubclass(prepare, Preparation):
        steps = tuple(keep(*link.writes, ROW) if link.keeps else link for link in prepare.steps)
        return split_rejected(run(steps, {**columns, ROW: np.arange(float(count(columns)))}))[0]
    parameters = prepare.parameters if isinstance(prepare, BaseModel) else NO_PARAMETERS
    return split_rejected(prepare.transform(columns, parameters))[0]


def _rows(batch: Columns) -> Any:
    return np.asarray(batch[ROW]) if ROW in batch else np.arange(count(batch))


def _emptied(column: Column) -> Column:
    if isinstance(column, Category):
        return Category(np.full(len(column), MISSING, np.int32), column.vocabulary)
    return np.full_like(column, np.datetime64("NaT") if column.dtype.kind == "M" else np.nan)


def _same(column: Column, other: Column | None, rows: Any) -> bool:
    """Whether a column is the same as some rows of another; categories by word, and all NaN are one."""
    if isinstance(column, Category) or isinstance(other, Category) or other is None:
        both = (column, None if other is None else other[rows])
        one, two = (own.values() if isinstance(own, Category) else None for own in both)
        return one is not None and one == two
    return column.dtype == other.dtype and bool(np.array_equal(column, other[rows], equal_nan=True))
