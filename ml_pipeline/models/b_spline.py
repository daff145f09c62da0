"""The B-spline basis, for several columns at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Floats

VALUES = 8192
"""Values evaluated together, so that what lies between stays in the cache."""

Indices = npt.NDArray[np.intp]


def basis(values: Floats, knots: Sequence[Sequence[float]], degree: int) -> Floats:
    """All basis functions of columns with knots of their own, constant beyond the outer knots.

    Outside the given knots, the outermost spacings go on (Eilers and Marx 1996).

    Args:
        values: Shape (columns, rows); NaN gives NaN.
        knots: Per column its knots, ascending and distinct, at least two.
        degree: Of the polynomials, at least 1.

    Returns:
        Shape (columns, width, rows), where width is that of the column with most knots: knots + degree - 1.
        Functions that a column with fewer knots lacks are 0.
    """
    padded, inner, lowest, highest = _grid(tuple(map(tuple, knots)), degree)
    most = inner.shape[1] + 2
    result = np.empty((len(knots), most + degree - 1, values.shape[1]))
    rows = max(1, VALUES // len(values))
    for start in range(0, values.shape[1], rows):
        some = np.minimum(np.maximum(values[:, start : start + rows], lowest), highest)
        interval = (some[:, None, :] >= inner[:, :, None]).sum(axis=1, dtype=np.intp)
        functions = _nonzero(some, interval, padded, degree)
        result[:, :, start : start + rows] = _spread(functions, some, interval, result.shape[1])
    return result


@lru_cache(16)
def _grid(knots: tuple[tuple[float, ...], ...], degree: int) -> tuple[Floats, Floats, Floats, Floats]:
    """The knots of all columns side by side: extended, the inner ones, the first and the last; not to be changed."""
    most = max(map(len, knots))
    padded = [[*_extended(own, degree), *[np.inf] * (most - len(own))] for own in knots]
    inner = [[*own[1:-1], *[np.inf] * (most - len(own))] for own in knots]
    return (
        np.array(padded),
        np.array(inner),
        np.array([own[:1] for own in knots]),
        np.array([own[-1:] for own in knots]),
    )


def _extended(knots: Sequence[float], degree: int) -> list[float]:
    first, last = knots[1] - knots[0], knots[-1] - knots[-2]
    before = [knots[0] - step * first for step in range(degree, 0, -1)]
    return [*before, *knots, *(knots[-1] + step * last for step in range(1, degree + 1))]


def _nonzero(values: Floats, interval: Indices, knots: Floats, degree: int) -> Floats:
    """The degree + 1 functions that are not 0, shape (degree + 1, columns, rows).

    de Boor's recurrence with non-negative terms only (de Boor 1978, "A practical guide to splines", chapter X).
    """
    here = interval + (np.arange(len(knots)) * knots.shape[1] + degree)[:, None]
    near = knots.ravel()[here + np.arange(1 - degree, degree + 1)[:, None, None]]
    right, left = near[degree:] - values, values - near[degree - 1 :: -1]
    functions = np.ones((1, *values.shape))
    for order in range(1, degree + 1):
        falling, rising = right[:order], left[:order][::-1]
        share = functions / (falling + rising)
        functions = np.zeros((order + 1, *values.shape))
        functions[:-1] = falling * share
        functions[1:] += rising * share
    return functions


def _spread(functions: Floats, values: Floats, interval: Indices, width: int) -> Floats:
    """The functions where their intervals belong, 0 elsewhere, NaN where a value is; shape (columns, width, rows)."""
    columns, rows = values.shape
    result = np.repeat((values - values)[:, None, :], width, axis=1)
    # One index is followed several times faster than three.
    flat = result.reshape(-1)
    place = interval * rows + np.arange(rows) + (np.arange(columns) * width * rows)[:, None]
    for offset, each in enumerate(functions):
        flat[place + offset * rows] = each
    return result
