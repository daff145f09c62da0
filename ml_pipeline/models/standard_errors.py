"""How far chance may have moved the coefficients of a fit.

With a penalty the covariance is `(H + P)^-1 H (H + P)^-1` times the variance of the labels around their expectation
(Gray 1992, "Flexible methods for analyzing survival data using splines", JASA 87; Hastie and Tibshirani 1990,
"Generalized additive models"). H is the Hessian of the summed losses, P the diagonal of the penalty. It tells of chance
only, not of the penalty's pull to 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ml_pipeline.columns import Floats
from ml_pipeline.models.curvature import inverse
from ml_pipeline.models.layout import Layout


def errors(hessian: Floats, penalty: Floats) -> tuple[Floats, float]:
    """Standard errors where labels vary by 1 around their expectation, and the degrees of freedom the fit used.

    Directions without curvature add nothing.

    Args:
        hessian: H, shape (size, size).
        penalty: The diagonal of P, shape (size,).

    Returns:
        The square roots of the diagonal of the covariance, shape (size,), and the trace of `(H + P)^-1 H`.
    """
    size, inverted = inverse(hessian + np.diag(penalty))
    used = inverted @ (hessian / np.outer(size, size))
    variances = np.einsum("ij,ji->i", used, inverted)
    return np.sqrt(np.maximum(variances, 0.0)) / size, float(np.trace(used))


def named(vector: Floats, layout: Layout) -> dict[str, Any]:
    """Standard errors in the form of bias and coefficients."""
    return {"bias": float(vector[0]), "coefficients": layout.coefficients(vector)}
