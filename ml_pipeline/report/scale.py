"""From values to places on a plot."""

from __future__ import annotations

import math
from typing import NamedTuple


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


def tick(value: float) -> str:
    """A tick's label.

    >>> tick(0.1 + 0.2), tick(-20.0), tick(2500.0)
    ('0.3', '−20', '2,500')
    """
    clean = round(value, 12) + 0.0
    return f"{clean:,.6g}".replace("-", "−")
