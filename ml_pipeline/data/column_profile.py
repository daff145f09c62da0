"""What a column looks like, whatever its kind."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import msgspec
import numpy as np

from ml_pipeline.columns import Category, Column, Floats, Times, kind
from ml_pipeline.data import arrow
from ml_pipeline.data.number_profile import QUANTILES, NumberProfile
from ml_pipeline.data.word_profile import WordProfile


class TimeProfile(msgspec.Struct, frozen=True, tag="time"):
    """Moments as numbers: microseconds since 1970, UTC."""

    moments: NumberProfile = NumberProfile()

    @classmethod
    def of(cls, values: Times, times: int = 1) -> TimeProfile:
        """Of rows, shape (rows,), each of which stands for so many."""
        return cls(NumberProfile.of(numbers(values), times))

    def merge(self, other: TimeProfile) -> TimeProfile:
        """Of the rows of both."""
        return TimeProfile(self.moments.merge(other.moments))

    @property
    def rows(self) -> int:
        """All rows."""
        return self.moments.rows

    @property
    def missing(self) -> int:
        """Rows without a moment."""
        return self.moments.missing

    def described(self) -> dict[str, Any]:
        """Plain values: the `first` moment, the `last`, and `quantiles` between, as ISO 8601 in UTC."""
        if not self.moments.is_seen:
            return {}
        between = self.moments.quantiles(np.array(QUANTILES) / 100)
        whole = np.array([self.moments.least, self.moments.greatest, *between]).astype(np.int64).view("datetime64[us]")
        first, last, *named = np.datetime_as_string(whole, unit="s", timezone="UTC").tolist()
        quantiles = {f"{share}%": moment for share, moment in zip(QUANTILES, named, strict=True)}
        return {"first": first, "last": last, "quantiles": quantiles}


class BlockProfile(msgspec.Struct, frozen=True, tag="block"):
    """Several numbers a row; a row is missing where any of them is."""

    rows: int
    missing: int
    width: int

    @classmethod
    def of(cls, values: Floats, times: int = 1) -> BlockProfile:
        """Of rows, shape (rows, width), each of which stands for so many."""
        return cls(len(values) * times, int((~np.isfinite(values).all(axis=1)).sum()) * times, values.shape[1])

    def merge(self, other: BlockProfile) -> BlockProfile | OtherProfile:
        """Of the rows of both."""
        if self.width == other.width:
            return BlockProfile(self.rows + other.rows, self.missing + other.missing, self.width)
        return _mixed(self, other)

    def described(self) -> dict[str, Any]:
        """Plain values: the `width`."""
        return {"width": self.width}


class OtherProfile(msgspec.Struct, frozen=True, tag="other"):
    """Rows of several kinds, or of one that no profile sums up."""

    rows: int
    missing: int
    kinds: tuple[str, ...]

    def merge(self, other: OtherProfile) -> OtherProfile:
        """Of the rows of both."""
        return _mixed(self, other)

    def described(self) -> dict[str, Any]:
        """Plain values: the `kinds`."""
        return {"kinds": list(self.kinds)}


ColumnProfile: TypeAlias = NumberProfile | WordProfile | TimeProfile | BlockProfile | OtherProfile


def kind_of(profile: ColumnProfile) -> str:
    """`number`, `time`, `category`, `block` or `other`."""
    return str(type(profile).__struct_config__.tag)


def merged(a: ColumnProfile, b: ColumnProfile) -> ColumnProfile:
    """Of the rows of both; what is of two kinds is of another one."""
    if not a.rows or not b.rows:
        return a if a.rows else b
    if type(a) is not type(b):
        return _mixed(a, b)
    return cast(Any, a).merge(b)  # type: ignore[no-any-return]


def profiled(column: Column, times: int = 1) -> ColumnProfile:
    """Of rows, each of which stands for so many."""
    if isinstance(column, Category):
        return WordProfile.of(column, times)
    own = {"time": TimeProfile.of, "block": BlockProfile.of, "number": NumberProfile.of}[kind(column)]
    return cast(Any, own)(column, times)  # type: ignore[no-any-return]


def numbers(values: Times) -> Floats:
    """Moments as microseconds since 1970, NaN where there is none."""
    whole = values.astype("datetime64[us]", copy=False).view(np.int64)
    return np.where(whole == arrow.NAT, np.nan, whole)


def _mixed(a: ColumnProfile, b: ColumnProfile) -> OtherProfile:
    kinds = sorted({kind for own in (a, b) for kind in _kinds(own)})
    return OtherProfile(a.rows + b.rows, a.missing + b.missing, tuple(kinds))


def _kinds(profile: ColumnProfile) -> tuple[str, ...]:
    if isinstance(profile, OtherProfile):
        return profile.kinds
    return (f"block of {profile.width}" if isinstance(profile, BlockProfile) else kind_of(profile),)
