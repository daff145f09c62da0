"""What is kept comes back, in few bytes; nothing is left behind; no room is no failure."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_pipeline.columns import Bag, Category
from ml_pipeline.engines.cache import Cache
from ml_pipeline.engines.packing import packed

ROWS = 3000


def batch(seed: int = 0, words: int = 5) -> dict[str, Any]:
    chance = np.random.default_rng(seed)
    held = chance.random((ROWS, 7)) < 0.3
    return {
        "n": chance.normal(size=ROWS),
        "block": chance.normal(size=(ROWS, 3)),
        "c": Category(chance.integers(-1, words, ROWS).astype(np.int32), tuple(f"w{i} ✓\n" for i in range(words))),
        "bag": Bag.of(held.sum(axis=1), np.nonzero(held)[1], 7),
        "named": Bag.of(held.sum(axis=1), np.nonzero(held)[1], 7, tuple("abcdefg")),
    }


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, Category):
        return np.array_equal(one.codes, other.codes) and one.vocabulary == other.vocabulary
    if isinstance(one, Bag):
        same = one.width == other.width and one.words == other.words
        return same and np.array_equal(one.offsets, other.offsets) and np.array_equal(one.places, other.places)
    return one.dtype == other.dtype and np.array_equal(one, other)


@pytest.fixture
def cache() -> Any:
    cache = Cache()
    yield cache
    cache.close()


@pytest.mark.parametrize("words", [1, 127, 128, 40_000])
def test_batches_come_back_as_they_were(cache: Cache, words: int) -> None:
    batches = {number: batch(number, words) for number in (4, 0, 7)}
    for number, own in batches.items():
        cache.keep(number, own)
    for number, own in batches.items():
        assert number in cache
        loaded = cache.load(number)
        assert list(loaded) == list(own)
        assert all(equal(own[name], loaded[name]) for name in own)
    assert 1 not in cache


def test_no_rows_are_kept_too(cache: Cache) -> None:
    empty = {name: column[:0] for name, column in batch().items()}
    cache.keep(0, empty)
    assert all(equal(empty[name], column) for name, column in cache.load(0).items())


def test_what_is_loaded_cannot_be_changed(cache: Cache) -> None:
    cache.keep(0, batch())
    with pytest.raises(ValueError, match="read-only"):
        cache.load(0)["n"][0] = 1.0  # type: ignore[index]


def test_a_vocabulary_of_many_batches_is_one_object(cache: Cache) -> None:
    for number in range(3):
        cache.keep(number, batch(number))
    vocabularies = [cache.load(number)["c"].vocabulary for number in range(3)]  # type: ignore[union-attr]
    assert all(own is vocabularies[0] for own in vocabularies)


def test_twenty_numbers_and_five_categories_take_at_most_100_bytes_a_row(cache: Cache) -> None:
    chance, rows = np.random.default_rng(0), 65_536
    numbers = {f"n{place}": chance.normal(size=rows) for place in range(20)}
    words = tuple(f"w{number}" for number in range(10_000))
    categories = {f"c{place}": Category(chance.integers(0, 10_000, rows).astype(np.int32), words) for place in range(5)}
    cache.keep(0, packed({**numbers, **categories}))
    assert cache._end < 100 * rows


def test_no_file_is_left_even_while_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cache = Cache()
    cache.keep(0, batch())
    assert list(tmp_path.iterdir()) == []
    cache.close()


def test_a_disk_without_room_is_told_and_no_failure(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.keep(0, batch())

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", full)
        cache.keep(1, batch(1))
    cache.keep(2, batch(2))
    assert "No space left on device" in cache.full
    assert [number in cache for number in range(3)] == [True, False, False]
    assert equal(cache.load(0)["n"], batch()["n"])


def test_what_a_disk_takes_in_parts_is_written_whole(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, content, start: write(file, content[:1000], start))
    cache.keep(0, batch())
    assert all(equal(own, cache.load(0)[name]) for name, own in batch().items())
