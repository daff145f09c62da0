"""A metric's value with its interval: which values are better, which keep a floor, and how it is written."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ml_pipeline.columns import Floats

Metric = Mapping[str, float]
"""`value`, and `low` and `high` of its 95 % interval."""

SMALLER_IS_BETTER = ("log_loss", "brier", "calibration_error", "rmse", "mae", "deviance")
TARGETS = {"bias": 0.0, "calibration_ratio": 1.0}
"""Metrics of which the values nearest to one are the best. Of all others the largest are."""
PLACES = 4
"""Decimal places of values around 1."""
MOST_PLACES = 10


def better(name: str) -> str:
    """Which values of a metric are better.

    >>> better("rmse"), better("r2"), better("bias")
    ('smaller', 'larger', 'nearer 0')
    """
    if name in TARGETS:
        return f"nearer {TARGETS[name]:g}"
    return "smaller" if name in SMALLER_IS_BETTER else "larger"


def distance(name: str, values: Floats) -> Floats:
    """What is compared: the distance from a metric's target where it has one, else the values as they are."""
    return np.abs(values - TARGETS[name]) if name in TARGETS else values


def compared(name: str, difference: Metric) -> str:
    """What the difference of two models, in what is compared, says of the first: `better` or `worse` where the whole
    interval does, else nothing."""
    if not (difference["low"] > 0.0 or difference["high"] < 0.0):
        return ""
    return "better" if (difference["low"] > 0.0) == (better(name) == "larger") else "worse"


def kept(name: str, floor: float) -> tuple[float, float]:
    """The least and the largest value that keep a floor, which is a ceiling where smaller is better, and the largest
    distance where there is a target.

    >>> kept("r2", 0.5), kept("mae", 2.0), kept("calibration_ratio", 0.25)
    ((0.5, inf), (-inf, 2.0), (0.75, 1.25))
    """
    if name in TARGETS:
        return TARGETS[name] - floor, TARGETS[name] + floor
    return (-math.inf, floor) if name in SMALLER_IS_BETTER else (floor, math.inf)


def bound(name: str, floor: float) -> str:
    """The same in words.

    >>> bound("r2", 0.5), bound("mae", 2.0), bound("calibration_ratio", 0.25)
    ('at least 0.5', 'at most 2', 'at most 0.25 from 1')
    """
    if name in TARGETS:
        return f"at most {floor:g} from {TARGETS[name]:g}"
    return f"at {'most' if name in SMALLER_IS_BETTER else 'least'} {floor:g}"


def beyond(name: str, metric: Metric, floor: float) -> bool:
    """Whether the whole interval breaks a floor."""
    low, high = kept(name, floor)
    return metric["high"] < low or metric["low"] > high


def known(name: str, found: Mapping[str, Metric]) -> bool:
    """Whether a metric was measured, and is a number."""
    return name in found and not math.isnan(found[name]["value"])


def places(metric: Metric) -> int:
    """Decimal places by which value and interval are written alike: four, fewer for amounts of 10 and more, more where
    all would read as 0.

    >>> [places({"value": size, "low": 0.0, "high": 0.0}) for size in (0.75, 12.5, 20_000.0, 0.00002)]
    [4, 3, 0, 6]
    """
    size = max((abs(each) for each in metric.values() if math.isfinite(each)), default=0.0)
    power = math.floor(math.log10(size)) if size > 0.0 else 0
    return max(PLACES - power, 0) if power >= 0 else min(max(PLACES, 1 - power), MOST_PLACES)


def shown(metric: Metric, like: Metric | None = None, sign: bool = False) -> str:
    """The value, with as many places as another metric: a difference like what differs.

    >>> shown({"value": 1234.56, "low": 1200.0, "high": 1300.0})
    '1,234.6'
    """
    return _written(metric["value"], like or metric, sign)


def interval(metric: Metric, like: Metric | None = None, sign: bool = False) -> str:
    """Both ends.

    >>> interval({"value": 0.5, "low": 0.25, "high": 0.75}, sign=True)
    '+0.2500 to +0.7500'
    """
    return " to ".join(_written(metric[end], like or metric, sign) for end in ("low", "high"))


def _written(value: float, like: Metric, sign: bool) -> str:
    return f"{value:{'+' * sign},.{places(like)}f}"
