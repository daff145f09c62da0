"""The score of a linear model: the bias and, column by column, value times coefficient.

The order of the sum is that of the coefficients, and every step is element-wise, so a row's score has the same bits
whichever batch the row comes in, and in any language that follows the order. (A matrix product promises neither.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias, cast

import numpy as np

from ml_pipeline.columns import Category, Columns, Floats, count, kind, take
from ml_pipeline.errors import ChainError
from ml_pipeline.templates import require

Coefficients: TypeAlias = Mapping[str, Any]
"""Per column: a number; for a block one per column of it; for a category a mapping of word to number."""
FEW = 64
"""Up to so many rows, calls cost more than arithmetic."""
ROWS = 16384
"""Rows that are summed together, so that what lies between stays in the cache."""


def score(x: Columns, bias: float, coefficients: Coefficients) -> Floats:
    """`z = bias; z += x_j * theta_j` for every column j in the order of `coefficients`; shape (rows,).

    A word that has no coefficient, and a missing one, add nothing.

    Raises:
        ChainError: a column is missing, or of another kind than its coefficients.
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


def _few(x: Columns, bias: float, coefficients: Coefficients) -> Floats:
    """The same sum in one call: `accumulate` adds in order, where `sum` need not."""
    start = np.full((1, count(x)), bias)
    return np.asarray(np.add.accumulate(np.concatenate([start, *_terms(x, coefficients)]))[-1])


def _terms(x: Columns, coefficients: Coefficients) -> Iterator[Floats]:
    """Value times coefficient, shape (columns of the block, rows); for a number or a category (1, rows)."""
    for name, theta in coefficients.items():
        column = x[name]
        if isinstance(column, Category) != isinstance(theta, Mapping):
            raise ChainError(
                f"the column {name!r} is not of the kind that its coefficients are for",
                given=f"a {kind(column)} column",
                expected="a category" if isinstance(theta, Mapping) else "numbers",
                do="prepare the column as it was for training",
            )
        if isinstance(column, Category):
            yield _gather(column, theta)[None]
        elif column.ndim == 2:
            yield cast(Floats, column).T * np.asarray(theta)[:, None]
        else:
            yield (cast(Floats, column) * theta)[None]


def _gather(column: Category, theta: Mapping[str, float]) -> Floats:
    """The coefficient of each row's word, looked up once per word or once per row, whichever is less."""
    words = column.vocabulary
    if len(column) < len(words):
        return np.array([theta.get(words[code], 0.0) if code >= 0 else 0.0 for code in column.codes.tolist()])
    return np.array([*(theta.get(word, 0.0) for word in words), 0.0])[column.codes]
