from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.models.fnv import FEW, Strings, begin, with_byte, with_strings

PUBLISHED = {b"": 0x811C9DC5, b"a": 0xE40C292C, b"b": 0xE70C2DE5, b"foo": 0xA9F37ED7, b"foobar": 0xBF9CF968}
"""Test vectors of Fowler, Noll and Vo."""


def strings(values: list[bytes]) -> Strings:
    sizes = np.array([len(value) for value in values], np.int64)
    stops = np.cumsum(sizes)
    return Strings(np.frombuffer(b"".join(values), np.uint8), stops - sizes, stops)


def by_hand(value: bytes) -> int:
    state = 2166136261
    for byte in value:
        state = (state ^ byte) * 16777619 % 2**32
    return state


@pytest.mark.parametrize("times", [1, FEW + 1])
def test_the_published_hashes_come_out(times: int) -> None:
    hashes = with_strings(begin(len(PUBLISHED) * times), strings([*PUBLISHED] * times))
    assert hashes.tolist() == [*PUBLISHED.values()] * times
    assert hashes.dtype == np.uint32


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=9) | st.binary(min_size=50, max_size=90), max_size=3 * FEW))
def test_many_strings_are_hashed_as_each_is_alone(values: list[bytes]) -> None:
    once = with_strings(begin(len(values)), strings(values))
    assert once.tolist() == [by_hand(value) for value in values]
    longer = with_strings(with_byte(once, ord(" ")), strings(values))
    assert longer.tolist() == [by_hand(value + b" " + value) for value in values]
