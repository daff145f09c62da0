"""What a person would decide on first sight of a table: what the label is, what to learn from, how to split."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ml_pipeline.errors import UsageError
from ml_pipeline.scaffold.table import Column, Table, moments, read

YES = ("yes", "y", "true", "t", "positive", "pos", "1")
FEW_ROWS = 500
"""Rows below which a stretch of time at the end would be too few to judge by."""


class Asked(NamedTuple):
    """The file, and what its columns are for."""

    path: Path
    label: str
    time: str
    key: str


class Draft(NamedTuple):
    """All that the files of a new use case say. `positive`: the word that counts as 1, where the label is words."""

    name: str
    asked: Asked
    address: str
    synthetic: bool
    columns: dict[str, Column]
    positive: str
    split: dict[str, str]
    ahead: str
    revised: bool
    as_of: dt.datetime

    def features(self, role: str) -> list[str]:
        """Columns to learn from that play a part."""
        own = {self.asked.label, self.asked.time, self.asked.key}
        return [column.name for column in self.columns.values() if column.role == role and column.name not in own]


def draft(name: str, asked: Asked, address: str, synthetic: bool = False) -> Draft:
    """Look at a file and decide.

    Raises:
        DataError: the file cannot be read.
        UsageError: a column is not there, or cannot be what it is named for.
    """
    table = read(asked.path)
    _check_key(table, asked.key)
    positive = _positive(table, asked.label)
    if table.column(asked.time, "--time").role != "time":
        raise UsageError(
            "the column for --time holds no moments",
            given=f"{asked.time}, such as {table.rows.column(asked.time)[0].as_py()!r}",
            expected="ISO 8601, such as 2024-01-31 or 2024-01-31T06:00:00Z",
            do="write the moments so, or name another column",
        )
    known, unknown = _by_label(table, asked)
    ahead, as_of = _to_come(known, unknown)
    waiting = any(moment < known[-1] for moment in unknown)
    return Draft(name, asked, address, synthetic, table.columns, positive, _split(known), ahead, waiting, as_of)


def _check_key(table: Table, key: str) -> None:
    column = table.column(key, "--key")
    if column.missing or column.distinct < table.rows.num_rows:
        raise UsageError(
            "the column for --key does not tell the rows apart",
            given=f"{key}: {column.distinct:,} different values in {table.rows.num_rows:,} rows",
            expected="another value in every row",
            do="name another column, or add one that numbers the rows",
        )


def _positive(table: Table, label: str) -> str:
    """The word for 1, empty where the label is a number.

    Raises:
        UsageError: it is neither two numbers 0 and 1 nor two words.
    """
    import pyarrow.compute as pc

    column = table.column(label, "--label")
    values: list[Any] = pc.unique(table.rows.column(label).drop_null()).to_pylist()
    if column.type != "string" and set(values) == {0, 1}:
        return ""
    if column.type != "string" or len(values) != 2:
        raise UsageError(
            "the column for --label is no yes or no",
            given=f"{label}: {', '.join(map(str, sorted(values)[:5]))}" + (" …" if len(values) > 5 else ""),
            expected="0 and 1, true and false, or two words",
            do="add such a column to the file",
        )
    words: list[str] = values
    return next((word for word in words if word.lower() in YES), max(words))


def _by_label(table: Table, asked: Asked) -> tuple[list[dt.datetime], list[dt.datetime]]:
    """Moments of the rows with a label and of those without, sorted."""
    given = table.rows.column(asked.label).is_valid().to_pylist()
    when = moments(table.rows, asked.time)
    rows = [(moment, labelled) for moment, labelled in zip(when, given, strict=True) if moment]
    known = sorted(moment for moment, labelled in rows if labelled)
    if not known:
        raise UsageError("no row has both a label and a time", given=f"{asked.label}, {asked.time}")
    return known, sorted(moment for moment, labelled in rows if not labelled)


def _to_come(known: Sequence[dt.datetime], unknown: Sequence[dt.datetime]) -> tuple[str, dt.datetime]:
    """How far ahead rows are scored, and a moment to try it at: before the first row that has no label yet."""
    future = [moment for moment in unknown if moment > known[-1]]
    first, last = (future[0], future[-1]) if future else (known[-1], known[-1])
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    between = known[-1] + (first - known[-1]) / 2
    as_of = midnight if not future or known[-1] < midnight < first else between.replace(microsecond=0)
    return f"{max(1, math.ceil((last - as_of) / dt.timedelta(days=1)))}d", as_of


def _split(known: Sequence[dt.datetime]) -> dict[str, str]:
    """The last fifth judges, a seventh before it chooses; by a hash of the key where these are no stretch of time."""
    last, test, validation = known[-1], known[len(known) * 4 // 5], known[len(known) * 2 // 3]
    if len(known) < FEW_ROWS or not validation < test < last:
        return {"by": "hash", "validation": "20%", "test": "20%"}
    return {"by": "time", "validation": _length(test - validation), "test": _length(last - test)}


def _length(stretch: dt.timedelta) -> str:
    hours = max(1, round(stretch / dt.timedelta(hours=1)))
    return f"{round(hours / 24)}d" if hours >= 72 else f"{hours}h"
