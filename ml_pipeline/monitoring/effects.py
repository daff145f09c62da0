"""How far rows are from those of a reference, by several measures, and how far chance alone would put them.

All are effect sizes: they do not grow with the number of rows, as a test statistic would.
"""

from __future__ import annotations

from math import exp, log, pi, sqrt
from typing import NamedTuple

import numpy as np

from ml_pipeline.columns import Floats
from ml_pipeline.data.column_profile import ColumnProfile
from ml_pipeline.data.number_profile import NumberProfile
from ml_pipeline.data.word_profile import WordProfile
from ml_pipeline.monitoring.bins import Bins
from ml_pipeline.monitoring.chance import chi_square, more_than, two_sided

GRID = (np.arange(512) + 0.5) / 512
"""Ranks at which two distributions are laid beside each other."""
LEAST = 0.005
"""The smallest share of a bin: the logarithm of a smaller one would say more of the number of rows than of drift."""
NORMAL_IQR = 1.349
"""Standard deviations between the quartiles of a normal distribution."""


class Effect(NamedTuple):
    """What was measured, what chance alone gives on average, and the probability that it gives as much as this."""

    name: str
    value: float
    by_chance: float
    chance: float

    @property
    def beyond_chance(self) -> float:
        """The effect without what chance gives."""
        return self.value - self.by_chance


def of_bins(bins: Bins, n: int, m: int) -> list[Effect]:
    """Population stability index and Jensen-Shannon distance (base 2, 0 to 1) of `n` and `m` rows that were looked at.

    Every bin counts as having `LEAST` of the rows at least: an empty one would be infinitely far. Where nothing
    changed, the index divided by (1/n + 1/m) is chi-square with one degree of freedom less than there are bins
    (Yurdakul and Naranjo, "Statistical properties of the population stability index", 2020); the divergence is an
    eighth of the index, in bits (Lin 1991).
    """
    filled = (bins.reference + bins.current) > 0.0
    degrees, noise = max(int(filled.sum()) - 1, 1), 1.0 / n + 1.0 / m
    p, q = (_bounded(each[filled]) for each in (bins.reference, bins.current))
    index = float(((q - p) * np.log(q / p)).sum())
    middle = (p + q) / 2.0
    divergence = float((p * np.log2(p / middle) + q * np.log2(q / middle)).sum()) / 2.0
    chance = chi_square(index / noise, degrees)
    return [
        Effect("psi", index, degrees * noise, chance),
        Effect("jensen_shannon", sqrt(max(divergence, 0.0)), sqrt(degrees * noise / (8.0 * log(2.0))), chance),
    ]


def of_quantiles(reference: NumberProfile, current: NumberProfile) -> list[Effect]:
    """Wasserstein's distance in standard deviations of the reference, by its quartiles where they differ.

    It is the supremum of differences of means of functions with slope 1, so by Borell's inequality it goes beyond its
    mean by z standard errors of the mean with probability exp(-z² / 2) at most; its mean is that of a Brownian bridge
    (del Barrio, Giné and Matrán, "Central limit theorems for the Wasserstein distance", 1999).
    """
    low, high = reference.quantiles([0.25, 0.75]).tolist()
    unit = (high - low) / NORMAL_IQR or reference.sd
    if not 0.0 < unit < np.inf:
        return []
    before, after = reference.quantiles(GRID), current.quantiles(GRID)
    distance = float(np.abs(after - before).mean()) / unit
    error = sqrt(1.0 / sample(reference) + 1.0 / sample(current))
    ranks = (GRID[:-1] + GRID[1:]) / 2.0
    width = float((np.sqrt(ranks * (1.0 - ranks)) * np.diff(before)).sum()) / unit
    expected = sqrt(2.0 / pi) * error * width
    z = max(distance - expected, 0.0) / (error * reference.sd / unit)
    return [Effect("wasserstein", distance, expected, exp(-z * z / 2.0))]


def of_missing(reference: ColumnProfile, current: ColumnProfile) -> Effect:
    """The difference of the shares that are missing, of all rows; its chance by the test of two proportions."""
    missing, rows = reference.missing + current.missing, reference.rows + current.rows
    share = missing / rows
    error = sqrt(share * (1.0 - share) * (1.0 / reference.rows + 1.0 / current.rows))
    difference = abs(current.missing / current.rows - reference.missing / reference.rows)
    return Effect("missing", difference, sqrt(2.0 / pi) * error, two_sided(difference / error) if error else 1.0)


def of_new_words(reference: WordProfile, current: WordProfile) -> list[Effect]:
    """The share of rows with words that the reference does not have, where all of its words are known.

    As many are expected as had a word in the reference that occurred once (Good 1953).
    """
    if not reference.is_complete():
        return []
    before = reference.frequent.words()
    single = sum(rows <= reference.counted / sample(reference) for rows in before.values())
    expected = (single + 1.0) / (sample(reference) + 1.0)
    new = sum(rows for word, rows in current.frequent.words().items() if word not in before)
    share = new / current.counted
    return [Effect("new", share, expected, more_than(share, expected, sample(current)))]


def sample(profile: NumberProfile | WordProfile) -> float:
    """Rows with a value that were looked at."""
    return max(profile.looked_at * profile.known / profile.rows, 1.0)


def _bounded(shares: Floats) -> Floats:
    bounded = np.maximum(shares, LEAST)
    found: Floats = bounded / bounded.sum()
    return found
