"""Newton's step with a lasso: it minimises the quadratic model of the losses and the ridge, plus the lasso itself.

That is a proximal Newton step (Lee, Sun and Saunders 2014, "Proximal Newton-type methods for minimizing composite
functions"), found by cyclic coordinate descent (Friedman, Hastie and Tibshirani 2010, "Regularization paths for
generalized linear models via coordinate descent"): one coefficient at a time is set to

    soft(value - residual, lasso),   soft(u, l) = sign(u) max(|u| - l, 0),

where every column has been given unit size and the bias is always at its own optimum. Once the
signs stand, the equations among the coefficients that are not 0 are solved, which is where descent itself is slow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml_pipeline.columns import Floats
from ml_pipeline.models.curvature import SINGULAR, newton_step

SWEEPS = 200
"""After so many over all coefficients the step is taken as it is."""
TINY = 1e-12
"""A sweep that moves no coefficient by a larger share of the largest is the last."""


@dataclass(slots=True, eq=False)
class Descent:
    """Where the descent is; columns have unit size, all vectors shape (columns,)."""

    hessian: Floats
    lasso: Floats
    values: Floats
    residual: Floats
    """Gradient of the quadratic model at `values`."""

    def sweep(self) -> float:
        """Set one coefficient after the other to its optimum; returns how far the farthest moved."""
        farthest = 0.0
        for place, lasso in enumerate(self.lasso.tolist()):
            before = float(self.values[place])
            wanted = before - float(self.residual[place])
            after = max(wanted - lasso, 0.0) + min(wanted + lasso, 0.0)
            if after != before:
                self.values[place] = after
                self.residual += (after - before) * self.hessian[place]
                farthest = max(farthest, abs(after - before))
        return farthest

    def solve(self) -> None:
        """Towards the optimum among coefficients of the present signs, until the first would change its sign."""
        held = np.flatnonzero(self.values)
        values, signs = self.values[held], np.sign(self.values[held])
        slope = self.residual[held] + self.lasso[held] * signs
        step, _ = newton_step(self.hessian[np.ix_(held, held)], slope, len(held))
        lengths = np.divide(-values, step, out=np.full(len(held), np.inf), where=signs * step < 0.0)
        length = min(float(lengths.min()), 1.0)
        values = np.where(lengths <= length, 0.0, values + length * step)
        self.residual = self.residual + self.hessian[:, held] @ (values - self.values[held])
        self.values[held] = values


def lasso_step(hessian: Floats, gradient: Floats, theta: Floats, lasso: float, biases: int = 1) -> Floats:
    """The step d that minimises `gradient'd + d'Hd / 2 + lasso |theta + d|`, the first entries, the bias, left free.

    Columns that hold nothing beside the bias, up to rounding, get the coefficient 0.

    Args:
        hessian: H, shape (size, size), the ridge included.
        gradient: Of the losses and the ridge, shape (size,).
        theta: The coefficients so far, shape (size,).
        lasso: Above 0.
        biases: Entries of the bias, one for each class.
    """
    free = np.linalg.pinv(hessian[:biases, :biases], rcond=SINGULAR, hermitian=True)
    along = free @ hessian[:biases]
    inner = hessian - along.T @ hessian[:biases]
    own = np.flatnonzero(np.diag(inner) > SINGULAR * np.diag(hessian))
    own = own[own >= biases]
    others = theta.copy()
    others[[*range(biases), *own]] = 0.0
    slope = gradient - along.T @ gradient[:biases] - inner @ others
    size = np.sqrt(np.diag(inner)[own])
    scaled = inner[np.ix_(own, own)] / np.outer(size, size)
    found = np.zeros_like(theta)
    found[own] = _optimum(Descent(scaled, lasso / size, theta[own] * size, slope[own] / size)) / size
    step = found - theta
    step[:biases] = -free @ gradient[:biases] - along[:, biases:] @ step[biases:]
    return step


def _optimum(descent: Descent) -> Floats:
    signs = np.empty(0)
    for _ in range(SWEEPS):
        if descent.sweep() <= TINY * np.max(np.abs(descent.values), initial=0.0):
            break
        before, signs = signs, np.sign(descent.values)
        if np.array_equal(before, signs):
            descent.solve()
    return descent.values
