from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.columns import Category
from ml_pipeline.data import json_values


@given(st.lists(st.floats()))
def test_a_number_comes_back_to_the_last_bit(values: list[float]) -> None:
    written = json.loads(json.dumps(json_values.of_column(np.array(values, np.float64)), allow_nan=False))
    back = [math.nan if value is None else float(value) for value in written]
    assert (
        np.array(back).tobytes() == np.array([math.nan if math.isnan(value) else value for value in values]).tobytes()
    )


def test_what_is_missing_is_null_and_moments_are_in_utc() -> None:
    times = np.array(["2013-09-01T04:00", "NaT", "12345-01-01T00:00:00.000007"], "datetime64[us]")
    assert json_values.of_column(times) == ["2013-09-01T04:00:00Z", None, "12345-01-01T00:00:00.000007Z"]
    assert json_values.of_column(Category.of(["a", None])) == ["a", None]
    assert json_values.of_column(np.array([[1.0, np.nan], [np.inf, 2.0]])) == [[1.0, None], ["Infinity", 2.0]]


def test_whole_numbers_of_a_table_stay_whole() -> None:
    table = pa.table({"a": pa.array([2**62 + 1, None]), "b": pa.array([1.5, -math.inf]), "c": ["x", None]})
    assert json_values.of_table(table, ["c", "a", "b"]) == [
        {"c": "x", "a": 2**62 + 1, "b": 1.5}, {"c": None, "a": None, "b": "-Infinity"},
    ]  # fmt: skip
