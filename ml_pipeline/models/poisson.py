"""Poisson regression with an elastic net."""

from __future__ import annotations

import numpy as np

from ml_pipeline.columns import Floats
from ml_pipeline.errors import FitError
from ml_pipeline.models.linear_model import LinearModel
from ml_pipeline.models.sums import Product, Sums
from ml_pipeline.templates import Parameters

STEEP = 100.0
"""Scores beyond count as this one, so that a step too far costs much, but nothing infinite."""


class PoissonRegression(LinearModel):
    """The expected count, the exponential of the score; the loss is half the deviance.

    Labels are 0 or more. With `ridge` the same as scikit-learn's `PoissonRegressor(alpha=ridge / rows)`.
    """

    predicts = "count"

    @classmethod
    def mean(cls, z: Floats) -> Floats:
        return np.asarray(np.exp(np.minimum(z, STEEP)))

    @classmethod
    def derivatives(cls, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
        expected = cls.mean(z)
        return expected - y * z, expected - y, expected

    @classmethod
    def loss(cls, y: Floats, prediction: Floats) -> Floats:
        ratio = np.divide(y, prediction, out=np.ones(len(y)), where=y > 0.0)
        return np.asarray(prediction - y + y * np.log(ratio))

    @classmethod
    def check_labels(cls, parameters: Parameters, y: Floats) -> None:
        super().check_labels(parameters, y)
        if len(negative := y[y < 0.0]):
            raise FitError(
                "PoissonRegression learns from counts only",
                given=f"{len(negative)} of {len(y)} rows with a label below 0, such as {negative[0]:g}",
                expected="0 or more",
                do="count in the preparation, or use LinearRegression",
            )

    @classmethod
    def teaches(cls, sums: Sums) -> bool:
        return bool(sums.labels[0] > 0.0)

    @classmethod
    def update(cls, parameters: Parameters, statistics: Sums | Product | None) -> Parameters:
        """One step; the first is to the logarithm of the mean. `FitError` without rows or where nothing was counted."""
        if "bias" in parameters or not isinstance(statistics, Sums) or statistics.weight == 0.0:
            return super().update(parameters, statistics)
        if cls.teaches(statistics):
            return {**parameters, "bias": float(np.log(statistics.labels[0] / statistics.weight))}
        if statistics.share < 1.0:
            return super().update(parameters, statistics)
        raise FitError(
            "PoissonRegression needs rows in which something was counted",
            given=f"{statistics.rows} rows, all with label 0",
            expected="labels above 0 too",
            do="take a longer history, or correct how the label, or the weight, is made",
        )
