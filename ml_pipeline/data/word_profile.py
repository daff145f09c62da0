"""What a column of words or texts looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Category, Floats
from ml_pipeline.data import arrow
from ml_pipeline.data.distinct import Distinct
from ml_pipeline.data.frequent import KNOWN, Frequent
from ml_pipeline.data.number_profile import NumberProfile
from ml_pipeline.data.string_hash import string_hash

if TYPE_CHECKING:
    import pyarrow as pa

FREQUENT = 10
"""Words that are listed for a person."""
Counts = npt.NDArray[np.intp]
LONGEST = 80
"""Characters of a word that is listed: what is longer is text, which no list of words sums up."""


class WordProfile(msgspec.Struct, frozen=True, tag="category"):
    """How many rows there are, how many are missing, how many were looked at, and how often each frequent word occurs.

    Where not all were looked at, those that were stand for all: they make up the `counted` rows with a word. Of these,
    `unlisted` have one that `frequent` does not count: a text, or one of too many. `lengths` are characters.
    """

    rows: int = 0
    missing: int = 0
    looked_at: int = 0
    counted: int = 0
    frequent: Frequent = Frequent()
    unlisted: int = 0
    distinct: Distinct = Distinct()
    lengths: NumberProfile = NumberProfile()

    @classmethod
    def of(cls, words: Category, times: int = 1) -> WordProfile:
        """Of rows, each of which stands for so many."""
        array = arrow.words_of(words)
        counts = np.bincount(words.codes + 1, minlength=len(array) + 1) * times
        rows, missing = len(words) * times, int(counts[0])
        used = np.flatnonzero(counts[1:])
        if not len(used):
            return cls(rows, missing, len(words))
        listed = _listed(array, counts[1:], times)
        known = rows - missing
        return cls(
            rows, missing, len(words), known, Frequent.of(listed), known - sum(count for _, count in listed),
            Distinct.of(string_hash(_taken(array, used))),
            NumberProfile.of(np.append(_lengths(array), np.nan)[words.codes], times),
        )  # fmt: skip

    def merge(self, other: WordProfile) -> WordProfile:
        """Of the rows of both."""
        return WordProfile(
            self.rows + other.rows, self.missing + other.missing, self.looked_at + other.looked_at,
            self.counted + other.counted, self.frequent.merge(other.frequent), self.unlisted + other.unlisted,
            self.distinct.merge(other.distinct), self.lengths.merge(other.lengths),
        )  # fmt: skip

    @property
    def known(self) -> int:
        """Rows that have a word."""
        return self.rows - self.missing

    def is_complete(self) -> bool:
        """Whether every word is known, and the rows of each."""
        return not self.unlisted and self.frequent.is_complete()

    def described(self) -> dict[str, Any]:
        """Plain values: how many words are `distinct`, the `frequent` ones with their share of all rows, `lengths`."""
        if not self.counted:
            return {}
        frequent = {word: rows / self.rows for word, rows in list(self.frequent.words().items())[:FREQUENT]}
        lengths = self.lengths.described()
        return {"distinct": self.distinct.count(), "frequent": frequent, "lengths": lengths["quantiles"]}


def _lengths(words: pa.StringArray) -> Floats:
    """Characters of each word."""
    import pyarrow.compute as pc

    found: Floats = arrow.filled(pc.utf8_length(words), 0).astype(np.float64)
    return found


def _listed(words: pa.StringArray, rows: Counts, once: int) -> list[tuple[str, int]]:
    """Words that are counted: all that there are, or of too many those that are frequent here."""
    chosen = np.flatnonzero(rows)
    if len(chosen) > KNOWN:
        chosen = np.flatnonzero(rows > once)  # a word of one row is a key
        chosen = chosen[np.argsort(-rows[chosen], kind="stable")[:KNOWN]]
    named = zip(_taken(words, chosen).to_pylist(), rows[chosen].tolist(), strict=True)
    return [(word, count) for word, count in named if len(word) <= LONGEST]


def _taken(words: pa.StringArray, places: npt.NDArray[np.intp]) -> pa.StringArray:
    return words if len(places) == len(words) else words.take(arrow.plain(places.astype(np.int32)))
