"""Dividing by a Hessian whose columns may be of any size, and combinations of one another."""

from __future__ import annotations

import numpy as np

from ml_pipeline.columns import Floats

SINGULAR = 1e-13
"""A column of which no larger share is its own, not a combination of others, cannot be told from rounding."""
PLAIN = 1e-2
"""The same share, above which sums in single precision (about 1e-5) move no curvature by more than a thousandth."""
MODERATE = (1e-10, 1e15)
"""Sizes of columns whose products single precision can hold."""


def newton_step(hessian: Floats, gradient: Floats, fixed: int) -> tuple[Floats, bool]:
    """Minus the gradient divided by the Hessian, in which every column has been given unit size.

    Columns that are combinations of others up to rounding leave directions without curvature; no step goes there.

    Args:
        hessian: Shape (size, size).
        gradient: Shape (size,).
        fixed: Entries that come first, of which all but the very first may be summed in single precision.

    Returns:
        The step, and whether single precision will do for the next.
    """
    size, scaled = _scaled(hessian)
    slope = -gradient / size
    own = _own_shares(scaled, fixed)
    if own.min() > SINGULAR:
        plain = own[len(own) - fixed + 1 :].min(initial=1.0) > PLAIN
        moderate = MODERATE[0] < size.min() and size.max() < MODERATE[1]
        return np.asarray(np.linalg.solve(scaled, slope) / size), bool(plain and moderate)
    values, vectors = _firm_directions(scaled)
    return np.asarray(vectors @ ((vectors.T @ slope) / values) / size), False


def inverse(hessian: Floats) -> tuple[Floats, Floats]:
    """The size of every column, and the inverse of the Hessian in which each has been given unit size.

    Directions without curvature, as in `newton_step`, are left out of the inverse.
    """
    size, scaled = _scaled(hessian)
    if _own_shares(scaled, len(scaled)).min() > SINGULAR:
        return size, np.asarray(np.linalg.inv(scaled), np.float64)
    values, vectors = _firm_directions(scaled)
    return size, (vectors / values) @ vectors.T


def _scaled(hessian: Floats) -> tuple[Floats, Floats]:
    size = np.sqrt(np.diag(hessian))
    size[size == 0.0] = 1.0
    return size, hessian / np.outer(size, size)


def _own_shares(scaled: Floats, fixed: int) -> Floats:
    """The share of each column that is no combination of those before it; 0 where rounding hides it.

    The first of the `fixed` entries and all others come before the rest of the fixed ones.
    """
    order = np.concatenate([[0], np.arange(fixed, len(scaled)), np.arange(1, fixed)]).astype(np.intp)
    try:
        return np.asarray(np.square(np.diag(np.linalg.cholesky(scaled[np.ix_(order, order)]))))
    except np.linalg.LinAlgError:
        return np.zeros(len(scaled))


def _firm_directions(scaled: Floats) -> tuple[Floats, Floats]:
    """Curvatures and the directions that have them."""
    values, vectors = np.linalg.eigh(scaled)
    firm = values > SINGULAR * values[-1]
    return values[firm], vectors[:, firm]
