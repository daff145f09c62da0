"""How good predicted probabilities are, with the uncertainty that a finite test set leaves.

Every metric takes labels y (0 or 1), probabilities p and optional row weights, each of shape (rows,).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Floats, Mask
from ml_pipeline.models.judge import Judge, mean
from ml_pipeline.models.thresholds import Thresholds, area, precision

Blocks = npt.NDArray[np.intp]

BINS = 10
"""Bins of the calibration error."""
TINY = float(np.finfo(np.float64).eps)
"""Probabilities are clipped at this distance from 0 and 1, so that a certain mistake costs a finite loss; scikit-learn
does it too."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranking(Judge):
    """Rows sorted by their probability. `bins` is the first place of every bin; `losses` are log loss and squared error
    of each place, shape (2, rows)."""

    thresholds: Thresholds
    bins: npt.NDArray[np.intp]
    losses: Floats

    labels = "0 or 1"
    decides = "roc_auc"

    @classmethod
    def of(cls, y: Floats, p: Floats) -> Ranking:
        """Sort the rows; rows of equal p stay together in one bin."""
        thresholds = Thresholds.of(y, p)
        y, p = thresholds.y, thresholds.p
        clipped = np.clip(p, TINY, 1.0 - TINY)
        surprise = -np.log(np.where(y == 1.0, clipped, 1.0 - clipped))
        return cls(thresholds, thresholds.bins(BINS), np.stack([surprise, np.square(p - y)]))

    @classmethod
    def judges(cls, y: Floats, p: Floats) -> Mask:
        return np.asarray((y == 0.0) | (y == 1.0))

    @classmethod
    def described(cls, y: Floats, p: Floats) -> dict[str, Any]:
        return {"positive_rate": float(y.mean()), "mean_prediction": float(p.mean())}

    def metrics(self, weight: Floats) -> dict[str, float]:
        weight = weight.take(self.thresholds.order)
        hits, misses = self.thresholds.above(weight)
        surprise, square = mean(self.losses, weight).tolist()
        return {
            "roc_auc": area(hits, misses),
            "average_precision": precision(hits, misses),
            "log_loss": surprise,
            "brier": square,
            "calibration_error": self._calibration(weight),
        }

    def _calibration(self, weight: Floats) -> float:
        total, places = weight.sum(), self.thresholds
        gaps = np.add.reduceat(weight * (places.y - places.p), self.bins) if len(weight) else np.zeros(0)
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


class Bootstrap(NamedTuple):
    """How rows are drawn again: with the same numbers for the same seed, so many times.

    Rows that resemble one another, such as those of a day, say less than as many independent ones: with `blocks`, a
    number from 0 for each row, those of a block are drawn together (Field and Welsh 2007).
    """

    seed: int
    times: int
    blocks: Blocks | None = None

    def weights(self, rows: int) -> Iterator[Floats]:
        """How often each row is drawn, which is Poisson distributed with mean 1; shape (rows,).

        Raises:
            ValueError: there are blocks for another number of rows.
        """
        if self.blocks is not None and len(self.blocks) != rows:
            raise ValueError(f"{len(self.blocks)} rows have blocks, and there are {rows}")
        chance = np.random.default_rng(self.seed)
        size = rows if self.blocks is None else int(self.blocks.max(initial=-1)) + 1
        for _ in range(self.times):
            drawn = chance.poisson(1.0, size).astype(np.float64)
            yield drawn if self.blocks is None else drawn[self.blocks]


def replicates(y: Floats, p: Floats, bootstrap: Bootstrap, judge: type[Judge] = Ranking) -> dict[str, Floats]:
    """All metrics of a judge on resamplings of the rows: the Poisson bootstrap (Hanley and MacGibbon 2006).

    The same bootstrap draws the same rows, so the replicates of two models can be compared pair by pair. Shape of each:
    (times,).
    """
    rows = judge.of(y, p)
    draws = [rows.metrics(weights) for weights in bootstrap.weights(len(y))]
    return {name: np.array([draw[name] for draw in draws]) for name in rows.metrics(np.zeros(len(y)))}


def interval(values: Floats, level: float = 0.95) -> tuple[float, float]:
    """The central interval that holds the share `level` of the replicates; NaN ones are left out."""
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return np.nan, np.nan
    low, high = np.quantile(known, [(1.0 - level) / 2, (1.0 + level) / 2]).tolist()
    return low, high


def _metric(name: str, y: Floats, p: Floats, weight: Floats | None) -> float:
    return Ranking.of(y, p).metrics(np.ones(len(y)) if weight is None else weight)[name]
