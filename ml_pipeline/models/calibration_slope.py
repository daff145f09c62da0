"""Whether predicted probabilities are as far apart as what becomes true."""

from __future__ import annotations

import numpy as np

from ml_pipeline.columns import Floats
from ml_pipeline.models.metric import Metric
from ml_pipeline.models.metrics import Blocks

SLOPE = "calibration_slope"
"""Its name in metrics.yaml, where predictions are probabilities."""
TINY = 1e-9
"""Probabilities are clipped at this distance from 0 and 1, which no logit has."""
STEPS, ENOUGH = 50, 1e-8
NORMAL = 1.959963984540054
"""The standard normal distribution exceeds it with a probability of 2.5 %."""
UNKNOWN: Metric = {"value": np.nan, "low": np.nan, "high": np.nan}


def slope(y: Floats, p: Floats, blocks: Blocks | None = None) -> Metric:
    """The calibration slope (Cox 1958): b of a logistic regression of labels on a + b logit(p), with its 95 % interval.

    1 is right; below it predictions are too extreme, above it not extreme enough. NaN where it cannot be told: labels
    or predictions are all the same, or part without an error.

    Args:
        y: 0 or 1, shape (rows,).
        p: Probabilities, shape (rows,).
        blocks: As in `Bootstrap`: a number from 0 for each row; those of a block are no independent ones, and the
            interval is as wide as blocks differ (Liang and Zeger 1986).
    """
    clipped = np.clip(p, TINY, 1.0 - TINY)
    x = np.stack([np.ones(len(p)), np.log(clipped / (1.0 - clipped))])
    if len(y) == 0 or np.ptp(y) == 0.0 or np.ptp(x[1]) == 0.0:
        return UNKNOWN
    found = _fitted(x, y)
    mean = _mean(found, x)
    information = (x * (mean * (1.0 - mean))) @ x.T
    if not np.linalg.cond(information) < 1.0 / TINY:
        return UNKNOWN
    variance = np.linalg.inv(information)
    if blocks is not None:
        sums = np.stack([np.bincount(blocks, weights=own) for own in x * (y - mean)])
        variance = variance @ (sums @ sums.T * sums.shape[1] / (sums.shape[1] - 1)) @ variance
    half = NORMAL * float(np.sqrt(variance[1, 1]))
    return {"value": float(found[1]), "low": float(found[1]) - half, "high": float(found[1]) + half}


def _fitted(x: Floats, y: Floats) -> Floats:
    """Coefficients of the greatest likelihood by Newton's steps, each halved until it goes up."""
    found: Floats = np.zeros(len(x))
    step, before = found, -np.inf
    for _ in range(STEPS):
        likelihood = _likelihood(found, x, y)
        if likelihood < before - ENOUGH:
            step, found = step / 2.0, found - step / 2.0
            continue
        before, mean = likelihood, _mean(found, x)
        information = (x * (mean * (1.0 - mean))) @ x.T
        step = np.asarray(np.linalg.lstsq(information, x @ (y - mean))[0], np.float64)
        if np.abs(step).max() < ENOUGH:
            break
        found = found + step
    return found


def _mean(found: Floats, x: Floats) -> Floats:
    mean: Floats = 1.0 / (1.0 + np.exp(-np.clip(found @ x, -700.0, 700.0)))
    return mean


def _likelihood(found: Floats, x: Floats, y: Floats) -> float:
    predictor = found @ x
    return float((y * predictor - np.logaddexp(0.0, predictor)).sum())
