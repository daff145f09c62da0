"""Whether what was predicted came true as often, or as much, as it said: to be watched, whatever its size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ml_pipeline.columns import Floats
from ml_pipeline.models.calibration_slope import SLOPE, slope
from ml_pipeline.models.metric import TARGETS, Metric, beyond, interval, known, shown
from ml_pipeline.models.metrics import BINS, Blocks
from ml_pipeline.monitoring.performance import Outcome
from ml_pipeline.monitoring.severity import Finding

MANY = 30
"""Rows from which on the mean of errors is about normal."""
ERRORS = ("calibration_error", "calibration_ratio")
STEEP = 0.2
"""How far a slope may be from 1: predicted odds of 2 to 1 that are 1.74 to 1 then, no more."""


def calibration(outcome: Outcome, now: Mapping[str, Any], then: Mapping[str, Any]) -> Iterator[Finding]:
    """In the mean, over ten bins, and how far apart predictions are; nothing of classes.

    Args:
        outcome: What has become true.
        now: `measured` of it.
        then: The model's metrics.yaml; empty where it was never evaluated.
    """
    yield from in_the_mean(outcome)
    chance = _by_chance(outcome) if outcome.predicts == "probability" else 0.0
    for name in ERRORS:
        if known(name, now["metrics"]) and known(name, then.get("metrics", {})):
            yield _beside(name, now["metrics"][name], then["metrics"][name], chance)
    if outcome.predicts == "probability":
        yield from _slope(slope(outcome.y, outcome.p, outcome.blocks), then.get(SLOPE))


def in_the_mean(outcome: Outcome) -> Iterator[Finding]:
    """Whether predictions are too high or too low in the mean ("calibration in the large", Cox 1958); not of classes.

    They are where the mean error is beyond three standard errors and beyond a tenth of what became true in the mean.
    """
    y, p = outcome.y, outcome.p
    if outcome.classes or len(y) < MANY:
        return
    true, error = float(y.mean()), float((p - y).mean())
    chance = 3.0 * standard_error(p - y, outcome.blocks)
    told = f"Predictions are {true + error:.4g} in the mean, and what became true {true:.4g}"
    if abs(error) <= max(chance, abs(true) / 10):
        yield Finding("ok", f"{told}.")
    else:
        side = "high" if error > 0 else "low"
        yield Finding("watch", f"{told}: too {side} by {abs(error):.2g}, of which chance makes {chance:.2g} at most.")


def standard_error(values: Floats, blocks: Blocks | None) -> float:
    """Of the mean of values, shape (rows,); where rows of a block are no independent ones, from the sums of blocks.

    Liang and Zeger, "Longitudinal data analysis using generalized linear models" (1986), of a mean.
    """
    if blocks is None:
        return float(values.std()) / float(np.sqrt(len(values)))
    sums = np.bincount(blocks, weights=values - values.mean())
    return float(np.sqrt(len(sums) / (len(sums) - 1) * np.square(sums).sum())) / len(values)


def _by_chance(outcome: Outcome) -> float:
    """The calibration error that chance gives where probabilities are right: the mean of what ten bins are off.

    Rows that are drawn again, as for an interval, vary twice as much.
    """
    variance = 2.0 * float((outcome.p * (1.0 - outcome.p)).mean())
    return float(np.sqrt(2.0 / np.pi * variance * BINS / len(outcome.p)))


def _beside(name: str, now: Metric, then: Metric, chance: float) -> Finding:
    """Worse where, without what chance gives of few rows, the whole interval lies beyond that of the test."""
    told = f"{name} is {shown(now)} ({interval(now)}), and was {shown(then)} ({interval(then)}) on its test rows"
    target = TARGETS.get(name, 0.0)
    if beyond(name, now, max(abs(then[end] - target) for end in ("low", "high")) + chance):
        return Finding("watch", f"{told}: clearly worse.")
    return Finding("ok", f"{told}.")


def _slope(now: Metric, then: Metric | None) -> Iterator[Finding]:
    if np.isnan(now["value"]):
        return
    was = f", and was {shown(then)} ({interval(then)}) on its test rows" if then and known(SLOPE, {SLOPE: then}) else ""
    told = f"The calibration slope is {shown(now)} ({interval(now)}){was}"
    if now["high"] < 1.0 - STEEP:
        yield Finding("watch", f"{told}: high predictions are too high, and low ones too low.")
    elif now["low"] > 1.0 + STEEP:
        yield Finding("watch", f"{told}: high predictions are too low, and low ones too high.")
    else:
        yield Finding("ok", f"{told}; 1 is right.")
