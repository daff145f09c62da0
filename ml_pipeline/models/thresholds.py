"""Rows in the order of their predictions: what lies above each threshold, for any number of weightings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Thresholds:
    """Rows in descending order of p, sorted once.

    `order` sorts the rows; `y` and `p` are sorted; `ends` is the last place of every run of equal p.
    """

    order: npt.NDArray[np.intp]
    y: Floats
    p: Floats
    ends: npt.NDArray[np.intp]

    @classmethod
    def of(cls, y: Floats, p: Floats) -> Thresholds:
        """Sort the rows, both of shape (rows,)."""
        order = np.argsort(-p, kind="stable")
        y, p = y[order], p[order]
        return cls(order, y, p, np.flatnonzero(np.append(p[1:] != p[:-1], np.full(min(len(p), 1), True))))

    def bins(self, most: int) -> npt.NDArray[np.intp]:
        """The first place of every bin: up to so many of equally many rows, rows of equal p together in one."""
        if len(self.p) == 0:
            return np.zeros(0, np.intp)
        starts = np.append(0, self.ends[:-1] + 1)
        borders = np.arange(most) * len(self.p) // most
        return np.unique(starts[np.searchsorted(starts, borders, side="right") - 1])

    def above(self, weight: Floats) -> tuple[Floats, Floats]:
        """Weight of ones and of zeros above each threshold, for labels 0 and 1 and weights in the sorted order."""
        ones = weight * self.y
        zeros = weight - ones
        # In place: fresh memory costs more than the sums.
        np.cumsum(ones, out=ones)
        np.cumsum(zeros, out=zeros)
        return ones.take(self.ends), zeros.take(self.ends)


def area(hits: Floats, misses: Floats) -> float:
    """Trapezia under the curve of hits over misses, as shares of their last; NaN where either is 0."""
    if len(hits) == 0 or hits[-1] == 0.0 or misses[-1] == 0.0:
        return np.nan
    twice = np.diff(misses) @ (hits[1:] + hits[:-1]) + misses[0] * hits[0]
    return float(twice / (2.0 * hits[-1] * misses[-1]))


def precision(hits: Floats, misses: Floats) -> float:
    """Precision averaged over the steps of recall; NaN for one class."""
    if len(hits) == 0 or hits[-1] == 0.0 or misses[-1] == 0.0:
        return np.nan
    drawn = np.maximum(hits + misses, np.finfo(np.float64).tiny)
    return float(np.diff(hits, prepend=0.0) @ (hits / drawn) / hits[-1])
