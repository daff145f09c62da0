"""FNV-1a of many strings of bytes at once: 32 bits, the same in every language.

Fowler, Noll, Vo, "FNV hash", http://www.isthe.com/chongo/tech/comp/fnv, and RFC 9923: begin with `BASIS`; for each
byte, exclusive-or with it, then multiply by `PRIME`, modulo 2**32.
"""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

BASIS = 2166136261
PRIME = 16777619
FEW = 32
"""Up to so many strings, a loop over their bytes is faster than calls on arrays."""

Hashes = npt.NDArray[np.uint32]
Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]


class Strings(NamedTuple):
    """String i is `data[starts[i]:stops[i]]`."""

    data: Bytes
    starts: Positions
    stops: Positions


def begin(count: int) -> Hashes:
    """The hashes of so many empty strings."""
    return np.full(count, BASIS, np.uint32)


def with_byte(hashes: Hashes, byte: int) -> Hashes:
    """The hashes of strings that are longer by one byte, the same for all."""
    return (hashes ^ np.uint32(byte)) * np.uint32(PRIME)


def with_strings(hashes: Hashes, strings: Strings) -> Hashes:
    """The hashes of what was hashed before with one string each behind it; both of shape (strings,)."""
    sizes = strings.stops - strings.starts
    # The longest first, so that those which still have a byte at some position are the first so many.
    order = np.argsort(-sizes, kind="stable")
    now, at = hashes[order], strings.starts[order]
    lasting = np.cumsum(np.bincount(sizes)[:0:-1])[::-1]
    position = int(np.count_nonzero(lasting > FEW))
    for count in islice(lasting.tolist(), position):
        now[:count] ^= strings.data[at[:count]]
        now[:count] *= np.uint32(PRIME)
        at[:count] += 1
    for place in range(int(lasting[position]) if position < len(lasting) else 0):
        now[place] = _one(int(now[place]), strings.data[at[place] : strings.stops[order[place]]].tobytes())
    result = np.empty_like(now)
    result[order] = now
    return result


def _one(state: int, text: bytes) -> int:
    for byte in text:
        state = (state ^ byte) * PRIME & 0xFFFFFFFF
    return state
