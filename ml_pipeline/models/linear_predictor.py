"""The score of a linear model: the bias and, column by column, value times coefficient.

The order of the sum is that of the coefficients, and every step is element-wise, so a row's score has the same bits
whichever batch the row comes in, and in any language that follows the order. (A matrix product promises neither.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

import numpy as np

from ml_pipeline.columns import Bag, Category, Column, Encoded, Floats, count, kind
from ml_pipeline.errors import ChainError
from ml_pipeline.templates import require

Coefficients: TypeAlias = Mapping[str, Any]
"""Per column: a number; for a block one per column of it; for a category a mapping of word to number; for a bag such
a mapping where its places have names, else one number per place."""
FEW = 256
"""Up to so many rows, calls cost more than arithmetic."""
ROWS = 16384
"""Rows that are summed together, so that what lies between stays in the cache."""
Term: TypeAlias = Callable[[slice], Floats]
"""Value times coefficient for the rows of a slice: shape (columns of a block, rows); for all but a block (1, rows)."""


def score(x: Encoded, bias: float, coefficients: Coefficients) -> Floats:
    """`z = bias; z += x_j * theta_j` for every column j in the order of `coefficients`; shape (rows,).

    A word that has no coefficient, and a missing one, add nothing. A bag adds one term, the coefficients of the row's
    places summed in the order of the places.

    Raises:
        ChainError: a column is missing, or of another kind or width than its coefficients.
    """
    if coefficients.keys() - x.keys():
        require("the linear predictor", tuple(coefficients), dict.fromkeys(x, "number"))
    rows = count(x)
    if rows == 1:
        return np.array([_one(x, bias, coefficients)])
    if rows <= FEW:
        return _few(x, bias, coefficients, rows)
    terms = [_term(name, x[name], theta) for name, theta in coefficients.items()]
    z = np.full(rows, bias)
    for start in range(0, rows, ROWS):
        part = slice(start, min(start + ROWS, rows))
        for term in terms:
            for column in term(part):
                z[part] += column
    return z


def _one(x: Encoded, bias: float, coefficients: Coefficients) -> float:
    """The same products and the same sum of a single row: Python's numbers are those of NumPy, without its calls."""
    z = bias
    for name, theta in coefficients.items():
        column: Any = x[name]
        if isinstance(theta, float) and isinstance(column, np.ndarray) and column.ndim == 1:
            z += column.item() * theta
        elif isinstance(theta, dict) and isinstance(column, Category):
            code = column.codes.item()
            z += theta.get(column.vocabulary[code], 0.0) if code >= 0 else 0.0
        elif isinstance(theta, list) and isinstance(column, np.ndarray) and column.shape == (1, len(theta)):
            for value, weight in zip(column.ravel().tolist(), theta, strict=True):
                z += value * weight
        else:
            for term in _term(name, column, theta)(slice(0, 1)).ravel().tolist():
                z += term
    return z


def _few(x: Encoded, bias: float, coefficients: Coefficients, rows: int) -> Floats:
    """The same products and the same sum in one call each: `accumulate` adds in order, where `sum` need not."""
    values, weights = [np.full(rows, bias)], [1.0]
    for name, theta in coefficients.items():
        column: Any = x[name]
        if isinstance(theta, float) and isinstance(column, np.ndarray) and column.ndim == 1:
            values.append(column)
            weights.append(theta)
        elif isinstance(theta, list) and isinstance(column, np.ndarray) and column.shape == (rows, len(theta)):
            values.append(column.T.ravel())
            weights += theta
        else:
            term = _term(name, column, theta)(slice(0, rows))
            values.append(term.ravel())
            weights += [1.0] * len(term)
    products = np.concatenate(values).reshape(len(weights), rows) * np.array(weights)[:, None]
    return np.asarray(np.add.accumulate(products)[-1])


def _term(name: str, column: Column | Bag, theta: Any) -> Term:
    """Value times coefficient for some rows; words and names are looked up here, once for all rows."""
    if not _fit(column, theta):
        raise ChainError(
            f"the column {name!r} is not of the kind that its coefficients are for",
            given=f"a {kind(column)} column",
            expected=_expected(theta),
            do="prepare the column as it was for training",
        )
    if isinstance(column, Category):
        return _words(column, theta)
    if isinstance(column, Bag):
        return _places(column, theta)
    numbers: Any = column
    if numbers.ndim == 2:
        weights = np.asarray(theta)[:, None]
        return lambda part: numbers[part].T * weights
    return lambda part: (numbers[part] * theta)[None]


def _words(column: Category, theta: Mapping[str, float]) -> Term:
    """The coefficient of each row's word, looked up once per word or once per row, whichever is less."""
    words, codes = column.vocabulary, column.codes
    if len(column) < len(words):
        values = np.array([theta.get(words[code], 0.0) if code >= 0 else 0.0 for code in codes.tolist()])
        return lambda part: values[None, part]
    table = np.array([*(theta.get(word, 0.0) for word in words), 0.0])
    return lambda part: table[codes[part]][None]


def _places(bag: Bag, theta: Any) -> Term:
    """The coefficients of each row's places, summed in the order of the places."""
    entries, offsets, row_of = _entries(bag, theta), bag.offsets, bag.row_of()

    def term(part: slice) -> Floats:
        held = slice(offsets[part.start], offsets[part.stop])
        # Counting adds entry by entry, in order, from 0: no other row, and no vector instruction, changes a sum.
        counted = np.bincount(row_of[held] - part.start, entries[held], part.stop - part.start)
        return cast(Floats, counted)[None]

    return term


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
