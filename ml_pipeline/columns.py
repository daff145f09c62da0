"""Columns: the one shape of data that models and preparation functions see.

A batch is a mapping of name to column, all of one length. A column is

- a float64 array, NaN where a number is missing;
- a datetime64[us] array in UTC, NaT where a moment is missing;
- a `Category`: int32 codes into a vocabulary of strings, -1 where a value is missing;
- a two-dimensional float64 array of shape (rows, width): a *block*, several numbers that belong together;
- a `Bag`: several distinct places a row, a sparse matrix of 0 and 1. Encoders make bags, within a chain; they are
  never stored, and no preparation gives one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.generic]
Floats: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Times: TypeAlias = npt.NDArray[np.datetime64]
Rows: TypeAlias = slice | Mask | npt.NDArray[np.integer[Any]]
"""Rows of a batch: a slice, a mask or positions."""
Kind: TypeAlias = Literal["number", "time", "category", "block", "bag"]

MISSING = -1
"""The code of a missing value."""
FIRST = np.zeros(1, np.int32)
"""The codes of one row that has a value."""
FIRST.flags.writeable = False
MARKED = 8
"""Codes below so many times their number are told apart by marks in a table, others by sorting."""


@dataclass(frozen=True, slots=True)
class Category:
    """Strings as codes (int32, `MISSING` for none) into `vocabulary`, distinct strings in any order."""

    codes: npt.NDArray[np.int32]
    vocabulary: tuple[str, ...]

    @classmethod
    def of(cls, values: Sequence[str | None]) -> Category:
        """Encode plain strings, in order of first appearance.

        >>> Category.of(["b", None, "a", "b"])
        Category(codes=array([ 0, -1,  1,  0], dtype=int32), vocabulary=('b', 'a'))
        """
        if len(values) == 1 and values[0] is not None:
            return cls(FIRST, (values[0],))
        seen: dict[str, int] = {}
        codes = [MISSING if v is None else seen.setdefault(v, len(seen)) for v in values]
        return cls(np.array(codes, np.int32), tuple(seen))

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Rows) -> Category:
        return self.coded(self.codes[rows])

    def coded(self, codes: npt.NDArray[np.int32]) -> Category:
        """Other rows of the same words."""
        return Category(codes, self.vocabulary)

    def values(self) -> list[str | None]:
        """The plain strings."""
        if len(self) < len(self.vocabulary):
            return [None if code < 0 else self.vocabulary[code] for code in self.codes.tolist()]
        words = (*self.vocabulary, None)
        return [words[code] for code in self.codes.tolist()]

    def map(self, values: npt.ArrayLike, missing: object) -> Array:
        """Per row the entry of `values` (one per word of the vocabulary), `missing` where there is none."""
        table = np.append(np.asarray(values), np.asarray([missing]))
        return table[self.codes]

    def map_words(self, values: Callable[[Sequence[str]], npt.ArrayLike], missing: object) -> Array:
        """As `map`, of what `values` gives for a list of words: all, or those that occur where rows are fewer."""
        words = self.vocabulary
        if len(self) >= len(words):
            return self.map(values(words), missing)
        used, place = occurring(self.codes, len(words))
        lacking = int(np.count_nonzero(used < 0))
        table = np.asarray(values([words[code] for code in used[lacking:].tolist()]))
        return np.append(table, np.asarray([missing]))[place - lacking]

    def distinct(self) -> tuple[list[str], npt.NDArray[np.intp]]:
        """The distinct strings of these rows, and for every row the place of its own; a missing one is ''."""
        used, place = occurring(self.codes, len(self.vocabulary))
        words = (*self.vocabulary, "")
        return [words[code] for code in used.tolist()], place

    def recode(self, vocabulary: Sequence[str], other: int = MISSING, missing: int = MISSING) -> Category:
        """The same values as codes into another vocabulary; words it lacks become `other`, missing ones `missing`."""
        return Category(np.append(self.places(vocabulary, other), np.int32(missing))[self.codes], tuple(vocabulary))

    def places(self, vocabulary: Sequence[str], other: int) -> npt.NDArray[np.int32]:
        """The place of each of the own words in another vocabulary, `other` where it has none."""
        index = {word: code for code, word in enumerate(vocabulary)}
        return np.array([index.get(word, other) for word in self.vocabulary], np.int32)


@dataclass(frozen=True, slots=True)
class Bag:
    """Row i holds the places `places[offsets[i]:offsets[i + 1]]`, ascending and distinct, each below `width`.

    `offsets` (int64) has shape (rows + 1,) and begins with 0, `places` is int32. `words` are the names of all `width`
    places, or () where they have none.
    """

    offsets: npt.NDArray[np.int64]
    places: npt.NDArray[np.int32]
    width: int
    words: tuple[str, ...] = ()

    @classmethod
    def of(cls, sizes: npt.ArrayLike, places: npt.ArrayLike, width: int, words: tuple[str, ...] = ()) -> Bag:
        """A bag from the number of places of each row, and the places row by row.

        >>> Bag.of([2, 0, 1], [0, 3, 1], 4)[1:].places
        array([1], dtype=int32)
        """
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return cls(offsets, np.asarray(places, np.int32), width, words)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, rows: Rows) -> Bag:
        if isinstance(rows, slice) and rows.step in (None, 1):
            return self._between(*rows.indices(len(self))[:2])
        chosen = np.arange(len(self))[rows]
        sizes, starts = self.sizes()[chosen], self.offsets[:-1][chosen]
        entries = np.repeat(starts - np.cumsum(sizes) + sizes, sizes)
        entries += np.arange(len(entries))
        return Bag.of(sizes, self.places[entries], self.width, self.words)

    def _between(self, start: int, stop: int) -> Bag:
        offsets = self.offsets[start : max(start, stop) + 1]
        return Bag(offsets - offsets[0], self.places[offsets[0] : offsets[-1]], self.width, self.words)

    def sizes(self) -> npt.NDArray[np.int64]:
        """How many places each row holds, shape (rows,)."""
        return np.diff(self.offsets)

    def row_of(self) -> npt.NDArray[np.intp]:
        """The row of every entry of `places`."""
        return np.repeat(np.arange(len(self)), self.sizes())


Column: TypeAlias = Array | Category
Columns: TypeAlias = Mapping[str, Column]
Encoded: TypeAlias = Mapping[str, Column | Bag]
"""Columns on their way through a chain, bags among them."""
Shape = TypeVar("Shape", Column, Column | Bag)


def kind(column: Column | Bag) -> Kind:
    """Which of the five shapes a column has."""
    if isinstance(column, Category):
        return "category"
    if isinstance(column, Bag):
        return "bag"
    if column.ndim == 2:
        return "block"
    return "time" if column.dtype.kind == "M" else "number"


def as_column(values: object) -> Column:
    """Values as one of the four shapes that are stored: any numbers as float64, any moments in microseconds.

    Raises:
        TypeError: they are none of them.

    >>> as_column(np.array([True, False]))
    array([1., 0.])
    """
    if isinstance(values, Category):
        return values
    if not isinstance(values, np.ndarray):
        raise TypeError(f"{'nothing' if values is None else 'a ' + type(values).__name__} is no column")
    if values.dtype.kind in "biuf" and values.ndim in (1, 2):
        return values.astype(np.float64, copy=False)
    if values.dtype.kind == "M" and values.ndim == 1:
        return values.astype("datetime64[us]", copy=False)
    raise TypeError(f"an array of {values.dtype} with shape {values.shape} is no column (for text use Category.of)")


def missing(column: Column) -> Mask:
    """Which rows have no value, shape (rows,); of a block, those that lack any of its numbers."""
    if isinstance(column, Category):
        return column.codes < 0
    lacking: Mask = np.isnat(column) if column.dtype.kind == "M" else np.isnan(np.asarray(column, np.float64))
    return np.asarray(lacking.any(axis=1)) if lacking.ndim == 2 else lacking


def count(columns: Encoded) -> int:
    """Rows in a batch."""
    return len(next(iter(columns.values()))) if columns else 0


def occurring(codes: npt.NDArray[np.integer[Any]], size: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The distinct ones among codes from -1 to below `size`, ascending, and for every row the place of its own."""
    if size > MARKED * len(codes):
        used, place = np.unique(codes, return_inverse=True)
        return used.astype(np.intp), place
    seen = np.zeros(size + 1, np.bool_)
    # The code -1 marks the last one.
    seen[codes] = True
    used = np.flatnonzero(np.append(seen[-1], seen[:-1])) - 1
    places = np.empty(size + 1, np.intp)
    places[used] = np.arange(len(used))
    return used, places[codes]


def take(columns: Mapping[str, Shape], rows: Rows) -> dict[str, Shape]:
    """The rows that a mask, a slice or an index array names."""
    return {name: column[rows] for name, column in columns.items()}


def concat(batches: Sequence[Columns]) -> dict[str, Column]:
    """Batches of the same columns under one another."""
    if len(batches) == 1:
        return dict(batches[0])
    return {name: _stack([batch[name] for batch in batches]) for name in (batches[0] if batches else ())}


def _stack(parts: Sequence[Column]) -> Column:
    categories = [part for part in parts if isinstance(part, Category)]
    if not categories:
        return np.concatenate([np.asarray(part) for part in parts])
    words = tuple(dict.fromkeys(word for part in categories for word in part.vocabulary))
    return Category(np.concatenate([part.recode(words).codes for part in categories]), words)
