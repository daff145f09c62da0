"""Which entry of a coefficient vector belongs to what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Category, Columns, Floats
from ml_pipeline.errors import FitError
from ml_pipeline.models.linear_predictor import Coefficients


@dataclass(frozen=True, slots=True)
class Layout:
    """The bias, then numbers and blocks by name, then the words of categories, both by name.

    `dense` gives the width of each block, 0 for a number; `words` the sorted vocabulary of each category.
    """

    dense: tuple[tuple[str, int], ...]
    words: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, x: Columns, names: Iterable[str]) -> Layout:
        """The layout of the named columns of a batch."""
        dense, words = [], []
        for name in sorted(names):
            column = x[name]
            if isinstance(column, Category):
                words.append((name, tuple(sorted(column.vocabulary))))
            else:
                dense.append((name, column.shape[1] if column.ndim == 2 else 0))
        return cls(tuple(dense), tuple(words))

    def __or__(self, other: Layout) -> Layout:
        """The layout of both batches: they differ in words at most."""
        mine, others = dict(self.words), dict(other.words)
        if self.dense != other.dense or mine.keys() != others.keys():
            raise FitError(
                "two batches do not have the same columns",
                given=f"{other.dense} {sorted(others)}",
                expected=f"{self.dense} {sorted(mine)}",
                do="give every batch the same columns, blocks of the same width",
            )
        return Layout(self.dense, tuple((name, tuple(sorted({*mine[name], *others[name]}))) for name in mine))

    def spans(self) -> dict[str, slice]:
        """Where the coefficients of every column lie."""
        spans, end = {}, 1
        for name, size in (*((name, width or 1) for name, width in self.dense), *((n, len(w)) for n, w in self.words)):
            spans[name] = slice(end, end + size)
            end += size
        return spans

    def size(self) -> int:
        """Entries of the vector, the bias included."""
        return self.dense_size() + sum(len(words) for _, words in self.words)

    def dense_size(self) -> int:
        """Entries of the bias, numbers and blocks, which come first."""
        return 1 + sum(width or 1 for _, width in self.dense)

    def places(self, wider: Layout) -> npt.NDArray[np.intp]:
        """For every entry, its place in a wider layout."""
        spans = wider.spans()
        places = [np.arange(self.dense_size())]
        for (name, words), (_, all_words) in zip(self.words, wider.words, strict=True):
            places.append(spans[name].start + np.searchsorted(np.array(all_words), np.array(words)))
        return np.concatenate(places).astype(np.intp)

    def vector(self, bias: float, coefficients: Coefficients) -> Floats:
        """Coefficients as a vector; 0 for those there are none of."""
        vector = np.zeros(self.size())
        vector[0] = bias
        spans = self.spans()
        for name, _ in self.dense:
            vector[spans[name]] = coefficients.get(name, 0.0)
        for name, words in self.words:
            own = coefficients.get(name, {})
            vector[spans[name]] = [own.get(word, 0.0) for word in words]
        return vector

    def coefficients(self, vector: Floats) -> dict[str, Any]:
        """A vector without its bias as plain values, by name."""
        spans = self.spans()
        named: dict[str, Any] = {
            name: vector[spans[name]].tolist() if width else float(vector[spans[name]][0]) for name, width in self.dense
        }
        for name, words in self.words:
            named[name] = dict(zip(words, vector[spans[name]].tolist(), strict=True))
        return {name: named[name] for name in sorted(named)}
