from __future__ import annotations

import copy
import datetime as dt
import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as some

from ml_pipeline.columns import Category, Column, kind
from ml_pipeline.data.arrow import compact, to_column, to_columns, to_table

ROWS = st.shared(st.integers(0, 9), key="rows")
NUMBERS = ROWS.flatmap(lambda rows: some.arrays(np.float64, rows))
BLOCKS = ROWS.flatmap(lambda rows: some.arrays(np.float64, (rows, 3)))
TIMES = ROWS.flatmap(lambda rows: some.arrays("datetime64[us]", rows))
WORDS = ROWS.flatmap(lambda rows: st.lists(st.none() | st.text(max_size=3), min_size=rows, max_size=rows))
COLUMNS = st.fixed_dictionaries({"n": NUMBERS, "b": BLOCKS, "t": TIMES, "w": WORDS.map(Category.of)})


def same(a: Column, b: Column) -> bool:
    """To the bit, save that a missing number is a missing number."""
    if isinstance(a, Category) and isinstance(b, Category):
        return a.values() == b.values()
    assert isinstance(a, np.ndarray)
    assert isinstance(b, np.ndarray)
    missing = np.isnan(a) if a.dtype.kind == "f" else np.isnat(a)  # type: ignore[arg-type]
    there = np.isnan(b) if b.dtype.kind == "f" else np.isnat(b)  # type: ignore[arg-type]
    return a.shape == b.shape and (missing == there).all() and a[~missing].tobytes() == b[~there].tobytes()


@settings(max_examples=40)
@given(COLUMNS)
def test_columns_to_a_table_and_back_are_the_same(columns: dict[str, Column]) -> None:
    again = to_columns(to_table(columns))
    assert list(again) == list(columns)
    assert all(same(columns[name], again[name]) for name in columns)
    assert [kind(again[name]) for name in "nbtw"] == ["number", "block", "time", "category"]


@settings(max_examples=40)
@given(COLUMNS, st.integers(0, 9), st.integers(0, 9))
def test_a_slice_of_a_table_is_the_slice_of_its_columns(columns: dict[str, Column], start: int, length: int) -> None:
    rows = slice(start, start + length)
    again = to_columns(to_table(columns).slice(start, length))
    assert all(same(columns[name][rows], again[name]) for name in columns)


@settings(max_examples=40)
@given(st.lists(WORDS.map(Category.of), min_size=1, max_size=3))
def test_chunks_with_vocabularies_of_their_own_become_one_category(parts: list[Category]) -> None:
    chunks = [to_table({"w": part}).column("w").chunk(0) for part in parts]
    column = to_column(pa.chunked_array(chunks, pa.dictionary(pa.int32(), pa.string())))
    assert isinstance(column, Category)
    assert column.values() == [word for part in parts for word in part.values()]
    assert len(set(column.vocabulary)) == len(column.vocabulary)


MOMENT = dt.datetime(2013, 9, 1, 6, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1, None, 3]), [1.0, np.nan, 3.0]),
        (pa.array([True, None, False]), [1.0, np.nan, 0.0]),
        (pa.array([1.5, None], pa.float32()), [1.5, np.nan]),
        (pa.array([None, None]), [np.nan, np.nan]),
        (pa.array([], pa.int64()), []),
        (pa.chunked_array([], pa.float64()), []),
        (pa.chunked_array([[1], [2, None]]), [1.0, 2.0, np.nan]),
    ],
)
def test_whatever_counts_becomes_float64(values: Any, expected: list[float]) -> None:
    column = to_column(values)
    assert isinstance(column, np.ndarray)
    assert column.dtype == np.float64
    np.testing.assert_array_equal(column, expected)


@pytest.mark.parametrize("text", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_text_of_any_storage_becomes_a_category(text: pa.DataType) -> None:
    column = to_column(pa.array(["b", None, "a", "b"], pa.string()).cast(text))
    assert isinstance(column, Category)
    assert column.values() == ["b", None, "a", "b"]
    assert column.codes.dtype == np.int32


@pytest.mark.parametrize(
    "values",
    [
        pa.array([MOMENT, None], pa.timestamp("us", "UTC")),
        pa.array([MOMENT, None], pa.timestamp("s", "America/New_York")),
        pa.array([MOMENT, None], pa.timestamp("ms", "+05:30")),
        pa.array([MOMENT.replace(tzinfo=None), None], pa.timestamp("ns")),
    ],
)
def test_a_moment_in_any_zone_and_unit_is_the_same_moment_in_utc(values: pa.Array) -> None:
    column = to_column(values)
    assert isinstance(column, np.ndarray)
    assert column.dtype == "datetime64[us]"
    np.testing.assert_array_equal(column, np.array(["2013-09-01T06:30", "NaT"], "datetime64[us]"))


def test_dates_are_midnights() -> None:
    column = to_column(pa.array([dt.date(2013, 9, 1)]))
    assert column[0] == np.datetime64("2013-09-01T00:00", "us")  # type: ignore[comparison-overlap]


def test_what_is_finer_than_a_microsecond_is_cut_off() -> None:
    column = to_column(pa.array([1_999], pa.timestamp("ns")))
    assert column[0] == np.datetime64(1, "us")  # type: ignore[comparison-overlap]


def test_only_the_columns_asked_for_in_the_order_asked_for() -> None:
    table = to_table({"a": np.ones(1), "b": np.zeros(1), "c": np.ones(1)})
    assert list(to_columns(table, ["c", "a"])) == ["c", "a"]
    assert list(to_columns(table)) == ["a", "b", "c"]
    assert to_columns(table, []) == {}


def test_numbers_that_are_whole_already_are_not_copied() -> None:
    values = pa.array(np.arange(3.0))
    column = to_column(values)
    assert isinstance(column, np.ndarray)
    assert column.__array_interface__["data"][0] == values.buffers()[1].address


class TestAStoredCategory:
    """What Arrow holds is a category like any other."""

    STORED: Any = to_column(pa.array(["b", None, "a", "b"]))

    def test_its_words_are_made_when_they_are_asked_for(self) -> None:
        stored: Any = to_column(pa.array(["b", None, "a", "b"]))
        assert "plain" not in vars(stored[1:].words)
        assert stored[1:].vocabulary == ("b", "a")
        assert vars(stored.words)["plain"] is stored.vocabulary

    def test_it_passes_through_without_them(self) -> None:
        stored: Any = to_column(pa.array(["b", None, "a", "b"]))
        assert to_table({"w": stored[2:]}).column("w").to_pylist() == ["a", "b"]
        assert "plain" not in vars(stored.words)

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda column: pickle.loads(pickle.dumps(column)), copy.copy])
    def test_a_copy_is_the_same(self, copied: Any) -> None:
        again = copied(self.STORED)
        assert again.values() == self.STORED.values()
        assert again.vocabulary == ("b", "a")

    @given(WORDS, st.lists(st.text(max_size=3), unique=True))
    def test_it_is_recoded_as_any_other(self, words: list[str | None], vocabulary: list[str]) -> None:
        stored: Any = to_column(pa.array(words, pa.string()))
        own, plain = (each.recode(vocabulary, 7, 9) for each in (stored, Category.of(words)))
        assert own.codes.tolist() == plain.codes.tolist()
        assert (own.vocabulary, own.codes.dtype) == (plain.vocabulary, np.int32)
        assert "plain" not in vars(stored.words)

    def test_its_type_makes_new_ones(self) -> None:
        assert type(self.STORED).of(["x"]).values() == ["x"]

    def test_it_does_not_change(self) -> None:
        with pytest.raises(AttributeError):
            self.STORED.codes = self.STORED.codes


@settings(max_examples=100)
@given(WORDS, st.integers(0, 9), st.data())
def test_compact_holds_just_the_words_in_use_in_order_of_appearance(
    words: list[str | None], spare: int, data: st.DataObject
) -> None:
    known = [*dict.fromkeys(word for word in words if word is not None), *(f"spare {n}" for n in range(spare))]
    order = data.draw(st.permutations(known))
    codes = pa.array([None if word is None else order.index(word) for word in words], pa.int32())
    made = compact(pa.DictionaryArray.from_arrays(codes, pa.array(order, pa.string())))
    assert made.equals(pa.array(words, pa.string()).dictionary_encode())


@given(st.lists(st.none() | st.integers(-(2**31), 2**31 - 1)), st.integers(0, 20), st.integers(0, 20))
def test_a_slice_is_read_from_where_it_begins(values: list[int | None], start: int, length: int) -> None:
    for type_ in (pa.int32(), pa.int64(), pa.float64(), pa.timestamp("us"), pa.bool_()):
        held = [None if value is None else bool(value % 2) for value in values] if type_ == pa.bool_() else values
        whole = pa.array(held[start : start + length], type_)
        assert same(to_column(pa.array(held, type_).slice(start, length)), to_column(whole))


def test_whole_numbers_with_gaps_are_numbers() -> None:
    assert to_column(pa.array([2**53 + 1, None, -3])).tolist()[::2] == [float(2**53 + 1), -3.0]
    assert np.isnan(to_column(pa.array([None, 1], pa.int8()))).tolist() == [True, False]
    assert to_column(pa.nulls(2)).tolist() == pytest.approx([np.nan] * 2, nan_ok=True)
