"""How far chance may have moved the coefficients of a fit.

With a penalty the covariance is `(H + P)^-1 H (H + P)^-1` times the variance of the labels around their expectation
(Gray 1992, "Flexible methods for analyzing survival data using splines", JASA 87; Hastie and Tibshirani 1990,
"Generalized additive models"). H is the Hessian of the summed losses, P the diagonal of the penalty. It tells of chance
only, not of the penalty's pull to 0.

What adds the same to every class changes no probability, so of several classes only the contrasts among them are
inverted: the rest would be rounding divided by rounding.
"""

from __future__ import annotations

import numpy as np

from ml_pipeline.columns import Floats
from ml_pipeline.models.curvature import inverse


def errors(hessian: Floats, penalty: Floats, classes: int = 1) -> tuple[Floats, float]:
    """Standard errors where labels vary by 1 around their expectation, and the degrees of freedom the fit used.

    Directions without curvature add nothing.

    Args:
        hessian: H, shape (size, size).
        penalty: The diagonal of P, shape (size,); the same for every class.
        classes: How many have coefficients side by side, as in `ClassLayout`.

    Returns:
        The square roots of the diagonal of the covariance, shape (size,), and the trace of `(H + P)^-1 H`.
    """
    if classes == 1:
        size, used, inverted = _used(hessian, penalty)
        variances = np.einsum("ij,ji->i", used, inverted) / np.square(size)
    else:
        spread = np.kron(np.eye(len(penalty) // classes), contrasts(classes))
        size, used, inverted = _used(spread.T @ hessian @ spread, np.square(spread).T @ penalty)
        covariance = used @ inverted / np.outer(size, size)
        variances = np.einsum("ij,jk,ik->i", spread, covariance, spread, optimize=True)
    return np.sqrt(np.maximum(variances, 0.0)), float(np.trace(used))


def contrasts(classes: int) -> Floats:
    """Helmert's contrasts, orthonormal columns that add up to 0, shape (classes, classes - 1)."""
    columns = np.triu(np.ones((classes, classes)), 1)[:, 1:] - np.diag(np.arange(float(classes)))[:, 1:]
    return np.asarray(columns / np.sqrt(np.square(columns).sum(axis=0)))


def _used(hessian: Floats, penalty: Floats) -> tuple[Floats, Floats, Floats]:
    """Of columns that have been given unit size: that size, `(H + P)^-1 H`, and `(H + P)^-1`."""
    size, inverted = inverse(hessian + np.diag(penalty))
    return size, inverted @ (hessian / np.outer(size, size)), inverted
