"""Linear regression with an elastic net."""

from __future__ import annotations

import numpy as np

from ml_pipeline.columns import Floats
from ml_pipeline.models.linear_model import LinearModel
from ml_pipeline.models.sums import Sums


class LinearRegression(LinearModel):
    """The expected label is the score; the loss is half the squared error, in the square of the label's unit.

    With `ridge` the same as scikit-learn's `Ridge(alpha=ridge)`; with a lasso too, as
    `ElasticNet(alpha=(ridge + lasso) / rows, l1_ratio=lasso / (ridge + lasso))`.
    """

    predicts = "number"

    @classmethod
    def mean(cls, z: Floats) -> Floats:
        return z

    @classmethod
    def derivatives(cls, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
        return cls.loss(y, z), z - y, np.ones(len(y))

    @classmethod
    def unit(cls, sums: Sums) -> float:
        return float(np.sqrt(sums.labels[1] / sums.weight)) or 1.0

    @classmethod
    def variance(cls, sums: Sums, freedom: float) -> float:
        """Squared errors by the degrees of freedom that the fit left, at least one."""
        return 2.0 * sums.loss / max(sums.rows - freedom, 1.0)

    @classmethod
    def loss(cls, y: Floats, prediction: Floats) -> Floats:
        return np.square(y - prediction) / 2
