"""From values to places on a plot."""

from __future__ import annotations

import math
from typing import NamedTuple

UNITS = ((1e12, 1e12, "tn"), (1e9, 1e9, "bn"), (1e6, 1e6, "M"), (1e4, 1e3, "k"))
"""From which size on an axis is labelled in which unit."""


class Scale(NamedTuple):
    """Values from `low` to `high`, which differ, lie between the places `start` and `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Round values within, at most so many, 1, 2 or 5 times a power of ten apart."""
        step = spacing(self.high - self.low, most)
        first = math.ceil(self.low / step - 1e-9)
        return [place * step for place in range(first, math.floor(self.high / step + 1e-9) + 1)]

    def label(self, value: float) -> str:
        """A tick's label, in one unit for all of an axis.

        >>> Scale(0.0, 40_000.0, 0.0, 1.0).label(5_000.0), Scale(0.0, 3_000.0, 0.0, 1.0).label(2_500.0)
        ('5k', '2,500')
        """
        size, width = max(abs(self.low), abs(self.high)), self.high - self.low
        fitting = ((unit, name) for least, unit, name in UNITS if size >= least and width >= unit / 100)
        unit, name = next(fitting, (1.0, ""))
        return tick(value / unit) + (name if value else "")


def spacing(width: float, most: int) -> float:
    """The least of 1, 2 or 5 times a power of ten that divides a width into fewer than `most` parts.

    >>> spacing(1.0, 6), spacing(0.7, 6)
    (0.2, 0.2)
    """
    power = 10.0 ** math.floor(math.log10(width / (most - 1)))
    return next(step * power for step in (1, 2, 5, 10) if width / (step * power) <= most - 1 + 1e-9)


def rounded_up(value: float, most: int = 6) -> float:
    """The next round value, for an axis to end with.

    >>> round(rounded_up(0.63), 9)
    0.8
    """
    step = spacing(value, most)
    return math.ceil(value / step - 1e-9) * step


def around(low: float, high: float, most: int = 6) -> tuple[float, float]:
    """Round values around two others, for an axis of amounts; 0, where it is about as near as they are apart.

    >>> around(2.3, 9.1), around(1210.0, 1290.0), around(3.0, 3.0)
    ((0.0, 10.0), (1200.0, 1300.0), (1.5, 4.5))
    """
    size = max(abs(low), abs(high))
    if high - low <= 1e-9 * size:
        return low - (size / 2 or 1.0), high + (size / 2 or 1.0)
    low = min(low, 0.0) if low < high - low else low
    step = spacing(high - low, most)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def tick(value: float) -> str:
    """A tick's label.

    >>> tick(0.1 + 0.2), tick(-20.0), tick(2500.0), tick(2e-6)
    ('0.3', '−20', '2,500', '2e−6')
    """
    clean = round(value, 12) + 0.0
    return f"{clean:,.6g}".replace("e-0", "e-").replace("-", "−")
