"""What a column of numbers looks like."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Floats
from ml_pipeline.data.digest import Digest, Rows
from ml_pipeline.data.distinct import Distinct, hashes

QUANTILES = (5, 25, 50, 75, 95)
"""Per cent."""
LEVELS = 256
"""Up to so many different values, the rows of each are counted: flags, hours, grades, zeros."""
FREQUENT = 0.01
"""Of more values, the rows of those are counted that have this share of all."""


class NumberProfile(msgspec.Struct, frozen=True, tag="number"):
    """How many rows there are, how many are missing (NaN or infinite), and of the others least, greatest and the rest.

    Where not all were looked at, the `looked_at` rows stand for all in `mean`, `spread` (the sum of the squared
    distances from it), the distinct values, `levels` (values and the rows of each) and the digest, of all others.
    """

    rows: int = 0
    missing: int = 0
    looked_at: int = 0
    least: float = np.inf
    greatest: float = -np.inf
    mean: float = 0.0
    spread: float = 0.0
    distinct: Distinct = Distinct()
    levels: tuple[tuple[float, int], ...] = ()
    digest: Digest = Digest()

    @classmethod
    def of(cls, values: Floats, times: int = 1) -> NumberProfile:
        """Of rows, shape (rows,), each of which stands for so many."""
        known = np.sort(values[np.isfinite(values)])
        rows, missing = len(values) * times, (len(values) - len(known)) * times
        if not len(known):
            return cls(rows, missing, len(values))
        with np.errstate(over="ignore", invalid="ignore"):
            mean, spread = float(known.mean()), float(known.var()) * len(known) * times
        starts = np.append(0, np.flatnonzero(known[1:] != known[:-1]) + 1)
        different, each = known[starts], (np.append(starts[1:], len(known)) - starts) * times
        return cls(
            rows, missing, len(values), float(known[0]), float(known[-1]), mean, spread,
            Distinct.of(hashes(different)), *_parted(different, each, rows - missing),
        )  # fmt: skip

    def merge(self, other: NumberProfile) -> NumberProfile:
        """Of the rows of both (moments by Chan, Golub and LeVeque 1983)."""
        known = self.known + other.known
        with np.errstate(over="ignore", invalid="ignore"):
            apart = np.float64(other.mean) - self.mean
            share = other.known / known if known else 0.0
            mean = float(self.mean + apart * share)
            spread = float(self.spread + other.spread + apart * apart * share * self.known)
        rows = dict(self.levels)
        for value, more in other.levels:
            rows[value] = rows.get(value, 0) + more
        levels, digest = _parted(
            np.array(sorted(rows)), np.array([rows[value] for value in sorted(rows)], np.int64), known
        )
        return NumberProfile(
            self.rows + other.rows, self.missing + other.missing, self.looked_at + other.looked_at,
            min(self.least, other.least), max(self.greatest, other.greatest), mean, spread,
            self.distinct.merge(other.distinct), levels, self.digest.merge(other.digest).merge(digest),
        )  # fmt: skip

    @property
    def known(self) -> int:
        """Rows that have a value."""
        return self.rows - self.missing

    @property
    def is_seen(self) -> bool:
        """Whether any row that was looked at has a value; only then are there quantiles."""
        return bool(self.levels or self.digest.content)

    @property
    def sd(self) -> float:
        """Standard deviation of the rows (not an estimate); there must be a value."""
        return float(np.sqrt(self.spread / self.known))

    def quantiles(self, shares: npt.ArrayLike) -> Floats:
        """The value below which each share (0 to 1) of the known rows lies, shape (shares,)."""
        values, ranks = self._curve()
        found: Floats = np.interp(np.asarray(shares, np.float64) * ranks[-1], ranks, values)
        return found

    def up_to(self, points: npt.ArrayLike) -> Floats:
        """The share of the known rows whose value is each point or less, shape (points,)."""
        values, ranks = self._curve()
        found: Floats = np.interp(np.asarray(points, np.float64), values, ranks, left=0.0) / ranks[-1]
        return found

    def _curve(self) -> tuple[Floats, Floats]:
        """Values, ascending, and the rows up to each of them: a level stands there twice, before and with its rows."""
        levels, rows = np.array(self.levels).reshape(-1, 2).T
        between, below = self.digest.curve() if self.digest.content else (np.zeros(0), np.zeros(0))
        up_to = np.cumsum(np.append(0.0, rows))
        here = np.interp(levels, between, below, left=0.0) if len(between) else np.zeros(len(levels))
        values = np.concatenate([levels, between, levels])
        ranks = np.concatenate([
            here + up_to[:-1], below + up_to[np.searchsorted(levels, between, side="right")], here + up_to[1:],
        ])  # fmt: skip
        order = np.lexsort((ranks, values))
        return values[order], ranks[order]

    def described(self) -> dict[str, Any]:
        """Plain values: `mean`, `sd`, `min`, `max`, `quantiles` such as `5%`, and how many are `distinct`."""
        if not self.is_seen:
            return {}
        found = self.quantiles(np.array(QUANTILES) / 100).clip(self.least, self.greatest)
        named = {f"{share}%": value for share, value in zip(QUANTILES, found.tolist(), strict=True)}
        ends = {"min": self.least, "max": self.greatest}
        return {"mean": self.mean, "sd": self.sd, **ends, "quantiles": named, "distinct": self.distinct.count()}


def _parted(values: Floats, rows: Rows, known: int) -> tuple[tuple[tuple[float, int], ...], Digest]:
    """The levels among values in ascending order, and a digest of the others; all are levels if there are few."""
    is_level = np.ones(len(values), np.bool_) if len(values) <= LEVELS else rows >= FREQUENT * known
    levels = tuple(zip(values[is_level].tolist(), rows[is_level].tolist(), strict=True))
    return levels, Digest.of(values[~is_level], rows[~is_level])
