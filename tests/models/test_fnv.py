from __future__ import annotations

import doctest
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.errors import ChainError
from ml_pipeline.models import fnv
from ml_pipeline.models.fnv import FEW, MOST, Strings, begin, buckets, check_buckets, hashes, with_byte

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
PUBLISHED = {b"": 0x811C9DC5, b"a": 0xE40C292C, b"b": 0xE70C2DE5, b"foo": 0xA9F37ED7, b"foobar": 0xBF9CF968}
"""Test vectors of Fowler, Noll and Vo."""


def strings(values: list[bytes]) -> Strings:
    sizes = np.array([len(value) for value in values], np.int64)
    stops = np.cumsum(sizes)
    return Strings.of(np.frombuffer(b"".join(values), np.uint8), stops - sizes, stops)


def by_hand(value: bytes) -> int:
    state = 2166136261
    for byte in value:
        state = (state ^ byte) * 16777619 % 2**32
    return state


@pytest.mark.parametrize("times", [1, FEW + 1])
def test_the_published_hashes_come_out(times: int) -> None:
    found = strings([*PUBLISHED] * times).behind(begin(len(PUBLISHED) * times))
    assert found.tolist() == [*PUBLISHED.values()] * times
    assert found.dtype == np.uint32


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=9) | st.binary(min_size=50, max_size=90), max_size=3 * FEW))
def test_many_strings_are_hashed_as_each_is_alone(values: list[bytes]) -> None:
    laid_out = strings(values)
    once = laid_out.behind(begin(len(values)))
    assert once.tolist() == [by_hand(value) for value in values]
    longer = laid_out.behind(with_byte(once, ord(" ")))
    assert longer.tolist() == [by_hand(value + b" " + value) for value in values]


def test_a_string_longer_than_16_bits_can_say_is_hashed_too() -> None:
    values = [b"short", b"x" * 70_000, b"", b"y" * 65_536]
    assert strings(values).behind(begin(4)).tolist() == [by_hand(value) for value in values]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=6), max_size=2 * FEW), st.integers(1, MOST))
def test_a_text_falls_into_the_bucket_of_its_utf8(texts: list[str], count: int) -> None:
    assert buckets(hashes(texts), count).tolist() == [by_hand(text.encode()) % count for text in texts]


def test_half_a_character_has_a_hash() -> None:
    assert hashes(["\ud800"] * (FEW + 1)).tolist() == [by_hand(b"\xed\xa0\x80")] * (FEW + 1)


def test_the_worked_examples_hold() -> None:
    assert doctest.testmod(fnv).attempted == 2
    assert doctest.testmod(fnv).failed == 0
    rows = re.findall(r"^\| `(.+)` \| `([0-9a-f ]+)` \| `([0-9a-f]{8})` \| (\d+) \|$", PAGE.read_text("utf-8"), re.M)
    assert len(rows) == 3
    for text, spelt, hashed, bucket in rows:
        assert text.encode().hex(" ") == spelt
        assert f"{by_hand(text.encode()):08x}" == hashed
        assert by_hand(text.encode()) % 4096 == int(bucket)
        assert hashes([text]).tolist() == [int(hashed, 16)]


@pytest.mark.parametrize("count", [0, -1, MOST + 1])
def test_a_bucket_number_fits_32_bits(count: int) -> None:
    with pytest.raises(ChainError, match=rf"M cannot work .*buckets={count}"):
        check_buckets("M", count)
