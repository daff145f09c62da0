from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.columns import Category, kind
from ml_pipeline.data.frames import from_frame, to_frame

WORDS = st.lists(st.none() | st.text(max_size=3), max_size=8)


@settings(max_examples=40)
@given(WORDS)
def test_columns_to_a_frame_and_back_are_the_same(words: list[str | None]) -> None:
    times = np.arange(len(words)).astype("datetime64[us]")
    again = from_frame(to_frame({"w": Category.of(words), "n": np.full(len(words), np.nan), "t": times}))
    assert isinstance(again["w"], Category)
    assert again["w"].values() == words
    assert np.isnan(again["n"]).all()  # type: ignore[arg-type]
    np.testing.assert_array_equal(again["t"], times)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (pd.Series([1, 2]), [1.0, 2.0]),
        (pd.Series([True, False]), [1.0, 0.0]),
        (pd.Series([1, None], dtype="Int64"), [1.0, np.nan]),
        (pd.Series([True, None], dtype="boolean"), [1.0, np.nan]),
        (pd.Series([1.5, None], dtype="Float64"), [1.5, np.nan]),
        (pd.Series([1.5], dtype="float32"), [1.5]),
    ],
)
def test_numbers_of_any_kind_become_float64(series: pd.Series, expected: list[float]) -> None:
    column = from_frame(pd.DataFrame({"n": series}))["n"]
    assert isinstance(column, np.ndarray)
    assert column.dtype == np.float64
    np.testing.assert_array_equal(column, expected)


@pytest.mark.parametrize(
    "series",
    [
        pd.Series(["b", None, "a"]),
        pd.Series(["b", None, "a"], dtype="object"),
        pd.Series(["b", None, "a"], dtype="string"),
        pd.Series(["b", None, "a"], dtype="category"),
    ],
)
def test_words_of_any_kind_become_a_category(series: pd.Series) -> None:
    column = from_frame(pd.DataFrame({"w": series}))["w"]
    assert isinstance(column, Category)
    assert column.values() == ["b", None, "a"]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_moments_of_any_unit_and_zone_become_utc(unit: str, zone: str | None) -> None:
    local = pd.Series(pd.to_datetime(["2013-09-01T04:00:00", None])).dt.as_unit(unit)  # type: ignore[arg-type]
    series = local if zone is None else local.dt.tz_localize("UTC").dt.tz_convert(zone)
    column = from_frame(pd.DataFrame({"t": series}))["t"]
    assert kind(column) == "time"
    np.testing.assert_array_equal(column, np.array(["2013-09-01T04:00", "NaT"], "datetime64[us]"))  # type: ignore[arg-type]


def test_a_length_of_time_is_refused_rather_than_taken_for_words() -> None:
    frame = pd.DataFrame({"d": pd.to_timedelta(["1h"])})
    with pytest.raises(TypeError, match=r"'d'.*timedelta"):
        from_frame(frame)


def test_what_is_no_text_is_written_as_python_writes_it() -> None:
    mixed = pd.Series([1, "1", None, 2.5, True], dtype=object)
    assert from_frame(pd.DataFrame({"w": mixed}))["w"].values() == ["1", "1", None, "2.5", "True"]  # type: ignore[union-attr]


@pytest.mark.parametrize("categories", [["b", "a"], [2, 1], [1, "1"], [pd.Interval(0, 1), pd.Interval(1, 2)]])
def test_categories_of_any_kind_are_distinct_words(categories: list[object]) -> None:
    frame = pd.DataFrame({"w": pd.Categorical.from_codes([1, -1, 0], pd.Index(categories))})
    column = from_frame(frame)["w"]
    assert isinstance(column, Category)
    assert column.values() == [str(categories[1]), None, str(categories[0])]
    assert len(set(column.vocabulary)) == len(column.vocabulary)
    assert column.codes.dtype == np.int32
