"""Newton's step where the Hessian is too large to be summed: by its products with one direction a pass.

Conjugate gradients (Hestenes and Stiefel 1952), stopped once the residual is small enough for what the step is worth
(Dembo, Eisenstat and Steihaug 1982, "Inexact Newton methods"). The preconditioner adds the inverse of the diagonal, for
words and places, to the exact inverse among a few directions: numbers, and each category and bag as a whole, which
resemble the bias and one another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ml_pipeline.columns import Floats
from ml_pipeline.models.curvature import inverse
from ml_pipeline.models.layout import Layout
from ml_pipeline.models.sums import Outline

LOOSE, TIGHT = 0.1, 1e-3
"""Shares of the residual at which a step is good enough: far from the optimum, and near it."""
ITERATIONS = 60
"""After so many the step is taken as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Preconditioner:
    """Roughly the inverse of the Hessian plus the penalty; shapes (size,) and (directions, directions)."""

    layout: Layout
    diagonal: Floats
    inverse: Floats

    @classmethod
    def of(cls, outline: Outline, penalty: Floats, layout: Layout) -> Preconditioner:
        """From the sums over all rows."""
        diagonal = outline.diagonal + penalty
        diagonal[diagonal <= 0.0] = np.inf
        diagonal[: layout.singles()] = np.inf
        penalties = layout.along(penalty)
        size, inverted = inverse(outline.products + np.diag(penalties))
        return cls(layout, diagonal, inverted / np.outer(size, size))

    def __call__(self, residual: Floats) -> Floats:
        return residual / self.diagonal + self.layout.spread(self.inverse @ self.layout.along(residual))


@dataclass(frozen=True, slots=True, eq=False)
class Solving:
    """How far the step is; every vector of shape (size,)."""

    step: Floats
    residual: Floats
    direction: Floats
    precondition: Preconditioner
    slope: float
    """Residual times preconditioned residual."""
    enough: float
    """The slope at which the step is good enough."""
    iterations: int = 0

    @classmethod
    def begin(cls, gradient: Floats, precondition: Preconditioner, sizes: Floats) -> Solving:
        """Before the first product.

        Args:
            gradient: Of the objective.
            precondition: At the same coefficients.
            sizes: Of the values that each coefficient is multiplied by, in terms of a typical score.
        """
        direction = precondition(-gradient)
        slope = float(-gradient @ direction)
        share = float(np.clip(np.max(np.abs(direction) * sizes), TIGHT, LOOSE))
        return cls(np.zeros_like(gradient), -gradient, direction, precondition, slope, slope * share**2)

    @property
    def done(self) -> bool:
        """Whether the step is good enough."""
        return self.slope <= self.enough or self.iterations >= ITERATIONS

    def advance(self, product: Floats) -> Solving:
        """On by the product of the Hessian, penalty included, and `direction`."""
        curvature = float(self.direction @ product)
        if curvature <= 0.0:  # rounding alone is left
            return replace(self, slope=0.0)
        length = self.slope / curvature
        residual = self.residual - length * product
        preconditioned = self.precondition(residual)
        slope = float(residual @ preconditioned)
        return replace(
            self,
            step=self.step + length * self.direction,
            residual=residual,
            direction=preconditioned + slope / self.slope * self.direction,
            slope=slope,
            iterations=self.iterations + 1,
        )
