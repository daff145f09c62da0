"""Sums over the design matrix of a linear model, which is never made.

Numbers and blocks are multiplied in blocks of rows that fit the cache. Categories stay codes: what would be a product
with their one-hot columns is a sum of the rows of each code. Small categories are counted together, as the cells of one
table whose margins are the sums of each, which saves passes over the numbers. Bags are written out as 0 and 1 for the
rows of one product at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import cast

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Bag, Category, Encoded, Floats
from ml_pipeline.models.layout import Layout

ROWS = 4096
"""Rows per matrix product."""
CELLS = 4096
"""Cells of a table of categories that are counted together: 32 KB, what the fastest cache holds."""


@dataclass(frozen=True, slots=True)
class Codes:
    """A category as codes into the sorted words of its layout; the last code is for missing values."""

    span: slice
    codes: npt.NDArray[np.intp]
    size: int

    @classmethod
    def of(cls, column: Category, words: Sequence[str], span: slice) -> Codes:
        index = {word: code for code, word in enumerate(words)}
        table = np.array([*(index[word] for word in column.vocabulary), len(words)], np.intp)
        return cls(span, table[column.codes], len(words) + 1)


def sums(x: Encoded, layout: Layout, residual: Floats, curvature: Floats) -> tuple[Floats, Floats]:
    """`X'r` and `X'WX`, shapes (size,) and (size, size), for the design matrix X that `layout` describes.

    Args:
        x: Columns of the batch.
        layout: Of these columns.
        residual: r, shape (rows,).
        curvature: The diagonal of W, shape (rows,), not negative.
    """
    gradient, hessian = np.zeros(layout.size()), np.zeros((layout.size(), layout.size()))
    dense = [cast(Floats, x[name]) for name, _ in layout.dense]
    bags = {name: cast(Bag, x[name]) for name, _, _ in layout.bags}
    _add_fixed([*dense, *bags.values()], residual, curvature, (gradient, hessian))
    spans = layout.spans()
    categories = [Codes.of(cast(Category, x[name]), words, spans[name]) for name, words in layout.words]
    groups = _groups(categories)
    for group, table in zip(groups, _tables(groups, dense, residual, curvature), strict=True):
        _add_margins(group, table, (gradient, hessian))
    for name, bag in bags.items():
        for category in categories:
            _add_entries(bag, spans[name], category, curvature, hessian)
    for place, first in enumerate(categories):
        for second in categories[place + 1 :]:
            _add_pair(first, second, curvature, hessian)
    return gradient, hessian


def _add_fixed(
    columns: Sequence[Floats | Bag], residual: Floats, curvature: Floats, into: tuple[Floats, Floats]
) -> None:
    """The bias, numbers, blocks and bags among themselves."""
    gradient, hessian = into
    root = np.sqrt(curvature)
    for start in range(0, len(residual), ROWS):
        part = slice(start, start + ROWS)
        matrix = np.concatenate([np.ones((1, len(root[part]))), *(_transposed(column[part]) for column in columns)])
        size = len(matrix)
        gradient[:size] += matrix @ residual[part]
        matrix *= root[part]
        # NumPy takes a product with the own transpose for the symmetric one, which is half the work.
        hessian[:size, :size] += matrix @ matrix.T


def _transposed(column: Floats | Bag) -> Floats:
    """A row for each number or place, shape (width, rows)."""
    if not isinstance(column, Bag):
        return np.atleast_2d(column.T)
    matrix = np.zeros((column.width, len(column)))
    matrix[column.places, column.row_of()] = 1.0
    return matrix


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


def _tables(
    groups: Sequence[Sequence[Codes]], columns: Sequence[Floats], residual: Floats, curvature: Floats
) -> list[Floats]:
    """Per group and cell the sums of r, of W and of W times every dense column, shape (2 + columns, *sizes).

    One weighted column at a time serves all groups while it is in the cache.
    """
    joints = [(_joint(group), _cells(group)) for group in groups]
    weighted = chain((residual, curvature), (curvature * column for column in _singly(columns)))
    rows = [[np.bincount(joint, weights, cells) for joint, cells in joints] for weights in weighted]
    sizes = [[category.size for category in group] for group in groups]
    return [np.array([row[place] for row in rows]).reshape(-1, *size) for place, size in enumerate(sizes)]


def _add_margins(group: Sequence[Codes], table: Floats, into: tuple[Floats, Floats]) -> None:
    """The gradient of a group's categories, and their products with the bias, numbers and blocks."""
    gradient, hessian = into
    for axis, category in enumerate(group, start=1):
        others = tuple(other for other in range(1, table.ndim) if other != axis)
        margin = table.sum(axis=others)[:, :-1]
        gradient[category.span] = margin[0]
        hessian[: len(margin) - 1, category.span] = margin[1:]
        hessian[category.span, : len(margin) - 1] = margin[1:].T
        own = range(category.span.start, category.span.stop)
        hessian[own, own] = margin[1]


def _singly(columns: Sequence[Floats]) -> Iterator[Floats]:
    for column in columns:
        yield from np.atleast_2d(column.T)


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
