"""How good predicted counts are: labels y of 0 and more, and expected counts p, each of shape (rows,)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml_pipeline.columns import Floats, Mask
from ml_pipeline.models.judge import Judge, mean
from ml_pipeline.models.metrics import TINY
from ml_pipeline.models.poisson import PoissonRegression


@dataclass(frozen=True, slots=True, eq=False)
class Counts(Judge):
    """`losses` of each row, shape (5, rows): its deviance, the absolute error and its square, label and prediction."""

    losses: Floats

    labels = "a count of 0 or more"
    decides = "deviance"

    @classmethod
    def of(cls, y: Floats, p: Floats) -> Counts:
        # An expected count of 0 is clipped, so that whatever happens costs a finite loss.
        deviance = 2.0 * PoissonRegression.loss(y, np.maximum(p, TINY))
        return cls(np.stack([deviance, np.abs(p - y), np.square(p - y), y, p]))

    @classmethod
    def judges(cls, y: Floats, p: Floats) -> Mask:
        return np.asarray(np.isfinite(y) & (y >= 0.0))

    def metrics(self, weight: Floats) -> dict[str, float]:
        """Mean deviance of a Poisson distribution, 2 (y ln(y / p) - y + p) (Nelder and Wedderburn 1972); mean absolute
        error; root mean squared error; sum of predictions by sum of labels (NaN where nothing was counted)."""
        deviance, absolute, square, counted, expected = mean(self.losses, weight).tolist()
        return {
            "deviance": deviance,
            "mae": absolute,
            "rmse": float(np.sqrt(square)),
            "calibration_ratio": expected / counted if counted > 0.0 else np.nan,
        }
