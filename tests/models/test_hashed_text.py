from __future__ import annotations

import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.columns import Bag, Category
from ml_pipeline.errors import ChainError
from ml_pipeline.models import HashedText, fnv, ngrams

TEXTS = st.lists(st.none() | st.text(max_size=40) | st.text("aAbZ09 .é漢\n", max_size=40), max_size=12)
CAPITALS = {code: code + 32 for code in range(65, 91)}


def bag(texts: list[str | None], **options: int) -> Bag:
    model = HashedText("t", **options)
    return HashedText.transform({"t": Category.of(texts)}, model.parameters)["t"]


def held(column: Bag) -> list[list[int]]:
    return [part.tolist() for part in np.split(column.places, column.offsets[1:-1])] if len(column) else []


def grams(text: str, longest: int) -> list[tuple[int, int, str]]:
    """The documented rule in plain Python: start, length and words of every n-gram."""
    found, before = [], 0
    for line in text.split("\n"):
        words = [word.translate(CAPITALS) for word in re.findall("[A-Za-z0-9\u0080-\U0010ffff]+", line)]
        ends = [(start, n) for n in range(1, longest + 1) for start in range(len(words) - n + 1)]
        found += [(before + start, n, " ".join(words[start : start + n])) for start, n in ends]
        before += len(words)
    return found


def bucket(gram: str, buckets: int) -> int:
    state = 2166136261
    for byte in gram.encode():
        state = (state ^ byte) * 16777619 % 2**32
    return state % buckets


def test_known_words_fall_into_known_buckets() -> None:
    assert held(bag(["a", "Foobar; A", None, "?!"], buckets=1000, ngrams=1)) == [
        [0xE40C292C % 1000],
        sorted([0xE40C292C % 1000, 0xBF9CF968 % 1000]),
        [],
        [],
    ]


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.sampled_from([1, 2, 7, 1024, 10**9, 2**31]), st.integers(1, 4))
def test_any_text_becomes_what_the_rule_says(texts: list[str | None], buckets: int, longest: int) -> None:
    column = bag(texts, buckets=buckets, ngrams=longest)
    expected = [sorted({bucket(gram, buckets) for _, _, gram in grams(text or "", longest)}) for text in texts]
    assert held(column) == expected
    assert (column.width, column.words, column.places.dtype) == (buckets, (), np.int32)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.sampled_from([1, 3, 50]), st.integers(1, 3), st.integers(1, 100))
def test_the_phrase_behind_a_bucket_is_the_first_and_longest(
    texts: list[str | None], buckets: int, longest: int, chunk: int
) -> None:
    column = bag(texts, buckets=buckets, ngrams=longest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ngrams, "CHUNK", chunk)
        parameters = HashedText("t", buckets=buckets, ngrams=longest).parameters
        phrases = HashedText.phrases(parameters, Category.of(texts)[column.row_of()], column.places)
    expected = []
    for row, place in zip(column.row_of().tolist(), column.places.tolist(), strict=True):
        inside = [each for each in grams(texts[row] or "", longest) if bucket(each[2], buckets) == place]
        expected.append(min(inside, key=lambda each: (each[0], -each[1]))[2])
    assert phrases == expected


LONG = ["a " * 500_000, "criteria of exclusion " * 45_000, "x" * 1_000_000, "漢" * 1_000_000]


@pytest.mark.parametrize("text", LONG, ids=["letters", "words", "one word", "beyond ascii"])
def test_no_byte_of_a_long_text_is_hashed_more_than_once_in_a_loop(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    one = fnv._one

    def counted(state: int, tail: bytes) -> int:
        sizes.append(len(tail))
        return one(state, tail)

    monkeypatch.setattr(fnv, "_one", counted)
    assert held(bag([text, "short"], buckets=2**20, ngrams=1))[1] == [bucket("short", 2**20)]
    sizes.clear()
    bag([text, "short"], ngrams=2)
    assert sum(sizes) <= len(text.encode()) + len("short")


@pytest.mark.parametrize("text", LONG[:2], ids=["letters", "words"])
def test_memory_is_a_small_multiple_of_the_text(text: str) -> None:
    tracemalloc.start()
    bag([text, "short"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


def test_half_a_character_keeps_no_batch_from_its_scores() -> None:
    column = bag(["a \ud800 b", "a"], ngrams=1)
    assert [len(row) for row in held(column)] == [3, 1]


def test_it_learns_nothing_and_gives_bags() -> None:
    parameters = HashedText("t", buckets=8).parameters
    assert parameters == {"columns": ["t"], "buckets": 8, "ngrams": 2}
    assert HashedText.fitted(parameters)
    assert HashedText.outputs(parameters, {"t": "category"}) == {"t": "bag"}
    with pytest.raises(ChainError, match="HashedText cannot work on the column 't'"):
        HashedText.outputs(parameters, {"t": "number"})


@pytest.mark.parametrize("options", [{"buckets": 0}, {"buckets": 2**31 + 1}, {"ngrams": 0}])
def test_nonsense_is_refused(options: dict) -> None:
    with pytest.raises(ChainError, match=r"HashedText cannot .* so few"):
        HashedText("t", **options)
