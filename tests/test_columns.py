from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.columns import MISSING, Bag, Category, as_column, concat, count, kind, occurring, take

WORDS = st.lists(st.none() | st.text(max_size=3), max_size=12)


@settings(max_examples=40)
@given(WORDS)
def test_a_category_keeps_its_words(words: list[str | None]) -> None:
    column = Category.of(words)
    assert column.values() == words
    assert len(column) == len(words)
    assert column.codes.dtype == np.int32
    assert len(set(column.vocabulary)) == len(column.vocabulary)


@settings(max_examples=40)
@given(WORDS, st.lists(st.text(max_size=3), unique=True))
def test_recoding_keeps_the_words_of_the_other_vocabulary_and_no_more(
    words: list[str | None], vocabulary: list[str]
) -> None:
    recoded = Category.of(words).recode(vocabulary)
    assert recoded.values() == [word if word in vocabulary else None for word in words]
    assert recoded.vocabulary == tuple(vocabulary)


def test_recoding_puts_unknown_words_where_it_is_told_and_leaves_missing_ones_missing() -> None:
    recoded = Category.of(["a", "x", None]).recode(["b", "a"], other=0)
    assert recoded.codes.tolist() == [1, 0, MISSING]
    assert Category.of(["a", "x", None]).recode(["b", "a"], other=0, missing=2).codes.tolist() == [1, 0, 2]


@settings(max_examples=40)
@given(WORDS)
def test_mapping_gives_each_row_the_value_of_its_word(words: list[str | None]) -> None:
    column = Category.of(words)
    lengths = column.map([float(len(word)) for word in column.vocabulary], -1.0)
    assert lengths.tolist() == [-1.0 if word is None else len(word) for word in words]


@settings(max_examples=60)
@given(WORDS, st.lists(st.integers(0, 11), max_size=4))
def test_words_are_asked_for_at_most_once_and_never_more_than_rows_or_words(
    words: list[str | None], rows: list[int]
) -> None:
    column = Category.of(words)[np.array([row for row in rows if row < len(words)], np.intp)]
    asked: list[str] = []

    def sizes(some: Sequence[str]) -> list[int]:
        asked.extend(some)
        return [len(word) for word in some]

    found = column.map_words(sizes, -1)
    assert found.tolist() == [-1 if word is None else len(word) for word in column.values()]
    assert len(asked) == len(set(asked)) <= max(len(column), len(column.vocabulary))
    assert len(asked) <= len(column) or len(column) >= len(column.vocabulary)


@settings(max_examples=60)
@given(st.lists(st.integers(-1, 6), max_size=20), st.sampled_from([7, 10_000]))
def test_codes_that_occur_are_found_by_marks_and_by_sorting(codes: list[int], size: int) -> None:
    used, place = occurring(np.array(codes, np.int32), size)
    assert used.tolist() == sorted(set(codes))
    assert used[place].tolist() == codes


@settings(max_examples=60)
@given(st.lists(st.integers(0, 3), max_size=8), st.none() | st.integers(-9, 9), st.none() | st.integers(-9, 9))
def test_a_slice_of_a_bag_holds_the_places_of_its_rows(sizes: list[int], start: int | None, stop: int | None) -> None:
    bag = Bag.of(sizes, np.arange(sum(sizes)), 99)
    held = [part.tolist() for part in np.split(bag.places, bag.offsets[1:-1])] if sizes else []
    part = bag[start:stop]
    assert [each.tolist() for each in np.split(part.places, part.offsets[1:-1])][: len(part)] == held[start:stop]
    assert (len(part), part.width, part.offsets[0]) == (len(held[start:stop]), 99, 0)


@settings(max_examples=40)
@given(st.lists(WORDS, min_size=1, max_size=4))
def test_batches_under_one_another_have_the_rows_of_all(batches: list[list[str | None]]) -> None:
    whole = concat([{"word": Category.of(words), "size": np.full(len(words), 1.5)} for words in batches])
    assert isinstance(whole["word"], Category)
    assert whole["word"].values() == [word for words in batches for word in words]
    assert count(whole) == sum(map(len, batches))


def test_a_batch_alone_is_not_copied() -> None:
    batch = {"a": np.zeros(3)}
    assert concat([batch]) == batch
    assert concat([batch])["a"] is batch["a"]
    assert concat([]) == {}


def test_blocks_and_moments_go_under_one_another_too() -> None:
    times = np.array(["2013-01-01"], "datetime64[us]")
    whole = concat([{"block": np.ones((1, 3)), "at": times}] * 2)
    assert whole["block"].shape == (2, 3)  # type: ignore[union-attr]
    assert whole["at"].dtype == "datetime64[us]"  # type: ignore[union-attr]


def test_the_kind_of_a_column_is_what_it_looks_like() -> None:
    assert kind(np.zeros(2)) == "number"
    assert kind(np.zeros((2, 3))) == "block"
    assert kind(np.zeros(2, "datetime64[us]")) == "time"
    assert kind(Category.of(["a"])) == "category"
    assert kind(Bag.of([1], [0], 2)) == "bag"


@pytest.mark.parametrize("rows", [slice(0, 2), np.array([True, True, False]), np.array([0, 1])])
def test_rows_are_taken_by_slice_mask_or_position(rows: object) -> None:
    part = take({"n": np.array([1.0, 2.0, 3.0]), "w": Category.of(["a", None, "b"])}, rows)  # type: ignore[arg-type]
    assert np.asarray(part["n"]).tolist() == [1.0, 2.0]
    assert isinstance(part["w"], Category)
    assert part["w"].values() == ["a", None]


def test_a_batch_without_columns_has_no_rows() -> None:
    assert count({}) == 0


@settings(max_examples=40)
@given(WORDS)
def test_each_row_finds_its_string_among_the_distinct_ones(words: list[str | None]) -> None:
    distinct, place = Category.of(words)[::-1].distinct()
    assert [distinct[each] for each in place] == [word or "" for word in words[::-1]]
    assert len(distinct) == len(set(words))


def held(bag: Bag) -> list[list[int]]:
    return [part.tolist() for part in np.split(bag.places, bag.offsets[1:-1])] if len(bag) else []


BAGS = st.lists(st.sets(st.integers(0, 6)).map(sorted), max_size=8)


@settings(max_examples=60)
@given(BAGS, st.data())
def test_rows_of_a_bag_are_taken_as_those_of_a_list(rows: list[list[int]], data: st.DataObject) -> None:
    bag = Bag.of([len(row) for row in rows], [place for row in rows for place in row], 7, tuple("abcdefg"))
    assert held(bag) == rows
    positions = data.draw(st.lists(st.integers(-len(rows), len(rows) - 1), max_size=9) if rows else st.just([]))
    mask = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    part = data.draw(st.slices(len(rows)))
    assert held(bag[np.array(positions, np.intp)]) == [rows[each] for each in positions]
    assert held(bag[np.array(mask, bool)]) == [row for row, kept in zip(rows, mask, strict=True) if kept]
    taken = bag[part]
    assert held(taken) == rows[part]
    assert (taken.offsets.dtype, taken.places.dtype, taken.width, taken.words) == (np.int64, np.int32, 7, bag.words)
    assert bag.row_of().tolist() == [row for row, places in enumerate(rows) for _ in places]


def test_a_bag_is_nothing_that_a_preparation_may_give() -> None:
    with pytest.raises(TypeError, match="a Bag is no column"):
        as_column(Bag.of([1], [0], 2))
