"""The score of a linear model: the bias and, column by column, value times coefficient.

The order of the sum is that of the coefficients, and every step is element-wise, so a row's score has the same bits
whichever batch the row comes in, and in any language that follows the order. (A matrix product promises neither.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias, cast

import numpy as np

from ml_pipeline.columns import Bag, Category, Column, Encoded, Floats, count, kind, take
from ml_pipeline.errors import ChainError
from ml_pipeline.templates import require

Coefficients: TypeAlias = Mapping[str, Any]
"""Per column: a number; for a block one per column of it; for a category a mapping of word to number; for a bag such
a mapping where its places have names, else one number per place."""
FEW = 64
"""Up to so many rows, calls cost more than arithmetic."""
ROWS = 16384
"""Rows that are summed together, so that what lies between stays in the cache."""


def score(x: Encoded, bias: float, coefficients: Coefficients) -> Floats:
    """`z = bias; z += x_j * theta_j` for every column j in the order of `coefficients`; shape (rows,).

    A word that has no coefficient, and a missing one, add nothing. A bag adds one term, the coefficients of the row's
    places summed in the order of the places.

    Raises:
        ChainError: a column is missing, or of another kind or width than its coefficients.
    """
    require("the linear predictor", tuple(coefficients), dict.fromkeys(x, "number"))
    rows = count(x)
    if rows <= FEW:
        return _few(x, bias, coefficients)
    z = np.full(rows, bias)
    used = {name: x[name] for name in coefficients}
    for start in range(0, rows, ROWS):
        part = slice(start, start + ROWS)
        for term in _terms(take(used, part), coefficients):
            for column in term:
                z[part] += column
    return z


def _few(x: Encoded, bias: float, coefficients: Coefficients) -> Floats:
    """The same sum in one call: `accumulate` adds in order, where `sum` need not."""
    start = np.full((1, count(x)), bias)
    return np.asarray(np.add.accumulate(np.concatenate([start, *_terms(x, coefficients)]))[-1])


def _terms(x: Encoded, coefficients: Coefficients) -> Iterator[Floats]:
    """Value times coefficient, shape (columns of the block, rows); for all but a block (1, rows)."""
    for name, theta in coefficients.items():
        column = x[name]
        if not _fit(column, theta):
            raise ChainError(
                f"the column {name!r} is not of the kind that its coefficients are for",
                given=f"a {kind(column)} column",
                expected=_expected(theta),
                do="prepare the column as it was for training",
            )
        if isinstance(column, Category):
            yield _gather(column, theta)[None]
        elif isinstance(column, Bag):
            # Counting adds entry by entry, in order, from 0: no other row, and no vector instruction, changes a sum.
            yield cast(Floats, np.bincount(column.row_of(), _entries(column, theta), len(column)))[None]
        elif column.ndim == 2:
            yield cast(Floats, column).T * np.asarray(theta)[:, None]
        else:
            yield (cast(Floats, column) * theta)[None]


def _fit(column: Column | Bag, theta: Any) -> bool:
    """Whether a column is of the shape that its coefficients are for."""
    if isinstance(theta, Mapping):
        return isinstance(column, Category) or (isinstance(column, Bag) and bool(column.words))
    if isinstance(column, Category) or (isinstance(column, Bag) and column.words):
        return False
    width = column.width if isinstance(column, Bag) else column.shape[1] if column.ndim == 2 else None
    return width == (None if np.isscalar(theta) else len(theta))


def _expected(theta: Any) -> str:
    if isinstance(theta, Mapping):
        return "a category, or a bag whose places have names"
    return "a number" if np.isscalar(theta) else f"a block or a bag, {len(theta)} wide"


def per_place(bag: Bag, theta: Any) -> Floats:
    """The coefficients of a bag in the order of its places, shape (width,); 0 for a name that has none."""
    if not bag.words:
        return np.asarray(theta, np.float64)
    return np.array([theta.get(word, 0.0) for word in bag.words], np.float64)


def _entries(bag: Bag, theta: Any) -> Floats:
    """The coefficient of every entry of a bag, looked up once per name or once per entry, whichever is less."""
    if bag.words and len(bag.places) < bag.width:
        return np.array([theta.get(bag.words[place], 0.0) for place in bag.places.tolist()], np.float64)
    return per_place(bag, theta)[bag.places]


def _gather(column: Category, theta: Mapping[str, float]) -> Floats:
    """The coefficient of each row's word, looked up once per word or once per row, whichever is less."""
    words = column.vocabulary
    if len(column) < len(words):
        return np.array([theta.get(words[code], 0.0) if code >= 0 else 0.0 for code in column.codes.tolist()])
    return np.array([*(theta.get(word, 0.0) for word in words), 0.0])[column.codes]
