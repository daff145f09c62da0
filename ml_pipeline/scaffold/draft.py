"""What a person would decide on first sight of a table: what the label is, what to learn from, how to split."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ml_pipeline.data.conform import Rejects
from ml_pipeline.errors import UsageError
from ml_pipeline.scaffold.leaks import leaks
from ml_pipeline.scaffold.table import Column, Table, moments, read, unreadable

YES = ("yes", "y", "true", "t", "positive", "pos", "1")
NO = ("no", "n", "false", "f", "negative", "neg", "0")
DUPLICATES = 0.01
"""Share of the rows that may lack a key of their own: what a draft's `quarantine` allows."""
LOST = 0.05
"""Share of the rows with a label that may be put off for the sake of a moment to try it at that is a plain day."""
FEW_ROWS = 500
"""Rows below which a stretch of time at the end would be too few to judge by."""


class Asked(NamedTuple):
    """The file, and what its columns are for."""

    path: Path
    label: str
    time: str
    key: str


class Draft(NamedTuple):
    """All that the files of a new use case say.

    `positive` and `negative`: the words that count as 1 and 0, in lower case, where the label is words. `names`:
    columns that are called otherwise in the file. `missing`: words that stand for no value.
    """

    name: str
    asked: Asked
    address: str
    synthetic: bool
    columns: dict[str, Column]
    positive: str
    negative: str
    split: dict[str, str]
    ahead: str
    behind: str
    as_of: dt.datetime
    rows: int
    duplicates: int
    broken: Rejects
    names: dict[str, str]
    missing: tuple[str, ...]

    def features(self, role: str) -> list[str]:
        """Columns to learn from that play a part."""
        own = {self.asked.label, self.asked.time, self.asked.key}
        return [column.name for column in self.columns.values() if column.role == role and column.name not in own]

    def left_out(self) -> list[str]:
        """Columns that are not learnt from, save those that give the label away."""
        return [*self.features("unused"), *self.features("time")]

    def truth(self) -> list[str]:
        """Columns that give the label away."""
        return self.features("leak")

    def typed(self) -> list[Column]:
        """Columns whose values must be of their type; the key is a text, whatever it looks like."""
        return [column for column in self.columns.values() if column.name != self.asked.key]


def draft(name: str, asked: Asked, address: str, synthetic: bool = False) -> Draft:
    """Look at a file and decide.

    Raises:
        DataError: the file cannot be read.
        UsageError: a column is not there, or cannot be what it is named for.
    """
    table = read(asked.path)
    own = [table.called(f"--{purpose}", getattr(asked, purpose)) for purpose in ("label", "time", "key")]
    asked = Asked(asked.path, *own)
    duplicates = _duplicates(table, asked.key)
    positive, negative = _words(table, asked.label)
    _check_time(table, asked.time)
    known, unknown = _by_label(table, asked)
    ahead, as_of = _to_come(known, unknown)
    return Draft(
        *(name, asked, address, synthetic, _judged(table, asked, positive), positive, negative),
        split=_split(known),
        ahead=ahead,
        behind=_back(known, unknown),
        as_of=as_of,
        rows=table.text.num_rows,
        duplicates=duplicates,
        broken=table.broken,
        names=table.names,
        missing=table.missing,
    )


def _duplicates(table: Table, key: str) -> int:
    """Rows without a key, and those whose key another one has as well.

    Raises:
        UsageError: they are too many to be set aside.
    """
    import pyarrow.compute as pc

    rows, values = table.text.num_rows, table.text.column(key)
    counts = pc.value_counts(values.drop_null())
    extra: int = rows - len(counts)
    if extra > DUPLICATES * rows:
        twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")[:3].to_pylist()
        such = f", such as {', '.join(map(repr, twice))}" if twice else f", and {values.null_count:,} rows without one"
        raise UsageError(
            "the column for --key does not tell the rows apart",
            given=f"{key}: {len(counts):,} different values in {rows:,} rows{such}",
            expected="another value in every row",
            do="name another column, or add one that numbers the rows",
        )
    return extra


def _check_time(table: Table, time: str) -> None:
    if table.columns[time].type == "timestamp":
        return
    text = table.text.column(time)
    bad = unreadable(text, "timestamp")
    raise UsageError(
        "the column for --time holds no moments",
        given=f"{time}, such as {bad[0].as_py()!r}" if len(bad) else f"{time}, which is empty",
        expected="ISO 8601, such as 2024-01-31 or 2024-01-31T06:00:00Z",
        do="write the moments so, or name another column",
    )


def _words(table: Table, label: str) -> tuple[str, str]:
    """The words for 1 and for 0, in lower case; empty where the label is a number.

    Raises:
        UsageError: it is neither two numbers 0 and 1 nor two words.
    """
    words = table.columns[label].type == "string"
    values: list[Any] = table.values.column(label).drop_null().to_pylist()
    counts: Counter[Any] = Counter(map(_lower, values) if words else values)
    if not words and set(counts) == {0, 1}:
        return "", ""
    if not words or len(counts) != 2:
        raise UsageError(
            "the column for --label is no yes or no",
            given=f"{label}: {_shown(counts)}",
            expected="0 and 1, true and false, or two words",
            do="name another column, or one with such words alone, and empty where it is not known; a model of several "
            "words (SoftmaxRegression), counts (PoissonRegression) or amounts (LinearRegression) can be put into "
            "models.py by hand",
        )
    positive = next((word for word in counts if word in YES), max(counts))
    return positive, next(word for word in counts if word != positive)


def _lower(word: str) -> str:
    """As models.py of a draft has it."""
    return word.strip().lower()


def _shown(counts: Counter[Any]) -> str:
    """The first few with how often each occurs, those that could not be a label before the others."""
    bad = sorted(counts, key=lambda value: (value in (0, 1) or str(value) in (*YES, *NO), value))
    return ", ".join(f"{value} ({counts[value]:,})" for value in bad[:5]) + (" …" if len(bad) > 5 else "")


def _judged(table: Table, asked: Asked, positive: str) -> dict[str, Column]:
    """The columns, with those that give the label away known as such."""
    import numpy as np

    values = table.values.column(asked.label).to_pylist()
    label = [math.nan if value is None else float(_lower(value) == positive if positive else value) for value in values]
    found = leaks(table, np.array(label), {asked.label, asked.time, asked.key})
    why = "it gives the label away"
    return table.columns | {name: table.columns[name]._replace(role="leak", why=why) for name in found}


def _by_label(table: Table, asked: Asked) -> tuple[list[dt.datetime], list[dt.datetime]]:
    """Moments of the rows with a label and of those without, sorted."""
    given = table.values.column(asked.label).is_valid().to_pylist()
    when = moments(table.values, asked.time)
    rows = [(moment, labelled) for moment, labelled in zip(when, given, strict=True) if moment]
    known = sorted(moment for moment, labelled in rows if labelled)
    if not known:
        raise UsageError("no row has both a label and a time", given=f"{asked.label}, {asked.time}")
    return known, sorted(moment for moment, labelled in rows if not labelled)


def _to_come(known: Sequence[dt.datetime], unknown: Sequence[dt.datetime]) -> tuple[str, dt.datetime]:
    """How far ahead rows are scored, and a moment to try it at: before the first row that has no label yet.

    It is the beginning of a day, unless too much of what can be learnt from would come after it.
    """
    future = [moment for moment in unknown if moment > known[-1]]
    first, last = (future[0], future[-1]) if future else (known[-1], known[-1])
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    between = known[-1] + (first - known[-1]) / 2
    plain = not future or sum(moment >= midnight for moment in known) <= LOST * len(known)
    as_of = midnight if plain else between.replace(microsecond=0)
    return f"{max(1, math.ceil((last - as_of) / dt.timedelta(days=1)))}d", as_of


def _back(known: Sequence[dt.datetime], unknown: Sequence[dt.datetime]) -> str:
    """How far rows without a label reach back from the last moment there is."""
    if not unknown:
        return "0s"
    return f"{max(1, math.ceil((max(known[-1], unknown[-1]) - unknown[0]) / dt.timedelta(days=1)))}d"


def _split(known: Sequence[dt.datetime]) -> dict[str, str]:
    """The last fifth judges, a seventh before it chooses; by a hash of the key where these are no stretch of time."""
    last, test, validation = known[-1], known[len(known) * 4 // 5], known[len(known) * 2 // 3]
    if len(known) < FEW_ROWS or not validation < test < last:
        return {"by": "hash", "validation": "20%", "test": "20%"}
    return {"by": "time", "validation": _length(test - validation), "test": _length(last - test)}


def _length(stretch: dt.timedelta) -> str:
    hours = max(1, round(stretch / dt.timedelta(hours=1)))
    return f"{round(hours / 24)}d" if hours >= 72 else f"{hours}h"
