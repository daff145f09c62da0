"""The calibration slope is that of a logistic regression on the logit, and says nothing where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ml_pipeline.models.calibration_slope import TINY, slope


def rows(spread: float, count: int = 5_000) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities whose logits are so many times the true ones."""
    chance = np.random.default_rng(1)
    logit = chance.normal(-1.0, 1.0, count)
    y = (chance.random(count) < 1.0 / (1.0 + np.exp(-logit))).astype(np.float64)
    return y, 1.0 / (1.0 + np.exp(-spread * logit))


@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
def test_it_is_that_of_a_logistic_regression(spread: float) -> None:
    y, p = rows(spread)
    found = slope(y, p)
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(np.log(p / (1 - p))[:, None], y)
    assert found["value"] == pytest.approx(fitted.coef_[0, 0], rel=1e-5)
    assert found["low"] < 1.0 / spread < found["high"]
    assert found["low"] < found["value"] < found["high"]


def test_predictions_that_are_far_apart_are_fitted_too() -> None:
    y, p = rows(6.0)
    p[:100] = 0.0
    p[100:120] = 1.0
    clipped = np.clip(p, TINY, 1 - TINY)
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(np.log(clipped / (1 - clipped))[:, None], y)
    assert slope(y, p)["value"] == pytest.approx(fitted.coef_[0, 0], rel=1e-4)


@pytest.mark.parametrize(
    ("y", "p"),
    [([], []), ([0, 0, 0], [0.1, 0.2, 0.3]), ([0, 1, 1], [0.5, 0.5, 0.5]), ([0, 0, 1, 1], [0.0, 0.1, 0.9, 1.0])],
)
def test_where_it_cannot_be_told_there_is_none(y: list[float], p: list[float]) -> None:
    assert np.isnan(slope(np.array(y, np.float64), np.array(p))["value"])
