"""FNV-1a of many strings of bytes at once: 32 bits, the same in every language.

Begin with `BASIS`; for each byte, exclusive-or with it, then multiply by `PRIME`, modulo 2**32 (Fowler, Noll, Vo, "FNV
hash", http://www.isthe.com/chongo/tech/comp/fnv, and RFC 9923). The bytes of a text are its UTF-8, and its bucket is
the hash modulo the number of buckets, from 0:

>>> [f"{each:08x}" for each in hashes(["UA", "UA x LAX", "Zürich"])]
['73f3a663', 'b8dc2546', 'd7007f20']
>>> buckets(hashes(["UA", "UA x LAX", "Zürich"]), 4096)
array([1635, 1350, 3872], dtype=int32)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Mask
from ml_pipeline.errors import ChainError

BASIS = 2166136261
PRIME = 16777619
FEW = 32
"""Up to so many strings, a loop over their bytes is faster than calls on arrays."""
MOST = 2**31
"""Buckets that there may be: the number of one is an int32."""

Hashes = npt.NDArray[np.uint32]
Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Strings:
    """Strings laid out by position, so that one step takes a byte of each.

    `order` has the longest first. `columns[k]` are the bytes at position k of those that are that long, in this order;
    `tails` are the ends of the few that are longer than there are columns.
    """

    order: Positions
    columns: tuple[Bytes, ...]
    tails: tuple[bytes, ...]

    @classmethod
    def of(cls, data: Bytes, starts: Positions, stops: Positions) -> Strings:
        """String i is `data[starts[i]:stops[i]]`."""
        sizes = stops - starts
        order = _descending(sizes)
        at = starts[order]
        lasting = np.cumsum(np.bincount(sizes)[:0:-1])[::-1]
        position = int(np.count_nonzero(lasting > FEW))
        columns = []
        for count in islice(lasting.tolist(), position):
            columns.append(data[at[:count]])
            at[:count] += 1
        few = range(int(lasting[position]) if position < len(lasting) else 0)
        return cls(order, tuple(columns), tuple(data[at[place] : stops[order[place]]].tobytes() for place in few))

    def behind(self, hashes: Hashes, wanted: Mask | None = None) -> Hashes:
        """The hashes of what was hashed before with one string each behind it; both of shape (strings,).

        What is not `wanted`, if that is given, may be anything.
        """
        now = hashes[self.order]
        for column in self.columns:
            part = now[: len(column)]
            part ^= column
            part *= np.uint32(PRIME)
        for place, tail in enumerate(self.tails):
            if wanted is None or wanted[self.order[place]]:
                now[place] = _one(int(now[place]), tail)
        result = np.empty_like(now)
        result[self.order] = now
        return result


def begin(count: int) -> Hashes:
    """The hashes of so many empty strings."""
    return np.full(count, BASIS, np.uint32)


def with_byte(hashes: Hashes, byte: int) -> Hashes:
    """The hashes of strings that are longer by one byte, the same for all."""
    return (hashes ^ np.uint32(byte)) * np.uint32(PRIME)


def hashes(texts: Sequence[str]) -> Hashes:
    """The hash of each text, shape (texts,)."""
    encoded = [utf8(text) for text in texts]
    if len(encoded) <= FEW:
        return np.array([_one(BASIS, text) for text in encoded], np.uint32)
    sizes = np.fromiter(map(len, encoded), np.int64, len(encoded))
    stops = np.cumsum(sizes)
    return Strings.of(np.frombuffer(b"".join(encoded), np.uint8), stops - sizes, stops).behind(begin(len(encoded)))


def utf8(text: str) -> bytes:
    """A text in bytes; half a surrogate, which no UTF-8 has, must not keep a whole batch from its scores."""
    return text.encode("utf-8", "surrogatepass")


def buckets(hashes: Hashes, count: int) -> npt.NDArray[np.int32]:
    """The bucket of each hash: the remainder of the division by `count`, at most `MOST`."""
    divisor = np.uint32(count)
    # NumPy divides by a number many times faster than it takes the remainder.
    return (hashes - hashes // divisor * divisor).astype(np.int32)


def check_buckets(model: str, count: int) -> None:
    """Refuse a number of buckets that a model cannot have."""
    if not 1 <= count <= MOST:
        raise ChainError(
            f"{model} cannot work with so few or so many buckets",
            given=f"buckets={count}",
            expected=f"1 to {MOST:,}",
            do="take the default, or a few times as many as there are different words",
        )


def _descending(sizes: Positions) -> Positions:
    """Places of the sizes, the largest first; small numbers of 16 bits are sorted in one go."""
    largest = int(sizes.max(initial=0))
    return np.argsort((largest - sizes).astype(np.uint16) if largest < 1 << 16 else -sizes, kind="stable")


def _one(state: int, text: bytes) -> int:
    for byte in text:
        state = (state ^ byte) * PRIME & 0xFFFFFFFF
    return state
