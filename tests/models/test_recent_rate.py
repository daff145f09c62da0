from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.columns import Category, Column, take
from ml_pipeline.errors import ChainError, ConfigError, DataError
from ml_pipeline.models import RecentRate
from ml_pipeline.templates import Parameters

START = np.datetime64("2013-03-01T00:00", "us")
RATE = RecentRate("origin", "carrier", label="late", known="landed", window="6h", every="1h", strength=2.0, name="rate")


def history(rows: int, seed: int, hours: int = 72) -> dict[str, Column]:
    chance = np.random.default_rng(seed)
    late = np.where(chance.random(rows) < 0.1, np.nan, (chance.random(rows) < 0.3).astype(float))
    landed = START + np.sort(chance.integers(0, hours * 12, rows)) * np.timedelta64(5, "m").astype("timedelta64[us]")
    landed[chance.random(rows) < 0.1] = np.datetime64("NaT")
    return {
        "origin": Category(chance.integers(-1, 2, rows).astype(np.int32), ("JFK", "EWR")),
        "carrier": Category(chance.integers(0, 3, rows).astype(np.int32), ("UA", "AA", "B6")),
        "late": late,
        "landed": landed,
    }


def records(table: dict[str, Column]) -> dict[tuple, float]:
    names = zip(table["origin"].values(), table["carrier"].values(), table["known_at"].tolist(), strict=True)
    return dict(zip(names, table["rate"].tolist(), strict=True))


def by_hand(x: dict[str, Column], moment: object, origin: str, carrier: str) -> float:
    """The definition, row by row."""
    known, late = x["landed"], x["late"]
    moment = np.datetime64(moment, "us")
    keyed = x["origin"].codes >= 0
    inside = keyed & ~np.isnan(late) & (known > moment - np.timedelta64(6, "h")) & (known <= moment)
    own = inside & (np.array(x["origin"].values()) == origin) & (np.array(x["carrier"].values()) == carrier)
    if not inside.any():
        return np.nan
    return (late[own].sum() + 2.0 * late[inside].mean()) / (own.sum() + 2.0)


@pytest.mark.long
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 120))
def test_every_row_is_what_the_definition_says(seed: int, rows: int) -> None:
    x = history(rows, seed)
    for (origin, carrier, moment), rate in records(RATE.transform(x, RATE.parameters)).items():
        assert rate == pytest.approx(by_hand(x, moment, origin, carrier), nan_ok=True)


def test_nothing_that_is_known_later_enters() -> None:
    x = history(300, 1)
    moment = START + np.timedelta64(30, "h")
    past = RATE.transform(take(x, x["landed"] <= moment), RATE.parameters)
    planted = {**x, "late": np.where(x["landed"] > moment, 1.0 - x["late"], x["late"])}
    future = RATE.transform(planted, RATE.parameters)
    before = take(future, future["known_at"] <= moment)
    known = records(past)
    assert len(before["rate"]) > 100
    for key, rate in records(before).items():
        assert rate == pytest.approx(known[key], abs=0.0, rel=0.0, nan_ok=True)


def test_a_row_counts_from_the_moment_it_is_known_until_its_window_has_passed() -> None:
    x = {
        "k": Category.of(["a", "b"]),
        "label": np.array([1.0, 0.0]),
        "known": START + np.array([60, 61], "timedelta64[m]"),
    }
    model = RecentRate("k", window="2h", strength=0.0)
    table = model.transform(x, model.parameters)
    assert list(table) == ["k", "known_at", "recent_label_by_k"]
    hours = ((table["known_at"] - START) / np.timedelta64(1, "h")).tolist()
    assert list(zip(table["k"].values(), hours, strict=True)) == [
        ("a", 1.0), ("a", 2.0), ("a", 3.0), ("a", 4.0), ("b", 2.0), ("b", 3.0), ("b", 4.0),
    ]  # fmt: skip
    np.testing.assert_array_equal(table["recent_label_by_k"], [1, 1, np.nan, np.nan, 0, 0, np.nan])


def test_more_history_changes_no_row_whose_window_was_full() -> None:
    x = history(400, 2)
    cut = START + np.timedelta64(20, "h")
    short = RATE.transform(take(x, x["landed"] > cut), RATE.parameters)
    long = records(RATE.transform(x, RATE.parameters))
    full = take(short, short["known_at"] >= cut + np.timedelta64(6, "h"))
    assert len(full["rate"]) > 100
    for key, rate in records(full).items():
        assert rate == pytest.approx(long[key], abs=0.0, rel=0.0, nan_ok=True)


def test_the_grid_is_absolute() -> None:
    every = np.timedelta64(7, "h").astype("timedelta64[us]")
    model = RecentRate("carrier", label="late", known="landed", window="1d", every="7h")
    moments = model.transform(history(50, 3), model.parameters)["known_at"]
    assert moments.dtype == "datetime64[us]"
    assert not (moments.astype(np.int64) % every.astype(np.int64)).any()


def test_a_history_that_says_nothing_gives_an_empty_table() -> None:
    x = {**history(20, 4), "late": np.full(20, np.nan)}
    table = RATE.transform(x, RATE.parameters)
    assert [len(column) for column in table.values()] == [0, 0, 0, 0]


def test_the_order_of_rows_does_not_matter() -> None:
    x = history(200, 5)
    mixed = take(x, np.random.default_rng(0).permutation(200))
    same = records(RATE.transform(mixed, RATE.parameters))
    for key, rate in records(RATE.transform(x, RATE.parameters)).items():
        assert rate == pytest.approx(same[key], abs=0.0, nan_ok=True)


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(ConfigError, match="length of time"):
        RecentRate("k", window="1 fortnight")
    with pytest.raises(ChainError, match="at least one key"):
        RecentRate()
    with pytest.raises(ChainError, match="a window no shorter"):
        RecentRate("k", window="1h", every="2h")
    with pytest.raises(ChainError, match="every above 0"):
        RecentRate("k", every="0h")
    far = {"k": Category.of(["a", "b"]), "label": np.ones(2), "known": np.array(["1000-01-01", "2024-01-01"], "M8[us]")}
    model = RecentRate("k", every="1min")
    with pytest.raises(DataError, match="too long"):
        model.transform(far, model.parameters)


def test_outputs_are_checked_by_kind() -> None:
    kinds = {"origin": "category", "carrier": "category", "late": "number", "landed": "time"}
    parameters: Parameters = RATE.parameters
    assert RATE.outputs(parameters, kinds) == {
        "origin": "category",
        "carrier": "category",
        "known_at": "time",
        "rate": "number",
    }
    with pytest.raises(ChainError, match="'landed'"):
        RATE.outputs(parameters, {**kinds, "landed": "number"})
