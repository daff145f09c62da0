"""How probable it is that chance alone does so much, and what remains of that where many things are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from math import erfc, exp, log, log1p, pi, sqrt


def chi_square(value: float, degrees: int) -> float:
    """The probability that a chi-square variable with so many degrees of freedom (1 or more) is at least so large.

    The finite sums for whole and half-integer shapes (Abramowitz and Stegun 1964, 26.4.4 and 26.4.5).

    >>> round(chi_square(3.841, 1), 3), round(chi_square(18.307, 10), 3)
    (0.05, 0.05)
    """
    half = max(value, 0.0) / 2.0
    if degrees % 2:
        total, term, start = erfc(sqrt(half)), 2.0 * sqrt(half / pi) * exp(-half), 1.5
    else:
        total, term, start = exp(-half), half * exp(-half), 2.0
    for step in range((degrees - 1) // 2):
        total += term
        term *= half / (start + step)
    return min(total, 1.0)


def two_sided(z: float) -> float:
    """The probability that a standard normal variable is at least so far from 0."""
    return erfc(abs(z) / sqrt(2.0))


def more_than(share: float, expected: float, rows: float) -> float:
    """A bound on the probability that at least this share of so many rows has what each has with the expected one.

    Chernoff's, exp(-rows KL(share, expected)): it holds for any number of rows.
    """
    if share <= expected:
        return 1.0
    divergence = share * log(share / expected) + ((1 - share) * (log1p(-share) - log1p(-expected)) if share < 1 else 0)
    return exp(-rows * divergence)


def adjusted(chances: Sequence[float]) -> list[float]:
    """The chances by which all may be judged at once, so that any false alarm is as rare as that of one was to be.

    Holm, "A simple sequentially rejective multiple test procedure" (1979).

    >>> adjusted([0.01, 0.5, 0.02])
    [0.03, 0.5, 0.04]
    """
    found, least = [0.0] * len(chances), 0.0
    for rank, place in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        least = max(least, min(1.0, (len(chances) - rank) * chances[place]))
        found[place] = least
    return found
