from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.data.string_hash import string_hash

M = (1 << 64) - 1
P1, P2, P3, P4, P5 = (
    0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5,
)  # fmt: skip
WORDS = st.lists(st.text(max_size=40), max_size=12)


def by_hand(word: str) -> int:
    """One string after the other, as the algorithm is written down."""
    content = word.encode()
    filled = content + bytes(-len(content) % 8)
    h = (P5 + len(content)) & M
    for start in range(0, len(filled), 8):
        lane = int.from_bytes(filled[start : start + 8], "little")
        h ^= _turned(lane * P2 & M, 31) * P1 & M
        h = (_turned(h, 27) * P1 + P4) & M
    h = (h ^ h >> 33) * P2 & M
    h = (h ^ h >> 29) * P3 & M
    return h ^ h >> 32


def _turned(value: int, by: int) -> int:
    return (value << by | value >> 64 - by) & M


@settings(max_examples=100)
@given(WORDS, st.integers(0, 3))
def test_all_at_once_are_as_one_after_the_other(words: list[str], start: int) -> None:
    hashes = string_hash(pa.array(words, pa.string()).slice(start))
    assert hashes.tolist() == [by_hand(word) for word in words[start:]]


def test_a_million_keys_have_a_million_hashes() -> None:
    keys = pa.array([f"row-{number:09d}" for number in range(1_000_000)])
    assert (np.diff(np.sort(string_hash(keys))) > 0).all()


def test_a_string_of_eight_bytes_is_hashed_as_xxh64_does() -> None:
    """`xxh64(b"abcdefgh")` of the reference implementation: nothing is filled up."""
    assert by_hand("abcdefgh") == string_hash(pa.array(["abcdefgh"]))[0]
