"""Logistic regression with an elastic net."""

from __future__ import annotations

from typing import Any

import numpy as np

from ml_pipeline.columns import Floats
from ml_pipeline.errors import FitError
from ml_pipeline.models.classifier import Classifier
from ml_pipeline.models.sums import Product, Sums
from ml_pipeline.templates import Parameters

CLIP = 1e-15
"""Probabilities nearer to 0 or 1 lose as much as this one, so that no loss is infinite."""


class LogisticRegression(Classifier):
    """The probability of label 1; the loss is minus the logarithm of the probability given to what happened.

    Labels are 0 or 1. With `ridge` the same as scikit-learn's `LogisticRegression(C=1 / ridge)`; with a lasso too, as
    `LogisticRegression(C=1 / (ridge + lasso), l1_ratio=lasso / (ridge + lasso), solver="saga")`.
    """

    @classmethod
    def start(cls, *columns: str, class_weights: tuple[float, float] = (1.0, 1.0), **options: Any) -> Parameters:
        """What the fit starts from.

        Args:
            columns: To work on; all it is given, if none is named.
            class_weights: How often a row of label 0 counts, and one of label 1, both above 0: as scikit-learn's
                `class_weight={0: …, 1: …}`. Predictions are probabilities of data in which classes come so often.
            options: Those of every `LinearModel`.
        """
        return {**super().start(*columns, **options), **cls.class_weights(class_weights, ("label 0", "label 1"))}

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
    def loss(cls, y: Floats, prediction: Floats) -> Floats:
        p = np.clip(prediction, CLIP, 1.0 - CLIP)
        return -(y * np.log(p) + (1.0 - y) * np.log1p(-p))

    @classmethod
    def check_labels(cls, parameters: Parameters, y: Floats) -> None:
        super().check_labels(parameters, y)
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
        """One step; `FitError` without rows, or with one class only where nothing was known before."""
        if cls.goes_on(parameters):
            return super().update(parameters, statistics)
        if isinstance(statistics, Sums) and statistics.share == 1.0 and _is_of_one_class(statistics):
            raise FitError(
                "LogisticRegression needs rows of both classes to learn from",
                given=f"{statistics.rows} rows, all with label {1 if statistics.labels[0] else 0}",
                expected="labels 0 and 1",
                do="take a longer history, or correct how the label, or the weight, is made",
            )
        return super().update(parameters, statistics)


def _is_of_one_class(sums: Sums) -> bool:
    return sums.weight > 0.0 and float(sums.labels[0]) in (0.0, sums.weight)
