"""What a profile holds of all rows of a column: their number, how many are missing, and the ends of the others."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import msgspec
import numpy as np

from ml_pipeline.columns import Category, Column, Floats, Times, kind
from ml_pipeline.data import arrow
from ml_pipeline.data.column_profile import BlockProfile, ColumnProfile, TimeProfile
from ml_pipeline.data.number_profile import NumberProfile


class Extent(NamedTuple):
    """Rows, those that are missing, least and greatest value (moments in microseconds; of words there are none)."""

    rows: int
    missing: int
    least: float = np.inf
    greatest: float = -np.inf

    @classmethod
    def of(cls, column: Column) -> Extent:
        """Of all rows."""
        if isinstance(column, Category):
            return cls(len(column), int(np.count_nonzero(column.codes < 0)))
        if kind(column) == "block":
            return cls(len(column), BlockProfile.of(cast(Floats, column)).missing)
        return _of_moments(cast(Times, column)) if kind(column) == "time" else _of_numbers(cast(Floats, column))

    def merge(self, other: Extent) -> Extent:
        """Of the rows of both."""
        ends = min(self.least, other.least), max(self.greatest, other.greatest)
        return Extent(self.rows + other.rows, self.missing + other.missing, *ends)

    def correct(self, profile: ColumnProfile) -> ColumnProfile:
        """The profile of some of the rows, with what is known of all."""
        if isinstance(profile, TimeProfile):
            return TimeProfile(cast(NumberProfile, self.correct(profile.moments)))
        counts: dict[str, Any] = {"rows": self.rows, "missing": self.missing}
        ends = {"least": self.least, "greatest": self.greatest} if isinstance(profile, NumberProfile) else {}
        return msgspec.structs.replace(profile, **counts, **ends)


def _of_numbers(values: Floats) -> Extent:
    if not len(values):
        return Extent(0, 0)
    least, greatest = float(values.min()), float(values.max())
    if np.isfinite(least) and np.isfinite(greatest):  # a missing number would be both
        return Extent(len(values), 0, least, greatest)
    known = values[np.isfinite(values)]
    ends = (float(known.min()), float(known.max())) if len(known) else ()
    return Extent(len(values), len(values) - len(known), *ends)


def _of_moments(values: Times) -> Extent:
    whole = values.view(np.int64)
    known = whole[whole != arrow.NAT]
    ends = (float(known.min()), float(known.max())) if len(known) else ()
    return Extent(len(values), len(values) - len(known), *ends)
