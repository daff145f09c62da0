from __future__ import annotations

import sys
from functools import reduce

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.columns import Category, Column, Columns, count, take
from ml_pipeline.data import arrow
from ml_pipeline.data.profile import Profile, merge, unpack
from ml_pipeline.data.running_profile import RunningProfile
from ml_pipeline.data.word_profile import FREQUENT
from ml_pipeline.errors import IntegrityError

NUMBERS = st.lists(st.floats(-1e9, 1e9) | st.sampled_from([np.nan, np.inf, -np.inf]), max_size=50)
WORDS = st.lists(st.none() | st.text(max_size=3), max_size=60)
SHARES = np.linspace(0.01, 0.99, 99)
ROWS = 20_000


def described(columns: Columns) -> dict[str, dict[str, object]]:
    return Profile.of(columns).described()


def written(columns: Columns, rows: int = 65_536) -> Profile:
    """As of a dataset whose parts have so many rows."""
    running = RunningProfile()
    for number, start in enumerate(range(0, max(count(columns), 1), rows)):
        part = arrow.to_table(take(columns, slice(start, start + rows)))
        running.add(number, part.unify_dictionaries().combine_chunks())
    return running.whole()


@given(NUMBERS)
def test_numbers_are_described_as_by_pandas(values: list[float]) -> None:
    found = described({"x": np.array(values, np.float64)})["x"]
    known = pd.Series(values, dtype=float).replace([np.inf, -np.inf], np.nan).dropna()
    assert (found["kind"], found["rows"], found["missing"]) == ("number", len(values), len(values) - len(known))
    if len(known) == 0:
        assert "mean" not in found
        return
    told = known.describe()
    assert list(found["quantiles"]) == ["5%", "25%", "50%", "75%", "95%"]
    for share, value in found["quantiles"].items():
        assert (known <= value).mean() >= float(share[:-1]) / 100 >= (known < value).mean()
    for name in ("mean", "min", "max"):
        assert found[name] == pytest.approx(told[name], rel=1e-9, abs=1e-6)
    assert found["sd"] == pytest.approx(known.std(ddof=0), rel=1e-6, abs=1e-6)
    assert found["distinct"] == known.nunique()


@given(WORDS)
def test_words_are_counted_as_by_pandas(values: list[str | None]) -> None:
    found = described({"x": Category.of(values)})["x"]
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
    found = described({"x": Category.of(["b", "a", "long " * 20, "long " * 20, None])})["x"]
    assert list(found["frequent"].items()) == [("a", 0.2), ("b", 0.2)]
    assert (found["distinct"], found["missing"], found["lengths"]["95%"]) == (3, 1, 100.0)


def test_words_of_the_vocabulary_that_no_row_has_do_not_count() -> None:
    assert described({"x": Category(np.zeros(2, np.int32), ("a", "b"))})["x"]["distinct"] == 1


def test_times_have_a_first_and_a_last() -> None:
    times = np.array(["2013-01-02T03:04:05.678", "NaT", "2012-01-01"], "datetime64[us]")
    found = described({"t": times, "none": np.array(["NaT"] * 3, "datetime64[us]")})
    assert {name: found["t"][name] for name in ("kind", "rows", "missing", "first", "last")} == {
        "kind": "time", "rows": 3, "missing": 1, "first": "2012-01-01T00:00:00Z", "last": "2013-01-02T03:04:05Z",
    }  # fmt: skip
    assert found["t"]["quantiles"]["25%"] == "2012-01-01T00:00:00Z"
    assert found["none"] == {"kind": "time", "rows": 3, "missing": 3}


def test_a_block_has_a_width() -> None:
    block = np.array([[1.0, np.nan], [1.0, 2.0]])
    assert described({"b": block})["b"] == {"kind": "block", "rows": 2, "missing": 1, "width": 2}


def test_numbers_that_cannot_be_summed_raise_no_warning() -> None:
    huge = Profile.of({"x": np.array([1.7e308, 1.7e308])})
    assert huge.described()["x"]["max"] == 1.7e308
    assert huge.merge(huge).described()["x"]["quantiles"]["50%"] == 1.7e308


def test_what_is_found_can_be_stored_as_it_is() -> None:
    columns = {"x": np.arange(3.0), "c": Category.of(["a", None, "b"]), "t": np.array(["2013-01-02"], "datetime64[us]")}
    assert plain_yaml.load(plain_yaml.dump(described(columns))) == described(columns)


Rows = list[tuple[float, str | None]]
MIXED = st.lists(
    st.tuples(
        st.sampled_from([0.0, 1.0, 2.5]) | st.floats(-1e3, 1e3) | st.just(np.nan),
        st.none() | st.sampled_from(["a", "b", "c"]) | st.text(max_size=2),
    ),
    max_size=40,
)


def mixed(rows: list[tuple[float, str | None]]) -> Columns:
    numbers, words = [number for number, _ in rows], [word for _, word in rows]
    moments = np.array(numbers, np.float64).astype("datetime64[s]").astype("datetime64[us]")
    return {"x": np.array(numbers, np.float64), "c": Category.of(words), "t": moments}


@given(MIXED, MIXED, MIXED)
def test_to_merge_is_associative_and_gives_the_counts_of_all_rows_together(
    first: Rows, second: Rows, third: Rows
) -> None:
    a, b, c = (Profile.of(mixed(rows)) for rows in (first, second, third))
    left, right, whole = a.merge(b).merge(c), a.merge(b.merge(c)), Profile.of(mixed([*first, *second, *third]))
    for merged in (left, right):
        assert merged.rows == whole.rows
        found, wanted = merged.described(), whole.described()
        for name in wanted:
            for fact in ("kind", "rows", "missing", "min", "max", "first", "last", "distinct", "frequent"):
                assert found[name].get(fact) == wanted[name].get(fact), (name, fact)
        if "mean" in wanted["x"]:
            assert found["x"]["mean"] == pytest.approx(wanted["x"]["mean"], rel=1e-9, abs=1e-6)
            assert found["x"]["sd"] == pytest.approx(wanted["x"]["sd"], rel=1e-6, abs=1e-4)
        assert found["x"].get("quantiles") == wanted["x"].get("quantiles")


@pytest.mark.parametrize("draw", ["normal", "exponential", "lognormal", "zeros", "rounded"])
def test_quantiles_of_merged_days_are_those_of_the_rows(draw: str) -> None:
    rng = np.random.default_rng(1)
    values = {
        "normal": rng.normal(size=(30, ROWS)),
        "exponential": rng.exponential(size=(30, ROWS)),
        "lognormal": rng.lognormal(0.0, 2.0, (30, ROWS)),
        "zeros": np.where(rng.random((30, ROWS)) < 0.6, 0.0, rng.exponential(size=(30, ROWS))),
        "rounded": rng.normal(size=(30, ROWS)).round(1),
    }[draw]
    whole = merge(written({"x": day}) for day in values)
    column, everything = whole.columns["x"], np.sort(values.ravel())
    found = column.quantiles(SHARES)
    below, up_to = (np.searchsorted(everything, found + nudge, side) / everything.size
                    for nudge, side in ((-1e-9, "left"), (1e-9, "right")))  # fmt: skip
    assert np.maximum(below - SHARES, SHARES - up_to).max() < 0.01
    points = np.quantile(everything, SHARES)
    assert np.abs(column.up_to(points) - np.searchsorted(everything, points, "right") / everything.size).max() < 0.015
    assert (column.least, column.greatest) == (everything[0], everything[-1])
    assert (whole.rows, column.rows, column.missing) == (30 * ROWS, 30 * ROWS, 0)


def test_days_of_different_sizes_count_by_their_rows() -> None:
    large, small = np.zeros(60_000), np.arange(1.0, 1001.0)
    both = written({"x": large}).merge(written({"x": small}))
    assert both.columns["x"].up_to([0.5])[0] == pytest.approx(60 / 61, abs=1e-4)


def test_rows_that_alternate_are_seen_in_their_true_shares() -> None:
    for period in (2, 3, 8, 16):
        columns = {
            "x": np.arange(65_536) % period + 0.0,
            "c": Category(np.arange(65_536, dtype=np.int32) % 2, ("a", "b")),
        }
        found = written(columns)
        shares = found.columns["x"].up_to(np.arange(period))
        assert np.abs(shares - (np.arange(period) + 1) / period).max() < 0.01
        assert found.described()["c"]["frequent"]["a"] == pytest.approx(0.5, abs=0.01)


def test_what_is_missing_and_the_ends_are_exact_in_a_dataset() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=70_000)
    x[rng.random(70_000) < 0.1] = np.nan
    x[[5, 69_999]] = [-1e6, np.inf]
    words = Category(np.where(rng.random(70_000) < 0.3, -1, 0).astype(np.int32), ("a",))
    times = np.datetime64("2020-01-01", "us") + np.arange(70_000)
    times[7] = "NaT"
    found = written({"x": x, "c": words, "t": times, "b": np.stack([x, x], axis=1)})
    known = x[np.isfinite(x)]
    assert found.rows == 70_000
    assert (found.columns["x"].missing, found.columns["x"].least) == (70_000 - len(known), -1e6)
    assert found.columns["x"].greatest == known.max()
    assert found.columns["c"].missing == (words.codes < 0).sum()
    assert found.columns["t"].missing == 1
    assert found.columns["b"].missing == 70_000 - len(known)
    assert found.described()["t"]["last"] == "2020-01-01T00:00:00Z"


@pytest.mark.parametrize("parts", [1, 3])
def test_a_million_words_take_no_more_room_than_a_few_thousand(parts: int) -> None:
    def packed(words: int) -> tuple[Profile, int]:
        codes = np.random.default_rng(3).integers(0, words, 1_000_000).astype(np.int32)
        codes[::4] = 0
        found = written({"c": Category(codes, tuple(f"word number {each}" for each in range(words)))})
        return found, len(found.pack())

    (few, small), (many, large) = packed(5_000), packed(1_000_000)
    assert large < 1.5 * small < 100_000
    assert few.described()["c"]["distinct"] == pytest.approx(5_000, rel=0.2)
    ((word, share), *_) = many.described()["c"]["frequent"].items()
    assert word == "word number 0"
    assert share == pytest.approx(0.25, abs=0.01)


def test_a_dataset_without_rows_still_has_columns() -> None:
    found = written({"x": np.zeros(0), "c": Category.of([]), "t": np.zeros(0, "datetime64[us]")})
    assert {name: (own["kind"], own["rows"]) for name, own in found.described().items()} == {
        "x": ("number", 0), "c": ("category", 0), "t": ("time", 0),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("other", "kinds"),
    [
        (Category.of(["a"]), ["category", "number"]),
        (np.zeros((1, 2)), ["block of 2", "number"]),
        (np.zeros(1, "datetime64[us]"), ["number", "time"]),
    ],
)
def test_a_column_of_two_kinds_is_of_another_one_and_merges_on(other: Column, kinds: list[str]) -> None:
    numbers, others = Profile.of({"x": np.array([1.0, np.nan])}), Profile.of({"x": other})
    found = numbers.merge(others).merge(numbers).described()["x"]
    assert found == {"kind": "other", "rows": 5, "missing": 2, "kinds": kinds}
    blocks = Profile.of({"x": np.zeros((1, 2))}).merge(Profile.of({"x": np.zeros((1, 3))}))
    assert blocks.described()["x"]["kinds"] == ["block of 2", "block of 3"]


def test_a_column_that_one_day_lacks_counts_the_rows_of_the_others() -> None:
    both = Profile.of({"x": np.zeros(2), "y": np.zeros(2)}).merge(Profile.of({"x": np.zeros(3)}))
    assert (both.rows, both.columns["x"].rows, both.columns["y"].rows) == (5, 5, 2)


@given(MIXED)
def test_bytes_give_the_same_profile_and_the_same_rows_the_same_bytes(rows: list[tuple[float, str | None]]) -> None:
    own = Profile.of(mixed(rows))
    assert unpack(own.pack(), "here") == own
    assert Profile.of(mixed(rows)).pack() == own.pack()


@pytest.mark.parametrize(
    "change", [lambda b: b"", lambda b: b[:-1], lambda b: b"no" + b, lambda b: b[:60] + b"x" + b[61:]]
)
def test_bytes_that_are_no_profile_are_refused_with_what_to_do(change: object) -> None:
    packed = change(Profile.of({"x": np.arange(5.0)}).pack())  # type: ignore[operator]
    with pytest.raises(IntegrityError, match="a profile cannot be read") as caught:
        unpack(packed, "s3://store/profile")
    assert "s3://store/profile" in caught.value.given
    assert caught.value.do


def test_a_profile_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml_pipeline.data.profile.VERSION", 2)
    later = Profile.of({"x": np.arange(5.0)}).pack()
    monkeypatch.undo()
    with pytest.raises(IntegrityError) as caught:
        unpack(later, "here")
    assert "version 2" in caught.value.given


def test_parts_in_any_order_give_the_same_profile() -> None:
    rng = np.random.default_rng(4)
    parts = [arrow.to_table({"x": rng.lognormal(0, 3, 9_000), "c": Category.of(list("ab") * 4_500)}) for _ in range(20)]

    def profiled(order: npt.NDArray[np.int64]) -> bytes:
        running = RunningProfile()
        for number in order.tolist():
            running.add(number, parts[number])
        return running.whole().pack()

    assert profiled(np.arange(20)) == profiled(rng.permutation(20))


def test_memory_is_that_of_the_columns_whatever_the_rows() -> None:
    def packed(days: int) -> int:
        rng = np.random.default_rng(5)
        return len(merge(Profile.of({"x": rng.normal(size=500)}) for _ in range(days)).pack())

    assert packed(400) < 1.2 * packed(20) < 6_000


def test_the_sketch_library_is_loaded_only_where_it_is_used() -> None:
    import subprocess

    code = "import sys, ml_pipeline.artifacts.datasets; print('datasketches' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"


def test_the_mean_of_many_days_is_that_of_all_their_rows() -> None:
    days = [np.full(10 * day, float(day)) for day in range(1, 30)]
    found = reduce(Profile.merge, (Profile.of({"x": day}) for day in days)).described()["x"]
    everything = np.concatenate(days)
    assert found["mean"] == pytest.approx(everything.mean())
    assert found["sd"] == pytest.approx(everything.std())
