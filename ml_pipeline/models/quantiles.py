"""Quantiles of any number of rows from a sketch of bounded size that can be summed.

The idea is DDSketch's (Masson, Rim, Lee 2019, "DDSketch: a fast and fully-mergeable quantile sketch with
relative-error guarantees", PVLDB 12): count values in bins whose width is proportional to the value. The bins here are
the leading bits of the floating-point number itself: sign, exponent and ten bits of the fraction. So a value's bin is
the same on every machine, and the middle of a bin is within 2^-11 (0.05 %) of every value in it.

Up to `DISTINCT` different values are kept exactly. Which of the two forms a sketch has follows from the values alone,
never from how they were parted, so merging is exactly associative and commutative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Floats

DISTINCT = 1000
"""More different values than this are counted in bins."""
COARSE = 42
"""Trailing bits of a float64 that a bin leaves open."""
_HEAD = 4096
_MAGNITUDE = np.int64(2**63 - 1)

Keys = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """How often each key was seen: `keys` ascending, `counts` above zero, `shift` 0 (values) or `COARSE` (bins)."""

    keys: Keys
    counts: Keys
    shift: int

    def __add__(self, other: Sketch) -> Sketch:
        """The sketch of both sets of values."""
        shift = max(self.shift, other.shift)
        a, b = _coarsen(self, shift), _coarsen(other, shift)
        merged = _collect(np.concatenate([a.keys, b.keys]), np.concatenate([a.counts, b.counts]), shift)
        return _coarsen(merged, COARSE) if len(merged.keys) > DISTINCT else merged

    def values(self) -> Floats:
        """One value per key, ascending: the value itself, or the middle of its bin (0 for the bin of 0)."""
        middle = np.int64(0 if self.shift == 0 else 1 << (self.shift - 1))
        ordered = (self.keys << self.shift) + np.where(self.keys == 0, 0, middle)
        return _flip(ordered).view(np.float64)


def sketch(values: Floats) -> Sketch:
    """Sketch the finite numbers among `values`, shape (rows,); NaN and infinities are left out."""
    values = values[np.isfinite(values)]
    # Adding zero makes the negative zero the positive one.
    keys = _flip((values + 0.0).view(np.int64))
    # A few rows tell most continuous columns, and bins sort faster than values.
    if np.count_nonzero(np.diff(np.sort(keys[:_HEAD]))) >= DISTINCT:
        return _bins(keys)
    distinct, counts = np.unique(keys, return_counts=True)
    exact = Sketch(distinct, counts.astype(np.int64), 0)
    return _coarsen(exact, COARSE) if len(distinct) > DISTINCT else exact


def merge(a: Sketch, b: Sketch) -> Sketch:
    """The sketch of both sets of values."""
    return a + b


def quantile(statistics: Sketch, q: npt.ArrayLike) -> Any:
    """Quantiles `q` in [0, 1], linear between neighbouring ranks (Hyndman and Fan 1996, definition 7).

    Exact up to `DISTINCT` different values, else within 0.05 % of each neighbouring value. NaN without values.
    """
    if len(statistics.keys) == 0:
        return np.full(np.shape(q), np.nan)[()]
    upto = np.cumsum(statistics.counts)
    rank = np.asarray(q, np.float64) * (upto[-1] - 1)
    low = np.floor(rank)
    values = statistics.values()
    below = values[np.searchsorted(upto, low, side="right")]
    above = values[np.searchsorted(upto, np.ceil(rank), side="right")]
    return below + (above - below) * (rank - low)


def _flip(bits: Keys) -> Keys:
    """Bits of floats as integers in the same order, and back: negative numbers count downwards."""
    return np.asarray(np.where(bits < 0, bits ^ _MAGNITUDE, bits), np.int64)


def _bins(keys: Keys) -> Sketch:
    bins, counts = np.unique((keys >> COARSE).astype(np.int32), return_counts=True)
    return Sketch(bins.astype(np.int64), counts.astype(np.int64), COARSE)


def _coarsen(given: Sketch, shift: int) -> Sketch:
    if shift == given.shift:
        return given
    return _collect(given.keys >> (shift - given.shift), given.counts, shift)


def _collect(keys: Keys, counts: Keys, shift: int) -> Sketch:
    """Sum the counts of equal keys."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(keys)])
    return Sketch(ordered[first], np.add.reduceat(counts[order], first), shift)
