"""How good predicted numbers are: labels y and predictions p in the unit of the label, each of shape (rows,)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml_pipeline.columns import Floats, Mask
from ml_pipeline.models.judge import Judge, mean


@dataclass(frozen=True, slots=True, eq=False)
class Residuals(Judge):
    """`losses` of each row, shape (5, rows): prediction less label, its absolute value and its square, and how far the
    label is from the median one, and the square of that."""

    losses: Floats

    labels = "a finite number"
    decides = "rmse"

    @classmethod
    def of(cls, y: Floats, p: Floats) -> Residuals:
        error = p - y
        # Seen from the median, labels lose no digits, and such as are all the same have a variance of exactly 0.
        spread = y - (np.median(y) if len(y) else 0.0)
        return cls(np.stack([error, np.abs(error), np.square(error), spread, np.square(spread)]))

    @classmethod
    def judges(cls, y: Floats, p: Floats) -> Mask:
        return np.isfinite(y)

    def metrics(self, weight: Floats) -> dict[str, float]:
        """Root mean squared error; mean absolute error; share of the labels' variance that is explained, 1 less mean
        squared error by variance (NaN for labels that are all the same); mean of prediction less label."""
        bias, absolute, square, spread, squares = mean(self.losses, weight).tolist()
        variance = squares - spread**2
        return {
            "rmse": float(np.sqrt(square)),
            "mae": absolute,
            "r2": 1.0 - square / variance if variance > 0.0 else np.nan,
            "bias": bias,
        }
