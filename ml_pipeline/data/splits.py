"""Which rows train, which choose, which judge."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Category, Mask, Times

PARTS = ("train", "validation", "test")
"""In the order of the numbers that the functions below give."""

Numbers = npt.NDArray[np.intp]


def by_time(times: Times, last: np.datetime64, validation: np.timedelta64, test: np.timedelta64) -> Numbers:
    """The part of each row: `test` is the stretch that ends with `last`, `validation` the one before it.

    >>> days = np.array(["2013-01-01", "2013-01-09", "2013-01-10"], "datetime64[us]")
    >>> by_time(days, days[-1], np.timedelta64(1, "D"), np.timedelta64(1, "D"))
    array([0, 1, 2])
    """
    borders = np.array([last - test - validation, last - test], "datetime64[us]")
    return np.searchsorted(borders, times, side="left")


def by_hash(keys: Category, validation: float, test: float) -> Numbers:
    """The part of each row by a hash of its key alone, so a row never changes sides. Shares are fractions."""
    place = hashes(keys.vocabulary) / 2.0**64
    part = np.where(place < test, 2, np.where(place < test + validation, 1, 0))
    return np.asarray(keys.map(part, 0), np.intp)


def is_test(keys: Category, test: float) -> Mask:
    """Which rows judge, by a hash of the key: `test` is their share as a fraction."""
    return np.asarray(by_hash(keys, 0.0, test) == PARTS.index("test"), np.bool_)


def share(text: str) -> float:
    """`20%` as a fraction."""
    return float(text.removesuffix("%")) / 100


def hashes(words: Sequence[str]) -> npt.NDArray[np.uint64]:
    """BLAKE2b of each string, its first eight bytes as a little-endian number; the same on every machine."""
    digests = b"".join(hashlib.blake2b(word.encode(), digest_size=8).digest() for word in words)
    return np.frombuffer(digests, "<u8")
