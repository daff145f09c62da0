from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.columns import Category
from ml_pipeline.data.profile import FREQUENT, profile

NUMBERS = st.lists(st.floats(-1e9, 1e9) | st.sampled_from([np.nan, np.inf, -np.inf]), max_size=50)
WORDS = st.lists(st.none() | st.text(max_size=3), max_size=60)


@given(NUMBERS)
def test_numbers_are_described_as_by_pandas(values: list[float]) -> None:
    found = profile({"x": np.array(values, np.float64)})["x"]
    known = pd.Series(values, dtype=float).replace([np.inf, -np.inf], np.nan).dropna()
    assert (found["kind"], found["rows"], found["missing"]) == ("number", len(values), len(values) - len(known))
    if len(known) == 0:
        assert "mean" not in found
        return
    described = known.describe(percentiles=[0.05, 0.25, 0.5, 0.75, 0.95])
    assert list(found["quantiles"]) == ["5%", "25%", "50%", "75%", "95%"]
    for name, value in {**found["quantiles"], "mean": found["mean"], "min": found["min"], "max": found["max"]}.items():
        assert value == pytest.approx(described[name], rel=1e-9, abs=1e-6)
    assert found["sd"] == pytest.approx(known.std(ddof=0), rel=1e-6, abs=1e-6)


@given(WORDS)
def test_words_are_counted_as_by_pandas(values: list[str | None]) -> None:
    found = profile({"x": Category.of(values)})["x"]
    counts = pd.Series([value for value in values if value is not None], dtype=object).value_counts()
    assert (found["kind"], found["rows"], found["missing"]) == ("category", len(values), len(values) - counts.sum())
    if len(counts) == 0:
        assert "frequent" not in found
        return
    assert found["distinct"] == len(counts)
    assert len(found["frequent"]) == min(FREQUENT, len(counts))
    shares = list(found["frequent"].values())
    assert shares == sorted(shares, reverse=True) == pytest.approx((counts / len(values)).tolist()[:FREQUENT])
    assert all(share == pytest.approx(counts[word] / len(values)) for word, share in found["frequent"].items())


def test_of_equally_frequent_words_the_first_by_name_comes_first_and_text_is_not_listed() -> None:
    found = profile({"x": Category.of(["b", "a", "long " * 20, "long " * 20, None])})["x"]
    assert list(found["frequent"].items()) == [("a", 0.2), ("b", 0.2)]
    assert (found["distinct"], found["missing"]) == (3, 1)


def test_words_of_the_vocabulary_that_no_row_has_do_not_count() -> None:
    assert profile({"x": Category(np.zeros(2, np.int32), ("a", "b"))})["x"]["distinct"] == 1


def test_times_have_a_first_and_a_last() -> None:
    times = np.array(["2013-01-02T03:04:05.678", "NaT", "2012-01-01"], "datetime64[us]")
    found = profile({"t": times, "none": np.array(["NaT"] * 3, "datetime64[us]")})
    assert found["t"] == {
        "kind": "time", "rows": 3, "missing": 1, "first": "2012-01-01T00:00:00Z", "last": "2013-01-02T03:04:05Z",
    }  # fmt: skip
    assert found["none"] == {"kind": "time", "rows": 3, "missing": 3}


def test_a_block_has_a_width() -> None:
    block = np.array([[1.0, np.nan], [1.0, 2.0]])
    assert profile({"b": block})["b"] == {"kind": "block", "rows": 2, "missing": 1, "width": 2}


def test_numbers_that_cannot_be_summed_raise_no_warning() -> None:
    assert profile({"x": np.array([1.7e308, 1.7e308])})["x"]["max"] == 1.7e308


def test_what_is_found_can_be_stored_as_it_is() -> None:
    columns = {"x": np.arange(3.0), "c": Category.of(["a", None, "b"]), "t": np.array(["2013-01-02"], "datetime64[us]")}
    assert plain_yaml.load(plain_yaml.dump(profile(columns))) == profile(columns)
