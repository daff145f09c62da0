"""Newton's method, one step per pass over the data.

The objective is the sum of the losses plus `ridge / 2` times the squared coefficients, the bias left free: the same as
scikit-learn's with C = 1 / ridge. Where a step made the objective rise, half of it is tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml_pipeline.columns import Floats
from ml_pipeline.models.layout import Layout
from ml_pipeline.templates import Parameters

PASSES = 50
"""Passes after which it is given up."""
SMALL = 1e-5
"""A step that moves no score by more, in a typical row, is the last: after it, the error is about its square."""
SINGULAR = 1e-13
"""A column of which no larger share is its own, not a combination of others, cannot be told from rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """What one pass over rows gives: losses, their first and second derivatives by the coefficients, and labels."""

    layout: Layout
    rows: int
    loss: float
    label: float
    label_squares: float
    gradient: Floats
    hessian: Floats

    def __add__(self, other: Sums) -> Sums:
        """The sums of both sets of rows, over the words of both."""
        layout = self.layout if self.layout == other.layout else self.layout | other.layout
        a, b = self._spread(layout), other._spread(layout)
        return Sums(
            layout,
            a.rows + b.rows,
            a.loss + b.loss,
            a.label + b.label,
            a.label_squares + b.label_squares,
            a.gradient + b.gradient,
            a.hessian + b.hessian,
        )

    def _spread(self, layout: Layout) -> Sums:
        if layout == self.layout:
            return self
        places = self.layout.places(layout)
        gradient, hessian = np.zeros(layout.size()), np.zeros((layout.size(), layout.size()))
        gradient[places] = self.gradient
        hessian[np.ix_(places, places)] = self.hessian
        return Sums(layout, self.rows, self.loss, self.label, self.label_squares, gradient, hessian)


def advance(parameters: Parameters, sums: Sums, unit: float) -> Parameters:
    """Parameters after the step that follows from the sums at `parameters`; with `fit` when it was the last.

    Args:
        parameters: `ridge`, and where there are any `bias`, `coefficients` and the `progress` of the steps before.
        sums: Over all rows.
        unit: Size of a typical score, in whose terms a step is small.
    """
    theta = sums.layout.vector(parameters.get("bias", 0.0), parameters.get("coefficients", {}))
    penalty = penalties(parameters, len(theta))
    objective = sums.loss + float(penalty @ np.square(theta)) / 2
    gradient = sums.gradient + penalty * theta
    before = parameters.get("progress", {"passes": 0, "objective": np.inf})
    # A rise that rounding explains is none.
    if objective > before["objective"] + 1e-11 * abs(objective):
        step = before["step"] / 2
        theta, objective, largest = theta - step, before["objective"], np.inf
    else:
        step = direction(sums.hessian + np.diag(penalty), gradient)
        theta, largest = theta + step, float(np.max(np.abs(step) * _sizes(sums))) / unit
    progress = {"passes": before["passes"] + 1, "objective": objective, "step": step}
    moved = {**parameters, "bias": float(theta[0]), "coefficients": sums.layout.coefficients(theta)}
    if largest > SMALL and progress["passes"] < PASSES:
        return {**moved, "progress": progress}
    moved.pop("progress", None)
    return {**moved, "fit": _report(sums.rows, progress, gradient, largest)}


def penalties(parameters: Parameters, size: int) -> Floats:
    """The diagonal of the penalty's Hessian: the ridge, and 0 for the bias."""
    penalty = np.full(size, float(parameters["ridge"]))
    penalty[0] = 0.0
    return penalty


def direction(hessian: Floats, gradient: Floats) -> Floats:
    """Newton's step: minus the gradient divided by the Hessian, in which every column has been given unit size.

    Columns that are combinations of others up to rounding leave directions without curvature; no step goes there.
    """
    size, scaled = _scaled(hessian)
    slope = -gradient / size
    if _is_firm(scaled):
        return np.asarray(np.linalg.solve(scaled, slope) / size)
    values, vectors = _firm_directions(scaled)
    return np.asarray(vectors @ ((vectors.T @ slope) / values) / size)


def inverse(hessian: Floats) -> tuple[Floats, Floats]:
    """The size of every column, and the inverse of the Hessian in which each has been given unit size.

    Directions without curvature, as in `direction`, are left out of the inverse.
    """
    size, scaled = _scaled(hessian)
    if _is_firm(scaled):
        return size, np.asarray(np.linalg.inv(scaled), np.float64)
    values, vectors = _firm_directions(scaled)
    return size, (vectors / values) @ vectors.T


def _scaled(hessian: Floats) -> tuple[Floats, Floats]:
    size = np.sqrt(np.diag(hessian))
    size[size == 0.0] = 1.0
    return size, hessian / np.outer(size, size)


def _is_firm(scaled: Floats) -> bool:
    """Whether there is curvature in every direction."""
    try:
        own = np.square(np.diag(np.linalg.cholesky(scaled)))
    except np.linalg.LinAlgError:
        return False
    return bool(own.min() > SINGULAR)


def _firm_directions(scaled: Floats) -> tuple[Floats, Floats]:
    """Curvatures and the directions that have them."""
    values, vectors = np.linalg.eigh(scaled)
    firm = values > SINGULAR * values[-1]
    return values[firm], vectors[:, firm]


def _sizes(sums: Sums) -> Floats:
    """How large the values are that each coefficient is multiplied by: root mean square, 1 for a word."""
    sizes = np.ones(sums.layout.size())
    dense = sums.layout.dense_size()
    curvature = np.diag(sums.hessian)[:dense]
    if curvature[0] > 0.0:
        sizes[:dense] = np.sqrt(curvature / curvature[0])
    return sizes


def _report(rows: int, progress: Mapping[str, Any], gradient: Floats, largest: float) -> dict[str, Any]:
    """How the fit went, for a person: objective and gradient are those that the last step started from."""
    converged = largest <= SMALL
    note = (
        ""
        if converged
        else f"Newton's method did not converge in {progress['passes']} passes over the data: the last step was still "
        f"{largest:.2g} where {SMALL:.0e} counts as small. Standardise the columns or raise the ridge."
    )
    return {
        "rows": rows,
        "iterations": progress["passes"],
        "objective": float(progress["objective"]),
        "gradient": float(np.max(np.abs(gradient))),
        "converged": converged,
        "note": note,
    }
