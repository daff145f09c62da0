"""Logistic regression with a ridge."""

from __future__ import annotations

import numpy as np

from ml_pipeline.columns import Floats
from ml_pipeline.errors import FitError
from ml_pipeline.models.linear_model import LinearModel
from ml_pipeline.models.sums import Product, Sums
from ml_pipeline.templates import Parameters

CLIP = 1e-15
"""Probabilities nearer to 0 or 1 lose as much as this one, so that no loss is infinite."""


class LogisticRegression(LinearModel):
    """The probability of label 1; the loss is minus the logarithm of the probability given to what happened.

    Labels are 0 or 1. With `ridge` the same as scikit-learn's `LogisticRegression(C=1 / ridge)`.
    """

    @classmethod
    def mean(cls, z: Floats) -> Floats:
        # The exponential of a negative number cannot overflow.
        small = np.exp(-np.abs(z))
        return np.where(z >= 0.0, 1.0, small) / (1.0 + small)

    @classmethod
    def derivatives(cls, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
        # Whatever is needed follows from one exponential, which is the dearest of all operations here.
        small = np.exp(-np.abs(z))
        share = 1.0 / (1.0 + small)
        p = np.where(z >= 0.0, share, small * share)
        return np.log1p(small) + np.maximum(z, 0.0) - y * z, p - y, small * share * share

    @classmethod
    def unit(cls, sums: Sums) -> float:
        return 1.0

    @classmethod
    def variance(cls, sums: Sums, freedom: float) -> float:
        """That of a label that is 0 or 1 is the second derivative of its loss, so 1."""
        return 1.0

    @classmethod
    def loss(cls, y: Floats, prediction: Floats) -> Floats:
        p = np.clip(prediction, CLIP, 1.0 - CLIP)
        return -(y * np.log(p) + (1.0 - y) * np.log1p(-p))

    @classmethod
    def check_labels(cls, y: Floats) -> None:
        super().check_labels(y)
        other = y[(y != 0.0) & (y != 1.0)]
        if len(other):
            raise FitError(
                "LogisticRegression learns from labels 0 and 1 only",
                given=f"{len(other)} of {len(y)} rows with another label, such as {other[0]:g}",
                expected="0 or 1",
                do="make the label 0 or 1 where it is made, or use LinearRegression",
            )

    @classmethod
    def update(cls, parameters: Parameters, statistics: Sums | Product | None) -> Parameters:
        """One step; `FitError` without rows or with one class only."""
        if isinstance(statistics, Sums) and statistics.share == 1.0 and _is_of_one_class(statistics):
            raise FitError(
                "LogisticRegression needs rows of both classes to learn from",
                given=f"{statistics.rows} rows, all with label {statistics.label / statistics.rows:g}",
                expected="labels 0 and 1",
                do="take a longer history, or correct how the label is made",
            )
        return super().update(parameters, statistics)


def _is_of_one_class(sums: Sums) -> bool:
    return sums.rows > 0 and sums.label in (0.0, float(sums.rows))
