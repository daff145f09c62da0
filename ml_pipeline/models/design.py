"""Products with the design matrix of a linear model, which is never made.

Numbers and blocks are multiplied in blocks of rows that fit the cache. Categories stay codes: what would be a product
with their one-hot columns is a gather, or a sum of the rows of each code. Small categories are counted together, as the
cells of one table whose margins are the sums of each, which saves passes over the numbers. Bags are lists of places,
written out as 0 and 1 for the Hessian alone, for the rows of one product at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Bag, Category, Encoded, Floats
from ml_pipeline.models.layout import Layout
from ml_pipeline.models.sums import Outline

ROWS = 4096
"""Rows per symmetric product, whose factor stays in the cache."""
NUMBERS = 1_500_000
"""Numbers that are put under one another at a time: all of a batch, where it is not wide. Fewer, larger steps let
workers wait for each other less."""
CELLS = 4096
"""Cells of a table of categories that are counted together: 32 KB, what the fastest cache holds."""

RECODINGS = 64
"""Pairs of vocabularies that are kept: all batches of a fit mostly share theirs."""


@dataclass(frozen=True, slots=True)
class Codes:
    """A category as codes into the sorted words of its layout; the last code is for missing values."""

    span: slice
    codes: npt.NDArray[np.intp]
    size: int

    @classmethod
    def of(cls, column: Category, words: Sequence[str], span: slice) -> Codes:
        return cls(span, _recoding(column.vocabulary, tuple(words))[column.codes], len(words) + 1)


@lru_cache(RECODINGS)
def _recoding(vocabulary: tuple[str, ...], words: tuple[str, ...]) -> npt.NDArray[np.intp]:
    index = {word: code for code, word in enumerate(words)}
    return np.array([*(index[word] for word in vocabulary), len(words)], np.intp)


class Design:
    """The matrix X of a batch, shape (rows, size of the layout): a column of ones, then those of the layout."""

    def __init__(self, x: Encoded, layout: Layout, rows: int) -> None:
        spans = layout.spans()
        self.layout, self.rows = layout, rows
        self.dense = [(spans[name], cast(Floats, x[name])) for name, _ in layout.dense]
        self.bags = [(spans[name], cast(Bag, x[name])) for name, _, _ in layout.bags]
        self.categories = [Codes.of(cast(Category, x[name]), words, spans[name]) for name, words in layout.words]
        self.groups = _groups(self.categories)
        self.matrices: list[tuple[slice, Floats]] = []

    def scores(self, theta: Floats) -> Floats:
        """`X theta`, shape (rows,), in whatever order is fastest."""
        return self._scores(theta[None]).view(np.float64)

    def two_scores(self, theta: Floats, other: Floats) -> tuple[Floats, Floats]:
        """`X theta` and `X other` in one sweep: both coefficients lie side by side, as a complex number's parts."""
        z = self._scores(np.stack([theta, other]))
        return z.real, z.imag

    def _scores(self, vectors: Floats) -> npt.NDArray[Any]:
        """Of one vector, or of two as real and imaginary part."""
        dtype = (np.float64, np.complex128)[len(vectors) - 1]
        dense = np.empty((self.rows, len(vectors)))
        for part, matrix in self._blocks():
            dense[part] = (vectors[:, : self.layout.dense_size()] @ matrix).T
        z: npt.NDArray[Any] = dense.view(dtype)[:, 0]
        theta = np.ascontiguousarray(vectors.T).view(dtype)[:, 0]
        for span, bag in self.bags:
            _add_row_sums(theta[span][bag.places], bag, z)
        for category in self.categories:
            z += np.append(theta[category.span], 0.0)[category.codes]
        return z

    def transposed(self, weights: Floats) -> Floats:
        """`X' weights`, shape (size,)."""
        total = np.zeros(self.layout.size())
        dense = total[: self.layout.dense_size()]
        for part, matrix in self._blocks():
            dense += matrix @ weights[part]
        for span, bag in self.bags:
            total[span] = np.bincount(bag.places, np.repeat(weights, bag.sizes()), bag.width)
        for group in self.groups:
            table = np.bincount(_joint(group), weights, _cells(group)).reshape([category.size for category in group])
            for axis, category in enumerate(group):
                total[category.span] = _margin(table, axis)[:-1]
        return total

    def hessian(self, curvature: Floats, precision: npt.DTypeLike = np.float64) -> Floats:
        """`X'WX`, shape (size, size), for the diagonal W.

        Args:
            curvature: The diagonal of W, shape (rows,), not negative.
            precision: Of products among numbers, blocks and bags within some rows; float64 for all else.
        """
        hessian = np.zeros((self.layout.size(), self.layout.size()))
        self._add_fixed(curvature, precision, hessian)
        if precision != np.float64:
            # Words add up to the bias, so it must be as exact as they are.
            fixed = self.layout.fixed_size()
            hessian[0, :fixed] = hessian[:fixed, 0] = self.transposed(curvature)[:fixed]
        for group, table in zip(self.groups, self._tables(curvature), strict=True):
            _add_margins(group, table, hessian)
        for span, bag in self.bags:
            for category in self.categories:
                _add_entries(bag, span, category, curvature, hessian)
        for place, first in enumerate(self.categories):
            for second in self.categories[place + 1 :]:
                _add_pair(first, second, curvature, hessian)
        return hessian

    def bent(self, curvature: Floats, along: Floats) -> Floats:
        """`W along`, shape (rows,), for the diagonal W."""
        return curvature * along

    def outline(self, curvature: Floats) -> Outline:
        """What an `Outline` holds of `X'WX`."""
        diagonal = self.transposed(curvature)
        singles, directions = self.layout.singles(), self._wholes()
        size = singles + len(directions)
        products, dense = np.zeros((size, size)), self.layout.dense_size()
        squares, buffer = np.zeros(dense), np.empty((size, min(ROWS, self.rows)))
        root = np.sqrt(curvature)
        for part, matrix in _in_cache(self._blocks()):
            weighted = buffer[:, : part.stop - part.start]
            weighted[:singles] = matrix[:singles]
            for place, column in enumerate(directions, start=singles):
                weighted[place] = column[part]
            weighted *= root[part]
            products += weighted @ weighted.T
            if singles < dense:
                squares += np.square(matrix) @ curvature[part]
        diagonal[:dense] = np.diag(products)[:dense] if singles == dense else squares
        return Outline(diagonal, products)

    def _wholes(self) -> list[Floats]:
        """What each direction of more than one entry adds to a row: the places of a bag, 1 for a word."""
        bags = [bag.sizes().astype(np.float64) for _, bag in self.bags]
        return [*bags, *((category.codes < category.size - 1).astype(np.float64) for category in self.categories)]

    def _blocks(self) -> Iterator[tuple[slice, Floats]]:
        """The ones, numbers and blocks of some rows, transposed; the next overwrites them."""
        if self.matrices:
            yield from self.matrices
            return
        size = self.layout.dense_size()
        rows = min(max(NUMBERS // size, ROWS), self.rows)
        buffer = np.empty((size, rows))
        buffer[0] = 1.0
        for start in range(0, self.rows, max(rows, 1)):
            part = slice(start, min(start + rows, self.rows))
            matrix = buffer[:, : part.stop - start]
            for span, column in self.dense:
                matrix[span] = column[part].T
            if rows == self.rows:
                self.matrices.append((part, matrix))
            yield part, matrix

    def _add_fixed(self, curvature: Floats, precision: npt.DTypeLike, hessian: Floats) -> None:
        """The bias, numbers, blocks and bags among themselves."""
        root = np.sqrt(curvature)
        dense, fixed = self.layout.dense_size(), self.layout.fixed_size()
        buffer = np.empty((fixed, min(ROWS, self.rows)), precision)
        for part, matrix in _in_cache(self._blocks()):
            weighted = buffer[:, : part.stop - part.start]
            np.multiply(matrix, root[part], out=weighted[:dense], casting="same_kind")
            for span, bag in self.bags:
                _write_out(bag[part], root[part], weighted[span])
            # NumPy takes a product with the own transpose for the symmetric one, which is half the work.
            hessian[:fixed, :fixed] += weighted @ weighted.T

    def _tables(self, curvature: Floats) -> list[Floats]:
        """Per group and cell the sums of W and of W times every dense column, shape (1 + columns, *sizes).

        One weighted column at a time serves all groups while it is in the cache.
        """
        if not self.groups:
            return []
        joints = [(_joint(group), _cells(group)) for group in self.groups]
        columns = self._weighted(curvature)
        rows = [[np.bincount(joint, weights, cells) for joint, cells in joints] for weights in columns]
        sizes = [[category.size for category in group] for group in self.groups]
        return [np.array([row[place] for row in rows]).reshape(-1, *size) for place, size in enumerate(sizes)]

    def _weighted(self, curvature: Floats) -> Iterator[Floats]:
        yield curvature
        for _, column in self.dense:
            for single in np.atleast_2d(column.T):
                yield curvature * single


def _add_row_sums(values: npt.NDArray[Any], bag: Bag, z: npt.NDArray[Any]) -> None:
    """Add the values of each row's places."""
    held = bag.sizes() > 0
    if held.any():
        z[held] += np.add.reduceat(values, bag.offsets[:-1][held])


def _in_cache(blocks: Iterable[tuple[slice, Floats]]) -> Iterator[tuple[slice, Floats]]:
    """The same rows, fewer at a time."""
    for part, matrix in blocks:
        for start in range(0, matrix.shape[1], ROWS):
            some = matrix[:, start : start + ROWS]
            yield slice(part.start + start, part.start + start + some.shape[1]), some


def _write_out(bag: Bag, values: Floats, into: npt.NDArray[np.floating]) -> None:
    """The value of each row at its places, 0 elsewhere, shape (width, rows)."""
    into[:] = 0.0
    rows = bag.row_of()
    into[bag.places, rows] = values[rows]


def _groups(categories: Sequence[Codes]) -> list[list[Codes]]:
    """Categories whose joint table is small enough, together (first fit, the largest first)."""
    groups: list[list[Codes]] = []
    for category in sorted(categories, key=lambda category: -category.size):
        fitting = (group for group in groups if _cells(group) * category.size <= CELLS)
        group = next(fitting, None)
        if group is None:
            groups.append([category])
        else:
            group.append(category)
    return groups


def _cells(group: Sequence[Codes]) -> int:
    cells = 1
    for category in group:
        cells *= category.size
    return cells


def _margin(table: npt.NDArray[Any], axis: int) -> Floats:
    others = tuple(other for other in range(table.ndim) if other != axis)
    return np.asarray(table.sum(axis=others))


def _add_margins(group: Sequence[Codes], table: Floats, hessian: Floats) -> None:
    """The products of a group's categories with themselves and with the bias, numbers and blocks."""
    for axis, category in enumerate(group, start=1):
        others = tuple(other for other in range(1, table.ndim) if other != axis)
        margin = table.sum(axis=others)[:, :-1]
        hessian[: len(margin), category.span] = margin
        hessian[category.span, : len(margin)] = margin.T
        own = range(category.span.start, category.span.stop)
        hessian[own, own] = margin[0]


def _joint(group: Sequence[Codes]) -> npt.NDArray[np.intp]:
    """The cell of each row in the table of a group."""
    joint = group[0].codes
    for category in group[1:]:
        joint = joint * category.size + category.codes
    return joint


def _add_entries(bag: Bag, span: slice, category: Codes, curvature: Floats, hessian: Floats) -> None:
    """The product of a bag and a category: the weight of every place with every word."""
    for start in range(0, len(bag), ROWS):
        part = slice(start, start + ROWS)
        some = bag[part]
        cells = np.repeat(category.codes[part], some.sizes()) * bag.width + some.places
        counted = np.bincount(cells, np.repeat(curvature[part], some.sizes()), category.size * bag.width)
        hessian[category.span, span] += counted.reshape(category.size, bag.width)[:-1]
    hessian[span, category.span] = hessian[category.span, span].T


def _add_pair(first: Codes, second: Codes, curvature: Floats, hessian: Floats) -> None:
    """The product of two categories: the weight of every pair of words."""
    pair = [first, second]
    table = np.bincount(_joint(pair), curvature, _cells(pair)).reshape(first.size, second.size)[:-1, :-1]
    hessian[first.span, second.span] = table
    hessian[second.span, first.span] = table.T
