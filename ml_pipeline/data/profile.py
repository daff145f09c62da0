"""What columns look like: how much is missing, where values lie, which are frequent. Profiles of parts merge.

A profile takes some kilobytes a column, whatever the rows; those of days make that of a week, and no row is read again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import reduce
from typing import Any

import msgspec

from ml_pipeline.columns import Columns, count
from ml_pipeline.data.column_profile import ColumnProfile, kind_of, merged, profiled
from ml_pipeline.errors import IntegrityError

VERSION = 1
"""Of the bytes of a profile."""


class Profile(msgspec.Struct, frozen=True):
    """Rows, and what each column looks like."""

    rows: int = 0
    columns: dict[str, ColumnProfile] = {}

    @classmethod
    def of(cls, columns: Columns, times: int = 1) -> Profile:
        """Of a batch, each row of which stands for so many.

        >>> import numpy as np
        >>> Profile.of({"size": np.array([1.0, 3.0, np.nan])}).described()["size"]["mean"]
        2.0
        """
        return cls(count(columns) * times, {name: profiled(column, times) for name, column in columns.items()})

    def merge(self, other: Profile) -> Profile:
        """Of the rows of both: counts exactly, quantiles, distinct and frequent values as well as sketches can.

        A column that only one of them has counts its rows alone; one of two kinds becomes one of kind `other`.
        """
        both = {name: merged(own, other.columns[name]) for name, own in self.columns.items() if name in other.columns}
        return Profile(self.rows + other.rows, {**self.columns, **other.columns, **both})

    def only(self, names: Iterable[str]) -> Profile:
        """Of those of these columns that there are."""
        return Profile(self.rows, {name: self.columns[name] for name in names if name in self.columns})

    def described(self) -> dict[str, dict[str, Any]]:
        """Plain values by column: `kind`, `rows`, `missing`, and where any value is known, what it has besides.

        - number: `mean`, `sd` (of the rows, not an estimate), `min`, `max`, `quantiles` such as `5%`, `distinct`; NaN
          and infinities are missing
        - time: `first`, `last` and `quantiles`, in UTC as ISO 8601
        - category: `distinct` words, the `frequent` ones with their share of all rows, and quantiles of their `lengths`
        - block: `width`; a row is missing where any of its numbers is
        - other: the `kinds` that are mixed
        """
        return {
            name: {"kind": kind_of(own), "rows": own.rows, "missing": own.missing, **own.described()}
            for name, own in self.columns.items()
        }

    def pack(self) -> bytes:
        """As bytes; the same rows in the same parts give the same ones."""
        content = msgspec.msgpack.encode(self)
        return msgspec.msgpack.encode(_Packed(VERSION, hashlib.sha256(content).digest(), content))


class _Packed(msgspec.Struct, frozen=True, array_like=True):
    version: int
    sha256: bytes
    content: bytes


def merge(profiles: Iterable[Profile]) -> Profile:
    """Of the rows of all; none of none."""
    return reduce(Profile.merge, profiles, Profile())


def unpack(packed: bytes, where: str) -> Profile:
    """A profile out of its bytes.

    Raises:
        IntegrityError: they are none, not whole, or of another version of this product.
    """
    try:
        own = msgspec.msgpack.decode(packed, type=_Packed)
        if own.version == VERSION and hashlib.sha256(own.content).digest() == own.sha256:
            return msgspec.msgpack.decode(own.content, type=Profile)
        given = f"version {own.version}" if own.version != VERSION else "bytes that were changed"
    except msgspec.MsgspecError as error:
        given = str(error)
    raise IntegrityError(
        "a profile cannot be read",
        given=f"{where}, {len(packed)} bytes: {given}",
        expected=f"a whole profile of version {VERSION}",
        do="delete it: it is made again from the rows where they are still there",
    )


# msgspec looks into a type when it first decodes one, and crashes where several threads are first at once: here is one.
msgspec.msgpack.Decoder(_Packed)
msgspec.msgpack.Decoder(Profile)
