from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.models.metric import TARGETS, better, beyond, compared, distance, interval, kept, known, places, shown

NAMES = ("roc_auc", "r2", "rmse", "log_loss", "bias", "calibration_ratio")
NUMBERS = st.floats(-1e6, 1e6)


def metric(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


@pytest.mark.parametrize("name", NAMES)
@given(ends=st.tuples(NUMBERS, NUMBERS).map(sorted), floor=st.floats(0.0, 1e6))
def test_an_interval_is_beyond_a_floor_where_no_value_in_it_keeps_the_floor(
    name: str, ends: list[float], floor: float
) -> None:
    low, high = kept(name, floor)
    some_keeps_it = max(low, ends[0]) <= min(high, ends[1])
    assert beyond(name, metric(ends[0], *ends), floor) is not some_keeps_it


@pytest.mark.parametrize("name", NAMES)
@given(ours=NUMBERS, theirs=NUMBERS)
def test_what_is_nearer_the_best_is_better(name: str, ours: float, theirs: float) -> None:
    best = TARGETS.get(name, 1e7 if better(name) == "larger" else -1e7)
    less = float(distance(name, np.float64(ours)) - distance(name, np.float64(theirs)))
    own, other = abs(ours - best), abs(theirs - best)
    if own == other or less == 0.0:
        return
    assert compared(name, metric(less, less, less)) == ("better" if own < other else "worse")


@pytest.mark.parametrize("ends", [(-1.0, 1.0), (0.0, 1.0), (-1.0, 0.0), (math.nan, math.nan)])
def test_an_interval_that_holds_0_or_nothing_says_nothing(ends: tuple[float, float]) -> None:
    assert compared("roc_auc", metric(0.5, *ends)) == ""


def test_what_is_no_number_is_not_known() -> None:
    found = {"a": metric(math.nan, math.nan, math.nan), "b": metric(0.5, math.nan, math.nan)}
    assert [known(name, found) for name in "abc"] == [False, True, False]


@given(size=st.floats(1e-9, 1e12))
def test_at_least_two_digits_of_the_largest_are_written_and_never_more_than_needed(size: float) -> None:
    own = metric(size, -size / 2, size)
    text = shown(own)
    assert float(text.replace(",", "")) == pytest.approx(size, rel=0.05)
    assert places(own) <= 10
    assert len(text.replace(",", "")) <= 13


def test_what_is_not_known_is_written_too() -> None:
    assert shown(metric(math.nan, math.nan, math.nan)) == "nan"
    assert interval(metric(0.0, 0.0, 0.0)) == "0.0000 to 0.0000"


def test_a_difference_is_written_like_what_differs() -> None:
    less, own = metric(2e-16, -1e-15, 1e-15), metric(22.2278, 21.17, 23.57)
    assert (shown(less, own, sign=True), interval(less, own, sign=True)) == ("+0.000", "-0.000 to +0.000")
