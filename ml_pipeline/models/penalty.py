"""What large coefficients cost: the elastic net (Zou and Hastie 2005, "Regularization and variable selection").

The cost is `ridge / 2` times the squared coefficients plus `lasso` times their sizes, the bias left free.

Where learning goes on from coefficients that are known already, the cost is instead what was known of them:
`precision / 2` times the squared distance from each (Chapelle and Li 2011, "An empirical evaluation of Thompson
sampling", algorithm 3). That is a normal distribution around the optimum whose inverse variance is the diagonal of the
Hessian there, penalty included: Laplace's approximation of all rows before, as if no two columns had anything in
common. The lasso has chosen then, and has no further say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ml_pipeline.columns import Floats
from ml_pipeline.errors import ChainError
from ml_pipeline.models.layout import Layout
from ml_pipeline.templates import Parameters

Strength: TypeAlias = float | Sequence[float]
"""One, or several to choose from."""
CAUTION = 20.0
"""Ridge of words and places on a sample, by its own rows: as much as some hundred rows say."""


@dataclass(frozen=True, slots=True, eq=False)
class Penalty:
    """`ridge`: of each entry of a coefficient vector, 0 for the bias, shape (size,); `lasso`: of all but the bias.

    `centre`: where the ridge costs nothing, shape (size,): 0, or the coefficients that are known. `biases`: entries of
    the bias, which come first.
    """

    ridge: Floats
    lasso: float
    centre: Floats
    biases: int

    @classmethod
    def of(cls, parameters: Parameters, layout: Layout, share: float = 1.0) -> Penalty:
        """That of `parameters`.

        What a sample says of its rare words is mostly noise, so there words and places are penalised by more.
        """
        if "prior" in parameters:
            return cls._around(parameters, layout)
        ridge = np.full(layout.size(), float(parameters["ridge"]))
        if share < 1.0:
            ridge[layout.dense_size() :] += CAUTION / share
        ridge[: layout.biases()] = 0.0
        return cls(ridge, float(parameters["lasso"]), np.zeros(layout.size()), layout.biases())

    @classmethod
    def _around(cls, parameters: Parameters, layout: Layout) -> Penalty:
        """What was known of the coefficients; of a new word, no more than what the penalty says of any."""
        prior, biases = parameters["prior"], layout.biases()
        known = layout.vector_of_arrays(prior["precision"], prior["coefficients"])
        of_any = parameters["ridge"] + _precision(parameters["lasso"])
        return cls(np.where(known > 0.0, known, of_any), 0.0, layout.vector(prior), biases)

    def pull(self, theta: Floats) -> Floats:
        """The gradient of the ridge."""
        return self.ridge * (theta - self.centre)

    def precision(self, curvature: Floats, theta: Floats) -> Floats:
        """How well the optimum `theta` is known, given the diagonal of the losses' Hessian there, shape (size,).

        What a lasso holds at 0 is known by what the lasso is worth, too.
        """
        held = (theta == 0.0) & (np.arange(len(theta)) >= self.biases)
        return curvature + self.ridge + np.where(held, _precision(self.lasso), 0.0)

    def cost(self, theta: Floats) -> float:
        """What is added to the losses."""
        squares = float(self.ridge @ np.square(theta - self.centre)) / 2
        return squares + self.lasso * float(np.abs(theta[self.biases :]).sum())

    def slope(self, gradient: Floats, theta: Floats) -> Floats:
        """The gradient of losses and cost, given that of the losses; the least of them where a coefficient is 0.

        There the cost has a kink, and its slope may be whatever lies between `-lasso` and `lasso`; at the optimum one
        of them balances the losses, and what is returned is 0.
        """
        smooth = gradient + self.pull(theta)
        if self.lasso == 0.0:
            return smooth
        slope = np.where(theta == 0.0, shrunk(smooth, self.lasso), smooth + self.lasso * np.sign(theta))
        slope[: self.biases] = smooth[: self.biases]
        return slope


def _precision(lasso: float) -> float:
    """The inverse variance of Laplace's distribution, which is what a lasso takes coefficients to be from."""
    return lasso**2 / 2


def shrunk(values: Floats, by: float | Floats) -> Floats:
    """Values nearer to 0 by so much, and 0 where they were as near: the soft threshold."""
    return np.asarray(np.sign(values) * np.maximum(np.abs(values) - by, 0.0))


def strengths(model: str, ridge: Strength, lasso: Strength) -> dict[str, object]:
    """What to start with, `ridge` and `lasso`, and if there is a choice all of them, `strengths`, as mappings."""
    listed = {name: _listed(model, name, own) for name, own in (("ridge", ridge), ("lasso", lasso))}
    varied = {name: own for name, own in listed.items() if len(own) > 1}
    if len({len(own) for own in varied.values()}) > 1:
        raise ChainError(
            f"{model} cannot pair ridge and lasso",
            given=" and ".join(f"{len(own)} strengths of the {name}" for name, own in varied.items()),
            expected="as many of both, or several of one only",
            do="name every pair, such as ridge=(1.0, 1.0, 10.0), lasso=(1.0, 10.0, 10.0)",
        )
    pairs = [dict(zip(varied, pair, strict=True)) for pair in zip(*varied.values(), strict=True)]
    return {**{name: own[0] for name, own in listed.items()}, "strengths": pairs}


def _listed(model: str, name: str, strength: Strength) -> list[float]:
    """One strength of a penalty or several, checked."""
    several = [float(each) for each in (strength if isinstance(strength, Sequence) else (strength,))]
    if not several or not all(0.0 <= each < np.inf for each in several):
        raise ChainError(
            f"{model} cannot use that {name}",
            given=f"{name}={strength!r}",
            expected="a finite number that is 0 or more, or several of them",
            do=f"leave it out, for the default, or use a tuple such as {name}=(0.1, 1.0, 10.0)",
        )
    return several
