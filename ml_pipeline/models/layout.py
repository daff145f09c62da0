"""Which entry of a coefficient vector belongs to what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Bag, Category, Encoded, Floats
from ml_pipeline.errors import FitError

SINGLES = 512
"""Numbers and blocks up to which each is a direction of its own."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The bias, then numbers and blocks, then the places of bags, then the words of categories, each by name.

    `dense` gives the width of each block, 0 for a number; `bags` the width of each bag and the names of its places, if
    they have any; `words` the sorted vocabulary of each category.
    """

    dense: tuple[tuple[str, int], ...]
    bags: tuple[tuple[str, int, tuple[str, ...]], ...]
    words: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, x: Encoded, names: Iterable[str]) -> Layout:
        """The layout of the named columns of a batch."""
        dense, bags, words = [], [], []
        for name in sorted(names):
            column = x[name]
            if isinstance(column, Category):
                words.append((name, tuple(sorted(column.vocabulary))))
            elif isinstance(column, Bag):
                bags.append((name, column.width, column.words))
            else:
                dense.append((name, column.shape[1] if column.ndim == 2 else 0))
        return cls(tuple(dense), tuple(bags), tuple(words))

    def __or__(self, other: Layout) -> Layout:
        """The layout of both batches: they differ in words at most."""
        mine, others = dict(self.words), dict(other.words)
        if (self.dense, self.bags) != (other.dense, other.bags) or mine.keys() != others.keys():
            raise FitError(
                "two batches do not have the same columns",
                given=other._described(),
                expected=self._described(),
                do="give every batch the same columns, blocks and bags of the same width",
            )
        return Layout(
            self.dense, self.bags, tuple((name, tuple(sorted({*mine[name], *others[name]}))) for name in mine)
        )

    def including(self, coefficients: Mapping[str, Any]) -> Layout:
        """The same with the words of named coefficients too, whether or not any row has them."""
        words = ((name, tuple(sorted({*own, *coefficients.get(name, ())}))) for name, own in self.words)
        return replace(self, words=tuple(words))

    def _described(self) -> str:
        widths = [*self.dense, *((name, width) for name, width, _ in self.bags)]
        return ", ".join(
            [*(f"{name} ({width or 1} wide)" for name, width in widths), *(name for name, _ in self.words)]
        )

    def spans(self) -> dict[str, slice]:
        """Where the coefficients of every column lie."""
        spans, end = {}, 1
        fixed = [*((name, width or 1) for name, width in self.dense), *((name, width) for name, width, _ in self.bags)]
        for name, size in (*fixed, *((name, len(words)) for name, words in self.words)):
            spans[name] = slice(end, end + size)
            end += size
        return spans

    def size(self) -> int:
        """Entries of the vector, the bias included."""
        return self.fixed_size() + sum(len(words) for _, words in self.words)

    def fixed_size(self) -> int:
        """Entries of the bias, numbers, blocks and bags, which come first and are the same in every batch."""
        return self.dense_size() + sum(width for _, width, _ in self.bags)

    def dense_size(self) -> int:
        """Entries of the bias, numbers and blocks, which come first."""
        return 1 + sum(width or 1 for _, width in self.dense)

    def biases(self) -> int:
        """Entries of the bias, which comes first of all."""
        return 1

    def places(self, wider: Layout) -> npt.NDArray[np.intp]:
        """For every entry, its place in a wider layout."""
        spans = wider.spans()
        places = [np.arange(self.fixed_size())]
        for (name, words), (_, all_words) in zip(self.words, wider.words, strict=True):
            places.append(spans[name].start + np.searchsorted(np.array(all_words), np.array(words)))
        return np.concatenate(places).astype(np.intp)

    def directions(self) -> list[slice]:
        """Where the few directions of an `Outline` lead that are more than one entry: a category, a bag, as a whole.

        The others are the entries of the bias, numbers and blocks, or of the bias alone where those are many.
        """
        spans = self.spans()
        return [spans[name] for name in (*(bag[0] for bag in self.bags), *(name for name, _ in self.words))]

    def singles(self) -> int:
        """Entries that are directions of an `Outline` by themselves."""
        return self.dense_size() if self.dense_size() <= SINGLES else 1

    def along(self, values: Floats) -> Floats:
        """`Z'values`, shape (directions, …), for values of shape (size, …)."""
        wholes = [values[span].sum(axis=0, keepdims=True) for span in self.directions()]
        return np.concatenate([values[: self.singles()], *wholes])

    def spread(self, values: Floats) -> Floats:
        """`Z values`, shape (size, …), for values of shape (directions, …)."""
        vector, singles = np.zeros((self.size(), *values.shape[1:])), self.singles()
        vector[:singles] = values[:singles]
        for span, value in zip(self.directions(), values[singles:], strict=True):
            vector[span] = value
        return vector

    def vector(self, named: Mapping[str, Any]) -> Floats:
        """`bias` and `coefficients` as a vector; 0 for those there are none of."""
        vector, coefficients = np.zeros(self.size()), named.get("coefficients", {})
        vector[0] = named.get("bias", 0.0)
        spans = self.spans()
        for name, _ in self.dense:
            vector[spans[name]] = coefficients.get(name, 0.0)
        for name, _, words in self.bags:
            vector[spans[name]] = _ordered(coefficients.get(name, {}), words) if words else coefficients.get(name, 0.0)
        for name, words in self.words:
            vector[spans[name]] = _ordered(coefficients.get(name, {}), words)
        return vector

    def named(self, vector: Floats) -> dict[str, Any]:
        """A vector as `bias` and `coefficients`."""
        return {"bias": float(vector[0]), "coefficients": self._coefficients(vector)}

    def arrays(self, vector: Floats) -> dict[str, Any]:
        """A vector in the form of `named`, but an array for each column; words in the order they have there."""
        spans = self.spans()
        return {"bias": float(vector[0]), "coefficients": {name: vector[spans[name]].copy() for name in sorted(spans)}}

    def vector_of_arrays(self, arrays: Mapping[str, Any], coefficients: Mapping[str, Any]) -> Floats:
        """What `arrays` gave as a vector again, 0 where there was nothing.

        Args:
            arrays: Of the same columns, perhaps of fewer words.
            coefficients: Named, of the layout that `arrays` was given; they know the words.
        """
        own = arrays["coefficients"]
        return self.vector({"bias": arrays["bias"], "coefficients": {n: _worded(own[n], coefficients[n]) for n in own}})

    def _coefficients(self, vector: Floats) -> dict[str, Any]:
        """A vector without its bias by name: plain values, and an array for a bag whose places have no names."""
        spans = self.spans()
        named: dict[str, Any] = {
            name: vector[spans[name]].tolist() if width else float(vector[spans[name]][0]) for name, width in self.dense
        }
        named |= {name: vector[spans[name]].copy() for name, _, words in self.bags if not words}
        for name, words in (*((name, words) for name, _, words in self.bags if words), *self.words):
            named[name] = dict(zip(words, vector[spans[name]].tolist(), strict=True))
        return {name: named[name] for name in sorted(named)}


@dataclass(frozen=True, slots=True)
class ClassLayout(Layout):
    """As many coefficients of everything as there are classes, side by side: a vector is a matrix (size, classes)."""

    classes: tuple[str, ...]

    @classmethod
    def of_classes(cls, layout: Layout, classes: tuple[str, ...]) -> ClassLayout:
        """Every entry of a layout, once for each class."""
        return cls(layout.dense, layout.bags, layout.words, classes)

    @property
    def one(self) -> Layout:
        """The layout of a single class."""
        return Layout(self.dense, self.bags, self.words)

    def __or__(self, other: Layout) -> ClassLayout:
        return self.of_classes(self.one | other, self.classes)

    def including(self, coefficients: Mapping[str, Any]) -> ClassLayout:
        return self.of_classes(self.one.including(coefficients[self.classes[0]]), self.classes)

    def matrix(self, vector: Floats) -> Floats:
        """A vector of shape (size, …) with an axis of its own for the classes: (size of one, classes, …)."""
        return vector.reshape(-1, len(self.classes), *vector.shape[1:])

    def size(self) -> int:
        return self.one.size() * len(self.classes)

    def fixed_size(self) -> int:
        return self.one.fixed_size() * len(self.classes)

    def dense_size(self) -> int:
        return self.one.dense_size() * len(self.classes)

    def biases(self) -> int:
        return len(self.classes)

    def singles(self) -> int:
        return self.one.singles() * len(self.classes)

    def places(self, wider: Layout) -> npt.NDArray[np.intp]:
        own = self.one.places(wider)[:, None] * len(self.classes) + np.arange(len(self.classes))
        return own.ravel()

    def along(self, values: Floats) -> Floats:
        return self.one.along(self.matrix(values)).reshape(-1, *values.shape[1:])

    def spread(self, values: Floats) -> Floats:
        return self.one.spread(self.matrix(values)).reshape(-1, *values.shape[1:])

    def vector(self, named: Mapping[str, Any]) -> Floats:
        bias, coefficients = named.get("bias", {}), named.get("coefficients", {})
        own = ({"bias": bias.get(each, 0.0), "coefficients": coefficients.get(each, {})} for each in self.classes)
        return np.stack([self.one.vector(each) for each in own], axis=1).ravel()

    def named(self, vector: Floats) -> dict[str, Any]:
        """As that of a single class, `bias` and `coefficients` by class."""
        return self._by_class(map(self.one.named, self.matrix(vector).T))

    def arrays(self, vector: Floats) -> dict[str, Any]:
        """As that of a single class, `bias` and `coefficients` by class."""
        return self._by_class(map(self.one.arrays, self.matrix(vector).T))

    def vector_of_arrays(self, arrays: Mapping[str, Any], coefficients: Mapping[str, Any]) -> Floats:
        own = (
            self.one.vector_of_arrays({part: arrays[part][each] for part in arrays}, coefficients[each])
            for each in self.classes
        )
        return np.stack(list(own), axis=1).ravel()

    def _by_class(self, each: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        own = dict(zip(self.classes, each, strict=True))
        return {part: {name: of_class[part] for name, of_class in own.items()} for part in ("bias", "coefficients")}


def _ordered(coefficients: Mapping[str, float], words: Iterable[str]) -> list[float]:
    return [coefficients.get(word, 0.0) for word in words]


def _worded(array: Any, coefficients: Any) -> Any:
    """An array by word, where the coefficients are."""
    return dict(zip(coefficients, array, strict=True)) if isinstance(coefficients, Mapping) else array
