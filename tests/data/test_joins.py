from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.columns import Category, Column, concat, count, take
from ml_pipeline.data.joins import MATCHED, MOMENT, Join, Reference
from ml_pipeline.errors import SchemaError
from ml_pipeline.models import RecentRate

START = np.datetime64("2013-09-01T00:00", "us")
HOUR = np.timedelta64(1, "h")
KEY = st.sampled_from(["a", "b", None])
TIME = st.none() | st.integers(0, 8)
ROWS = st.lists(st.tuples(KEY, KEY, TIME), max_size=12)
Row = tuple[str | None, str | None, int | None]


def moments(hours: list[int | None]) -> Any:
    return np.array([np.datetime64("NaT") if hour is None else START + hour * HOUR for hour in hours], "datetime64[us]")


def table(rows: list[Row], time: str, **more: Any) -> dict[str, Column]:
    return {
        "k": Category.of([row[0] for row in rows]),
        "l": Category.of([row[1] for row in rows]),
        time: moments([row[2] for row in rows]),
        **more,
    }


def reference(rows: list[Row], as_of: bool, tolerance: int | None) -> Reference:
    columns = table(rows, "known", value=np.arange(len(rows), dtype=float))
    if not as_of:
        del columns["known"]
    limit = None if tolerance is None else tolerance * HOUR
    return Reference.index("ref", columns, {"k": "k", "l": "l"}, "known" if as_of else None, limit)


def by_hand(rows: list[Row], x: Row, as_of: bool, tolerance: int | None) -> float:
    """The definition: the latest row of the same keys that was known by then, of equals the last."""
    k, ll, moment = x
    if None in (k, ll) or (as_of and moment is None):
        return np.nan
    fits = [
        (time if as_of else 0, at)
        for at, (own_k, own_l, time) in enumerate(rows)
        if (own_k, own_l) == (k, ll)
        and (
            not as_of or (time is not None and time <= moment and (tolerance is None or moment - time <= tolerance))  # type: ignore[operator]
        )
    ]
    return float(max(fits)[1]) if fits else np.nan  # type: ignore[type-var]


@settings(max_examples=100)
@given(ROWS, ROWS, st.booleans(), st.none() | st.integers(0, 4))
def test_a_join_finds_what_the_definition_finds(
    rows: list[Row], wanted: list[Row], as_of: bool, tolerance: int | None
) -> None:
    joined = Join.transform(table(wanted, MOMENT), {"references": [reference(rows, as_of, tolerance)]})
    expected = [by_hand(rows, x, as_of, tolerance) for x in wanted]
    np.testing.assert_array_equal(joined["value"], expected)  # type: ignore[arg-type]
    np.testing.assert_array_equal(joined[MATCHED + "ref"], ~np.isnan(expected))  # type: ignore[arg-type]
    assert count(joined) == len(wanted)


@settings(max_examples=60)
@given(ROWS, st.booleans())
def test_duplicates_are_counted(rows: list[Row], as_of: bool) -> None:
    usable = [row for row in rows if None not in (row if as_of else row[:2])]
    distinct = {row if as_of else row[:2] for row in usable}
    assert reference(rows, as_of, None).duplicates == len(usable) - len(distinct)


def test_thousands_of_rows_agree_with_pandas() -> None:
    chance = np.random.default_rng(5)
    words = np.array(["JFK", "EWR", "LGA"])
    left = pd.DataFrame({"k": chance.choice(words, 3000), "at": chance.integers(0, 5000, 3000)}).sort_values("at")
    right = pd.DataFrame({"k": chance.choice(words, 900), "at": chance.integers(0, 5000, 900), "v": np.arange(900.0)})
    right = right.sort_values("at", kind="stable")
    expected = pd.merge_asof(left, right, on="at", by="k", tolerance=40)["v"].to_numpy()
    columns = {
        "k": Category.of(right["k"].tolist()),
        "at": right["at"].to_numpy().astype("datetime64[us]"),
        "v": right["v"].to_numpy(),
    }
    found = Reference.index("r", columns, {"k": "k"}, "at", np.timedelta64(40, "us"))
    x = {"k": Category.of(left["k"].tolist()), MOMENT: left["at"].to_numpy().astype("datetime64[us]")}
    np.testing.assert_array_equal(Join.transform(x, {"references": [found]})["v"], expected)  # type: ignore[arg-type]


@settings(max_examples=40)
@given(ROWS, ROWS, st.sets(st.integers(0, 12)))
def test_batches_of_any_size_and_records_one_by_one_join_alike(
    rows: list[Row], wanted: list[Row], cuts: set[int]
) -> None:
    parameters = {"references": [reference(rows, True, 3)]}
    x = table(wanted, MOMENT)
    whole = Join.transform(x, parameters)
    for borders in ([0, *sorted(cuts), 99], list(range(len(wanted) + 1))):
        batches = [Join.transform(take(x, slice(a, b)), parameters) for a, b in itertools.pairwise(borders)]
        again = concat(batches) if batches else whole
        np.testing.assert_array_equal(again["value"], whole["value"])  # type: ignore[arg-type]
        assert again["k"].values() == whole["k"].values()  # type: ignore[union-attr]


def test_every_kind_of_column_is_gathered_and_missing_where_nothing_matches() -> None:
    columns = {
        "k": Category.of(["a", "b"]),
        "n": np.array([1.0, 2.0]),
        "w": Category.of(["x", None]),
        "t": moments([1, 2]),
        "b": np.array([[1.0, 2.0], [3.0, 4.0]]),
    }
    parameters = {"references": [Reference.index("r", columns, {"key": "k"}, None, None)]}
    joined: Any = Join.transform({"key": Category.of(["b", "z", "a"])}, parameters)
    np.testing.assert_array_equal(joined["n"], [2.0, np.nan, 1.0])
    np.testing.assert_array_equal(joined["b"], [[3, 4], [np.nan, np.nan], [1, 2]])
    np.testing.assert_array_equal(joined["t"], moments([2, None, 1]))
    assert joined["w"].values() == [None, None, "x"]
    assert list(joined) == ["key", "n", "w", "t", "b", MATCHED + "r"]


@pytest.mark.parametrize("as_of", [True, False])
def test_an_empty_reference_matches_nothing_and_keeps_its_columns(as_of: bool) -> None:
    x = table([("a", "b", 3)], MOMENT)
    joined: Any = Join.transform(x, {"references": [reference([], as_of, None)]})
    assert np.isnan(joined["value"]).all()
    assert joined[MATCHED + "ref"].tolist() == [0.0]
    assert count(Join.transform(take(x, slice(0, 0)), {"references": [reference([], as_of, None)]})) == 0


def test_many_keys_of_many_words_do_not_overflow() -> None:
    chance = np.random.default_rng(0)
    words = tuple(f"w{number}" for number in range(2000))
    columns: dict[str, Column] = {
        f"k{at}": Category(chance.integers(0, 2000, 300).astype(np.int32), words) for at in range(8)
    }
    keys = {name: name for name in columns}
    found = Reference.index("r", {**columns, "v": np.arange(300.0)}, keys, None, None)
    assert Join.transform(columns, {"references": [found]})["v"].tolist() == list(range(300))  # type: ignore[union-attr]


class TestTheFutureIsNeverVisible:
    @settings(max_examples=60)
    @given(ROWS, ROWS, st.none() | st.integers(0, 4))
    def test_rows_known_after_the_moment_change_nothing(
        self, rows: list[Row], wanted: list[Row], tolerance: int | None
    ) -> None:
        """Poison for every key, one microsecond after each row's moment."""
        for at, x in enumerate(wanted):
            batch = table([x], MOMENT)
            before: Any = Join.transform(batch, {"references": [reference(rows, True, tolerance)]})
            poisoned = table(rows, "known", value=np.arange(len(rows), dtype=float))
            poison = table([(k, ll, x[2]) for k in "ab" for ll in "ab"], "known", value=np.full(4, 1e9))
            poison["known"] = np.asarray(poison["known"]) + np.timedelta64(1, "us")
            limit = None if tolerance is None else tolerance * HOUR
            seen = Reference.index("ref", concat([poison, poisoned]), {"k": "k", "l": "l"}, "known", limit)
            after: Any = Join.transform(batch, {"references": [seen]})
            assert before["value"].tobytes() == after["value"].tobytes(), at

    @settings(max_examples=30)
    @given(st.integers(0, 10_000), st.integers(1, 47))
    def test_labels_that_become_known_later_do_not_change_a_recent_rate(self, seed: int, hour: int) -> None:
        """From the history to the joined rate: what landed after the moment may as well not have happened."""
        chance = np.random.default_rng(seed)
        rows = 200
        history: dict[str, Column] = {
            "k": Category(chance.integers(0, 2, rows).astype(np.int32), ("a", "b")),
            "landed": START + chance.integers(0, 48 * 60, rows) * np.timedelta64(1, "m"),
            "late": (chance.random(rows) < 0.3).astype(float),
        }
        moment = START + hour * HOUR + np.timedelta64(int(chance.integers(0, 60)), "m")
        x = {"k": Category.of(["a", "b"]), MOMENT: np.array([moment, moment], "datetime64[us]")}
        unknown = np.asarray(history["landed"]) > moment
        poisoned = {**history, "late": np.where(unknown, 1.0, np.asarray(history["late"]))}
        poisoned["landed"] = np.where(unknown, moment + np.timedelta64(1, "us"), np.asarray(history["landed"]))
        rates = [_rate(past, x) for past in (history, poisoned, take(history, ~unknown))]
        assert rates[0] == rates[1]
        assert rates[0] == rates[2]

    def test_what_is_known_at_the_very_moment_is_visible(self) -> None:
        joined = Join.transform(table([("a", "a", 3)], MOMENT), {"references": [reference([("a", "a", 3)], True, 0)]})
        assert joined["value"].tolist() == [0.0]  # type: ignore[union-attr]


def _rate(history: dict[str, Column], x: dict[str, Any]) -> bytes:
    model = RecentRate("k", label="late", known="landed", window="12h", every="1h", name="rate")
    made = model.transform(history, model.parameters)
    found = Reference.index("rate", made, {"k": "k"}, "known_at", np.timedelta64(1, "D"))
    return np.asarray(Join.transform(x, {"references": [found]})["rate"]).tobytes()


class TestWhatCannotBeJoined:
    def test_a_key_of_numbers(self) -> None:
        with pytest.raises(SchemaError, match=r"sky cannot be joined on 'k'. Given: a column of numbers"):
            Reference.index("sky", {"k": np.ones(2)}, {"k": "k"}, None, None)

    def test_a_key_that_is_not_there(self) -> None:
        found = Reference.index("sky", {"town": Category.of(["a"])}, {"place": "town"}, None, None)
        with pytest.raises(SchemaError, match=r"the driving source cannot be joined on 'place'. Given: no such column"):
            Join.transform({"k": Category.of(["a"])}, {"references": [found]})

    @pytest.mark.parametrize("as_of", [np.ones(1), Category.of(["2013-09-01"])])
    def test_a_time_that_is_none(self, as_of: Any) -> None:
        columns = {"k": Category.of(["a"]), "at": as_of}
        with pytest.raises(SchemaError, match=r"sky cannot be joined as of 'at'.*Expected: a column of moments"):
            Reference.index("sky", columns, {"k": "k"}, "at", None)

    def test_two_columns_of_one_name(self) -> None:
        columns = {"k": Category.of(["a"]), "n": np.ones(1)}
        found = Reference.index("sky", columns, {"k": "k"}, None, None)
        with pytest.raises(SchemaError, match=r"sky gives the column 'n', which is there already.*rename it"):
            Join.transform({"k": Category.of(["a"]), "n": np.zeros(1)}, {"references": [found]})
