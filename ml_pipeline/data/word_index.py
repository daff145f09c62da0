"""Words looked up among many, thousands at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import MISSING, Category
from ml_pipeline.data import arrow
from ml_pipeline.data.arrow import StoredCategory, Words
from ml_pipeline.data.string_hash import Hashes, string_hash

if TYPE_CHECKING:
    import pyarrow as pa

FEW = 512
"""Up to so many rows, calls cost more than to look up one after the other."""
Codes = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class WordIndex:
    """A vocabulary, sorted by hash. What a hash finds is compared, so no word is ever taken for another."""

    words: StoredCategory
    """In the order of their hashes."""
    hashes: Hashes

    @classmethod
    def of(cls, category: Category) -> WordIndex:
        """An index of a category's vocabulary."""
        words = arrow.words_of(category)
        hashes = string_hash(words)
        order = np.argsort(hashes).astype(np.int32)
        return cls(StoredCategory(order, Words(words)), hashes[order])

    def __len__(self) -> int:
        return len(self.words)

    def find(self, category: Category) -> Codes:
        """For every row the place of its word in the vocabulary, MISSING where it is none of these."""
        if len(category) <= FEW:
            words, places = category.vocabulary, self._places
            codes = category.codes.tolist()
            return np.array([places.get(words[code], MISSING) if code >= 0 else MISSING for code in codes], np.int32)
        return np.append(self._find(arrow.words_of(category)), np.int32(MISSING))[category.codes]

    def _find(self, words: pa.StringArray) -> Codes:
        import pyarrow.compute as pc

        if not len(self):
            return np.full(len(words), MISSING, np.int32)
        if self._ambiguous:
            places: Codes = arrow.filled(pc.index_in(words, arrow.words_of(self.words)), MISSING)
            return places
        hashes = string_hash(words)
        order = np.argsort(hashes)  # neighbours are looked up together: a cache miss for each would cost more
        at = np.empty(len(hashes), np.intp)
        at[order] = np.searchsorted(self.hashes, hashes[order])
        found = self.words.codes[np.minimum(at, len(self) - 1)]
        same = pc.equal(arrow.words_of(self.words).take(arrow.plain(found)), words).cast("int8")
        return np.where(arrow.filled(same, 0), found, np.int32(MISSING))

    @cached_property
    def _ambiguous(self) -> bool:
        return bool((self.hashes[1:] == self.hashes[:-1]).any())

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words.vocabulary)}
