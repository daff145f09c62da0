"""How good predicted probabilities are, with the uncertainty that a finite test set leaves.

Every metric takes labels y (0 or 1), probabilities p and optional row weights, each of shape (rows,).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Floats

BINS = 10
"""Bins of the calibration error."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Rows in descending order of p, sorted once for any number of weightings.

    `order` sorts the rows; `y` and `p` are sorted; `ends` is the last place of every run of equal p; `bins` the first
    place of every bin; `surprise` the log loss of each place.
    """

    order: npt.NDArray[np.intp]
    y: Floats
    p: Floats
    ends: npt.NDArray[np.intp]
    bins: npt.NDArray[np.intp]
    surprise: Floats

    @classmethod
    def of(cls, y: Floats, p: Floats) -> Ranking:
        """Sort the rows; rows of equal p stay together in one bin."""
        order = np.argsort(-p, kind="stable")
        y, p = y[order], p[order]
        ends = np.flatnonzero(np.append(p[1:] != p[:-1], np.full(min(len(p), 1), True)))
        starts = np.append(0, ends[:-1] + 1)
        borders = np.arange(BINS) * len(p) // BINS
        bins = np.unique(starts[np.searchsorted(starts, borders, side="right") - 1])
        # scikit-learn clips at the same distance, so that a certain mistake costs a finite loss.
        tiny = np.finfo(np.float64).eps
        clipped = np.clip(p, tiny, 1.0 - tiny)
        return cls(order, y, p, ends, bins, -np.log(np.where(y == 1.0, clipped, 1.0 - clipped)))

    def metrics(self, weight: Floats) -> dict[str, float]:
        """All of them, for weights in the order of the original rows."""
        weight = weight[self.order]
        hits, misses = self._cumulative(weight)
        return {
            "roc_auc": _area(hits, misses),
            "average_precision": _precision(hits, misses),
            "log_loss": _mean(self.surprise, weight),
            "brier": _mean(np.square(self.p - self.y), weight),
            "calibration_error": self._calibration(weight),
        }

    def _cumulative(self, weight: Floats) -> tuple[Floats, Floats]:
        """Weight of ones and of zeros above each threshold."""
        positive = weight * self.y
        return np.cumsum(positive)[self.ends], np.cumsum(weight - positive)[self.ends]

    def _calibration(self, weight: Floats) -> float:
        total = weight.sum()
        gaps = np.add.reduceat(weight * (self.y - self.p), self.bins) if len(weight) else np.zeros(0)
        return float(np.abs(gaps).sum() / total) if total > 0.0 else np.nan


def roc_auc(y: Floats, p: Floats, weight: Floats | None = None) -> float:
    """Area under the ROC curve: the probability that a 1 is ranked above a 0, ties counting half; NaN for one class."""
    return _metric("roc_auc", y, p, weight)


def average_precision(y: Floats, p: Floats, weight: Floats | None = None) -> float:
    """Precision averaged over the steps of recall, without interpolation; NaN for one class."""
    return _metric("average_precision", y, p, weight)


def log_loss(y: Floats, p: Floats, weight: Floats | None = None) -> float:
    """Mean of minus the natural logarithm of the probability given to what happened."""
    return _metric("log_loss", y, p, weight)


def brier(y: Floats, p: Floats, weight: Floats | None = None) -> float:
    """Mean squared difference of p and y (Brier 1950)."""
    return _metric("brier", y, p, weight)


def calibration_error(y: Floats, p: Floats, weight: Floats | None = None) -> float:
    """Expected calibration error: |mean y - mean p| per bin, averaged by weight (Naeini, Cooper, Hauskrecht 2015).

    The ten bins hold equally many rows, up to rows of equal p, which share a bin.
    """
    return _metric("calibration_error", y, p, weight)


def replicates(y: Floats, p: Floats, seed: int, times: int) -> dict[str, Floats]:
    """All metrics on `times` resamplings of the rows: the Poisson bootstrap (Hanley and MacGibbon 2006).

    Each row is drawn as often as a Poisson number of mean 1 says, the same numbers for the same seed and rows, so the
    replicates of two models can be compared pair by pair. Shape of each: (times,).
    """
    chance = np.random.default_rng(seed)
    ranking = Ranking.of(y, p)
    draws = [ranking.metrics(chance.poisson(1.0, len(y)).astype(np.float64)) for _ in range(times)]
    return {name: np.array([draw[name] for draw in draws]) for name in ranking.metrics(np.zeros(len(y)))}


def interval(values: Floats, level: float = 0.95) -> tuple[float, float]:
    """The central interval that holds the share `level` of the replicates; NaN ones are left out."""
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return np.nan, np.nan
    low, high = np.quantile(known, [(1.0 - level) / 2, (1.0 + level) / 2]).tolist()
    return low, high


def _metric(name: str, y: Floats, p: Floats, weight: Floats | None) -> float:
    return Ranking.of(y, p).metrics(np.ones(len(y)) if weight is None else weight)[name]


def _mean(values: Floats, weight: Floats) -> float:
    total = weight.sum()
    return float(values @ weight / total) if total > 0.0 else np.nan


def _area(hits: Floats, misses: Floats) -> float:
    """Trapezia under the curve of hits over misses."""
    if len(hits) == 0 or hits[-1] == 0.0 or misses[-1] == 0.0:
        return np.nan
    heights = hits - np.diff(hits, prepend=0.0) / 2
    return float(np.diff(misses, prepend=0.0) @ heights / (hits[-1] * misses[-1]))


def _precision(hits: Floats, misses: Floats) -> float:
    if len(hits) == 0 or hits[-1] == 0.0 or misses[-1] == 0.0:
        return np.nan
    drawn = np.maximum(hits + misses, np.finfo(np.float64).tiny)
    return float(np.diff(hits, prepend=0.0) @ (hits / drawn) / hits[-1])
