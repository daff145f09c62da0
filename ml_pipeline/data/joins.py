"""The join of the driving source to the others, as of the moment of prediction: a model that learns nothing.

Its parameters are the other sources, indexed once. A year in batches and one record in memory go through the same
`transform`; every row that goes in comes out, exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import MISSING, Category, Column, Columns, Times, kind, take
from ml_pipeline.config import Join as JoinConfig
from ml_pipeline.data.word_index import WordIndex
from ml_pipeline.durations import duration
from ml_pipeline.errors import SchemaError
from ml_pipeline.templates import NO_PARAMETERS, BaseModel, Parameters

Ints = npt.NDArray[np.int64]
MOMENT = "moment"
"""The column that holds the moment of prediction of each row."""
FEW = 16
"""Up to so many rows, calls cost more than to look up one after the other."""
MATCHED = "matched."
"""Prefix of the columns that say whether a source had a row for this one (1.0) or not (0.0)."""


@dataclass(frozen=True)
class Groups:
    """Combinations of keys as numbers from 0 on.

    Keys are taken in one by one, and after each only the combinations that occur are kept: a number made of all
    vocabularies at once would not fit into 64 bits.
    """

    words: tuple[WordIndex, ...]
    occurring: tuple[Ints, ...]

    @classmethod
    def of(cls, keys: Sequence[Category]) -> Groups:
        """The combinations that occur in some rows."""
        made = cls((WordIndex.of(keys[0]),), ())
        for key in keys[1:]:
            words = WordIndex.of(key)
            pairs = _pairs(made.find(keys), words, key)
            made = cls((*made.words, words), (*made.occurring, _distinct(pairs[pairs >= 0])))
        return made

    def __len__(self) -> int:
        return len(self.occurring[-1] if self.occurring else self.words[0])

    def find(self, keys: Sequence[Category]) -> Ints:
        """The number of each row's combination, MISSING where it is none of these."""
        group = self.words[0].find(keys[0]).astype(np.int64)
        for key, words, known in zip(keys[1:], self.words[1:], self.occurring, strict=False):
            pairs = _pairs(group, words, key)
            at = np.searchsorted(known, pairs)
            group = np.where((pairs >= 0) & (_at(known, at) == pairs), at, MISSING)
        return group


@dataclass(frozen=True)
class Reference:
    """A source to be looked up: its rows sorted by key (and time), `starts` says where each key's rows begin."""

    name: str
    keys: Mapping[str, str]
    groups: Groups
    starts: Ints
    times: Times | None
    tolerance: np.timedelta64 | None
    values: dict[str, Column]
    duplicates: int

    @classmethod
    def of(cls, name: str, columns: Columns, join: JoinConfig) -> Reference:
        """The prepared rows of a source, to be looked up as its `join` in pipeline.yaml says.

        Raises:
            SchemaError: its preparation does not keep what it is joined on.
        """
        if missing := sorted({*join.keys.values(), *([join.as_of] if join.as_of else [])} - set(columns)):
            raise SchemaError(
                f"{name} is joined on {missing[0]!r}, which its preparation does not keep",
                given=", ".join(columns),
                do="keep it, or correct the join",
            )
        return cls.index(name, columns, join.keys, join.as_of, duration(join.tolerance) if join.tolerance else None)

    @classmethod
    def index(
        cls, name: str, columns: Columns, keys: Mapping[str, str], as_of: str | None, tolerance: np.timedelta64 | None
    ) -> Reference:
        """Sort a source for look-up. Of rows with the same key (and time) the last one counts.

        Args:
            name: The source, for messages.
            columns: All its rows.
            keys: Column of the driving source -> column of this one; both categories.
            as_of: The column of this source that says when a row became known, if it is joined as-of.
            tolerance: How old the row may be.
        """
        own = [text_column(name, columns, key) for key in keys.values()]
        known = Groups.of(own)
        groups = known.find(own)
        times = None if as_of is None else time_column(name, columns, as_of)
        usable = groups >= 0 if times is None else (groups >= 0) & ~np.isnat(times)
        order = np.flatnonzero(usable)
        order = order[np.lexsort((groups[order],) if times is None else (times[order], groups[order]))]
        last = _last_of_equal(groups[order], None if times is None else times[order])
        kept = order[last]
        values = {column: values for column, values in columns.items() if column not in (*keys.values(), as_of)}
        return cls(
            name,
            keys,
            known,
            np.searchsorted(groups[kept], np.arange(len(known) + 1)),
            None if times is None else times[kept],
            tolerance,
            take(values, kept),
            len(order) - len(kept),
        )

    def batch(self, _number: int) -> Reference:
        """What a batch of the driving source is looked up in: the same for all."""
        return self

    def find(self, x: Columns) -> Ints:
        """For every row of the driving source the row here that was known at its moment, MISSING for none."""
        group = self.groups.find([text_column("the driving source", x, key) for key in self.keys])
        start, end = self.starts[group], self.starts[np.where(group < 0, group, group + 1)]
        if self.times is None:
            return np.where(end > start, end - 1, MISSING)
        return self._as_of(start, end, np.asarray(x[MOMENT], "datetime64[us]"), self.times)

    def _as_of(self, start: Ints, end: Ints, moments: Times, times: Times) -> Ints:
        """The last row from `start` to `end` that is not later than the moment, and not too old."""
        find = self._each if len(start) <= FEW else self._together
        at = find(start, end, moments, times)
        hit = at >= start
        if self.tolerance is not None:
            hit &= moments - _at(times, at) <= self.tolerance
        return np.where(hit, at, MISSING)

    @staticmethod
    def _each(start: Ints, end: Ints, moments: Times, times: Times) -> Ints:
        """A binary search for each row; before `start` where there is none."""
        rows = zip(start.tolist(), end.tolist(), moments, strict=True)
        at = [a - 1 if np.isnat(when) else a + times[a:b].searchsorted(when, "right") - 1 for a, b, when in rows]
        return np.array(at, np.int64)

    def _together(self, start: Ints, end: Ints, moments: Times, times: Times) -> Ints:
        """The same, all rows' binary searches at once."""
        at = start - 1
        for step in self._steps:
            ahead = at + step
            fits = ahead < end
            fits &= _at(times, ahead) <= moments
            at = np.where(fits, ahead, at)
        return at

    @cached_property
    def _steps(self) -> list[int]:
        """Powers of two, falling, that add up to the rows of any key."""
        most = int(np.diff(self.starts).max(initial=0))
        return [1 << power for power in reversed(range(most.bit_length()))]


class Join(BaseModel):
    """Adds to every row the columns of each source as known at the row's moment. Parameters: `references`."""

    @classmethod
    def transform(cls, x: Columns, parameters: Parameters = NO_PARAMETERS) -> dict[str, Column]:
        """The columns of `x` (which has the column `moment`), those of the references, and whether each matched.

        Raises:
            SchemaError: two sources give a column of the same name.
        """
        joined = dict(x)
        references: Sequence[Reference] = parameters["references"]
        for reference in references:
            rows = reference.find(x)
            found = gather(reference.values, rows)
            if clash := sorted(set(found) & set(joined)):
                raise SchemaError(
                    f"the source {reference.name} gives the column {clash[0]!r}, which is there already",
                    do=f"rename it in the preparation of {reference.name}, or do not keep it",
                )
            joined |= found | {MATCHED + reference.name: (rows >= 0).astype(np.float64)}
        return joined


def gather(columns: Columns, rows: Ints) -> dict[str, Column]:
    """Values of columns at some rows; a missing value where the row is MISSING."""
    missing = rows < 0
    lacking = missing if missing.any() else None
    return {name: _gathered(column, rows, lacking) for name, column in columns.items()}


def _gathered(column: Column, rows: Ints, missing: Any) -> Column:
    if isinstance(column, Category):
        return column.coded(_filled(column.codes, rows, missing, np.int32(MISSING)))
    nothing: Any = np.datetime64("NaT", "us") if column.dtype.kind == "M" else np.nan
    found: Column = _filled(column, rows, missing, nothing)
    return found


def _filled(values: Any, rows: Ints, missing: Any, nothing: Any) -> Any:
    if not len(values):
        return np.full((len(rows), *values.shape[1:]), nothing, values.dtype)
    taken = values[rows]
    if missing is not None:
        taken[missing] = nothing
    return taken


def _at(values: Any, rows: Ints) -> Any:
    """Values at positions that may lie outside, where any value does."""
    if not len(values):
        return np.full(len(rows), MISSING).astype(values.dtype)
    return values.take(rows, mode="clip")


def text_column(source: str, columns: Columns, key: str) -> Category:
    """A column that is joined on.

    Raises:
        SchemaError: it is not there, or no text.
    """
    column = columns.get(key)
    if not isinstance(column, Category):
        raise SchemaError(
            f"{source} cannot be joined on {key!r}",
            given="no such column" if column is None else "a column of numbers",
            expected="a column of strings",
            do="keep the key in the preparation, as text",
        )
    return column


def time_column(source: str, columns: Columns, as_of: str) -> Times:
    """The column that says when a row became known.

    Raises:
        SchemaError: it is not there, or holds no moments.
    """
    column = columns.get(as_of)
    if column is None or kind(column) != "time":
        raise SchemaError(
            f"{source} cannot be joined as of {as_of!r}",
            given="no such column" if column is None else f"a {kind(column)} column",
            expected="a column of moments",
            do="keep the moment at which a row became known in the preparation, as a timestamp",
        )
    return np.asarray(column, "datetime64[us]")


def _pairs(group: Ints, words: WordIndex, key: Category) -> Ints:
    """One number for a group and a word, MISSING where either is."""
    codes = words.find(key)
    return np.where((group < 0) | (codes < 0), MISSING, group * len(words) + codes)


def _distinct(numbers: Ints) -> Ints:
    """Sorted; `np.unique` takes ten times as long on numbers without gaps."""
    ordered = np.sort(numbers)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def _last_of_equal(groups: Ints, times: Times | None) -> npt.NDArray[np.bool_]:
    if not len(groups):
        return np.zeros(0, bool)
    same = groups[1:] == groups[:-1]
    if times is not None:
        same &= times[1:] == times[:-1]
    return np.append(~same, True)
