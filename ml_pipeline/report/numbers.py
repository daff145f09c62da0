"""Numbers as a reader wants them."""

from __future__ import annotations

import math

from ml_pipeline.models import metric
from ml_pipeline.models.metric import Metric

NONE = "–"
"""Stands where there is no number."""


def number(value: float | None) -> str:
    """About four significant digits; groups from five digits before the point on, so that a year stays a year.

    >>> number(53645), number(2013), number(0.00123456), number(-12.5)
    ('53,645', '2013', '0.001235', '−12.5')
    """
    if value is None or math.isnan(value):
        return NONE
    return _minus(f"{value:,.0f}" if 9999.5 <= abs(value) < 1e15 else f"{value:.4g}")


def decimal(value: float | None, digits: int = 4, sign: bool = False) -> str:
    """A fixed number of decimal places, so that columns align.

    >>> decimal(0.5), decimal(0.01, 2, sign=True), decimal(1234.5, 1)
    ('0.5000', '+0.01', '1,234.5')
    """
    if value is None or math.isnan(value):
        return NONE
    return _minus(f"{value:{'+' if sign else ''},.{digits}f}")


def percent(share: float | None) -> str:
    r"""A share in per cent, never parted by a line's end; what is above 0 does not read as 0, nor less than 1 as all.

    >>> percent(0.1234), percent(1), percent(0.0001), percent(0.9999)
    ('12.3\xa0%', '100\xa0%', '<\xa00.1\xa0%', '>\xa099.9\xa0%')
    """
    if share is None or math.isnan(share):
        return NONE
    if share in (0.0, 1.0):
        text = f"{share * 100:.0f} %"
    else:
        text = "< 0.1 %" if share < 0.0005 else "> 99.9 %" if share >= 0.9995 else f"{share * 100:.1f} %"
    return text.replace(" ", "\xa0")


def measured(value: Metric, like: Metric | None = None, sign: bool = False) -> str:
    """A metric's value, with as many decimal places as its interval, or as another metric has.

    >>> measured({"value": 1234.56, "low": 1200.0, "high": 1300.0})
    '1,234.6'
    """
    return _typeset(metric.shown(value, like, sign))


def interval(value: Metric, like: Metric | None = None, sign: bool = False) -> str:
    """Both ends.

    >>> interval({"value": 0.0, "low": -0.01, "high": 0.02}, sign=True)
    '−0.0100 to +0.0200'
    """
    return _typeset(metric.interval(value, like, sign))


def plural(count: int, noun: str) -> str:
    """
    >>> plural(1, "row"), plural(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _minus(text: str) -> str:
    return text.replace("-", "−", 1) if text.startswith("-") else text


def _typeset(text: str) -> str:
    return text.replace("+nan", NONE).replace("nan", NONE).replace("-", "−")
